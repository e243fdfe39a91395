/** A signature that Rekor's log holds, and what checks it (`transparency.ts`). */

/** An entry of Rekor's log as cosign keeps it. */
export interface LogEntry {
  readonly SignedEntryTimestamp: string;
  readonly Payload: {
    readonly body: string;
    readonly integratedTime: number;
    readonly logIndex: number;
    readonly logID: string;
  };
}

export interface LoggedSignature {
  readonly payload: Uint8Array;
  readonly signature: Buffer;
  readonly entry: LogEntry;
  /** PEM of the signer's certificate, and of those that lead to the CA. */
  readonly certificate: string | undefined;
  readonly chain: string | undefined;
}

/** Undefined: as required. Else a sentence fragment. */
export interface TransparencyCheck {
  verify(signature: LoggedSignature): string | undefined;
  /** A bundle of sigstore as JSON. `content`: what it is about. That a statement in it is about that, is the caller's to check. */
  verifyBundle(json: unknown, content: Uint8Array): string | undefined;
}
