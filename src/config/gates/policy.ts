/**
 * containers-policy.json(5) as values: what is required of the images of a scope. `field` says where it is written, such as
 * `transports.docker["quay.io/team"][0]`.
 */
export interface Policy {
  readonly file: string;
  readonly default: readonly Requirement[];
  /** Scopes of the transport `docker`; the empty one holds for all others of it. */
  readonly docker: ReadonlyMap<string, readonly Requirement[]>;
}

/** One item of a list of requirements; all of a list must hold. */
export type Requirement = { readonly field: string } & (
  | { readonly type: 'insecureAcceptAnything' | 'reject' | 'signedBaseLayer' }
  | SignedBy
  | SigstoreSigned
);

/** A simple signature by one of the GPG keys. */
export interface SignedBy {
  readonly type: 'signedBy';
  readonly keyType: string;
  /** What each source of keys holds, armored or not, in base64: configuration is frozen, and buffers cannot be. */
  readonly keys: readonly string[];
  readonly identity: SignedIdentity;
}

/** A sigstore signature by one of the keys, or by a certificate that Fulcio has issued. */
export interface SigstoreSigned {
  readonly type: 'sigstoreSigned';
  readonly by: { readonly keys: readonly string[] } | Fulcio;
  /** PEM of the public keys of Rekor; undefined: no entry of its log is required. */
  readonly rekor: readonly string[] | undefined;
  readonly identity: SignedIdentity;
}

export interface Fulcio {
  /** PEM of the certificates of the CA. */
  readonly ca: string;
  readonly oidcIssuer: string;
  readonly subjectEmail: string;
}

/** Which reference a signature must have signed, for the image that was asked for. */
export type SignedIdentity =
  | { readonly type: 'matchExact' | 'matchRepoDigestOrExact' | 'matchRepository' }
  | { readonly type: 'exactReference'; readonly reference: string }
  | { readonly type: 'exactRepository'; readonly repository: string }
  | { readonly type: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string };
