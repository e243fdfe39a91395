/** What an image is signed with. Each kind is looked for once, and only where a requirement needs it. */
import type { SignatureGate } from '../../config/gates/gate-config.ts';
import type { Lookasides } from '../../config/gates/registries-d.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Pull } from '../../pull/pull.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import { type Found, findAttachments, findBundles } from './attachments.ts';
import { findSignatures, type LookasideSignature } from './lookaside.ts';
import { lookasideFor } from './requirements.ts';
import type { SigstoreSignature } from './sigstore.ts';

export interface SignedWithDeps {
  /** Asked for signatures, and for nothing that it would have to check itself. */
  readonly pull: Pick<Pull, 'manifest' | 'blob' | 'referrers'>;
  readonly askUrl: Upstream['askUrl'];
}

export interface SignedWith {
  readonly lookaside: () => Promise<Found<LookasideSignature>>;
  readonly attachments: () => Promise<Found<SigstoreSignature>>;
  /** Of cosign 3, as JSON. */
  readonly bundles: () => Promise<Found<unknown>>;
}

/** For the manifest `digest` of the image that `reference` asks for. */
export type SignaturesOf = (reference: Reference, digest: Digest, signal: AbortSignal) => SignedWith;

/** Asks nothing before one of its functions is called. */
export function createSignaturesOf(
  { pull, askUrl }: SignedWithDeps,
  gate: Pick<SignatureGate, 'timeout' | 'bundles'> & { readonly lookasides: Lookasides },
): SignaturesOf {
  const none = async () => ({ signatures: [] });
  return (reference, digest, signal) => {
    const { url, attachments } = lookasideFor(gate.lookasides, reference);
    const options = { timeout: gate.timeout, signal };
    return {
      lookaside:
        url === undefined ? none : once(() => findSignatures(askUrl, url, reference, digest, options)),
      attachments: attachments ? once(() => findAttachments(pull, reference, digest, signal)) : none,
      bundles: attachments && gate.bundles ? once(() => findBundles(pull, reference, digest, signal)) : none,
    };
  };
}

/** Calls `make` with the first call, and gives the same promise to every later one. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
