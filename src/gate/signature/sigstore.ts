/**
 * Signatures of cosign in the form of simple signing: a payload, and a signature over it. A plain key is checked by node:crypto. What
 * Rekor's log and Fulcio's certificates say is checked by the library of sigstore, which is loaded with the first such signature.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { SigstoreSigned } from '../../config/gates/policy.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import type { LogEntry, TransparencyCheck } from './logged-signature.ts';

/** Annotations of a layer (cosign, SIGNATURE_SPEC.md). */
const annotations = {
  signature: 'dev.cosignproject.cosign/signature',
  entry: 'dev.sigstore.cosign/bundle',
  certificate: 'dev.sigstore.cosign/certificate',
  chain: 'dev.sigstore.cosign/chain',
} as const;

export interface SigstoreSignature {
  readonly payload: Uint8Array;
  readonly annotations: Readonly<Record<string, unknown>>;
}

/** Undefined: the payload is signed as required. Else a sentence fragment that says what is wrong. Never rejects. */
export type VerifySigstore = (signature: SigstoreSignature) => Promise<string | undefined>;

/** `transparency`: made where the requirement needs Rekor or Fulcio. Throws for a key that node:crypto does not read. */
export function createVerifySigstore(
  { by, rekor }: Pick<SigstoreSigned, 'by' | 'rekor'>,
  transparency: () => Promise<TransparencyCheck>,
): VerifySigstore {
  const keys = 'keys' in by ? by.keys.map((pem) => createPublicKey(pem)) : [];
  let check: Promise<TransparencyCheck> | undefined;

  return async ({ payload, annotations: found }) => {
    const signature = textOf(found[annotations.signature]);
    if (signature === undefined) return `lacks the annotation ${annotations.signature}`;
    const bytes = Buffer.from(signature, 'base64');
    if ('keys' in by && !rekor) {
      return keys.some((key) => isSignedBy(key, payload, bytes)) ? undefined : 'is by none of the keys';
    }
    const entry = entryIn(found[annotations.entry]);
    if (!entry) return `has no usable annotation ${annotations.entry}`;
    const certificate = textOf(found[annotations.certificate]);
    if ('oidcIssuer' in by && certificate === undefined)
      return `lacks the annotation ${annotations.certificate}`;
    check ??= transparency();
    const { verify } = await check;
    return verify({ payload, signature: bytes, entry, certificate, chain: textOf(found[annotations.chain]) });
  };
}

function isSignedBy(key: KeyObject, payload: Uint8Array, signature: Buffer): boolean {
  // Ed25519 hashes by itself.
  const algorithm = key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  try {
    return verify(algorithm, payload, key, signature);
  } catch {
    return false;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function entryIn(value: unknown): LogEntry | undefined {
  if (typeof value !== 'string') return undefined;
  const parsed = parseJson(Buffer.from(value));
  const entry = parsed.ok && isJsonObject(parsed.value) ? parsed.value : undefined;
  const payload = entry?.Payload;
  if (!entry || !isJsonObject(payload) || typeof entry.SignedEntryTimestamp !== 'string') return undefined;
  const { body, integratedTime, logIndex, logID } = payload;
  if (typeof body !== 'string' || typeof logID !== 'string') return undefined;
  if (!Number.isSafeInteger(integratedTime) || !Number.isSafeInteger(logIndex)) return undefined;
  return entry as unknown as LogEntry;
}
