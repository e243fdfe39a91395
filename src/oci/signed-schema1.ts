/**
 * Signed schema 1 manifests (`manifest.v1+prettyjws`). Registries name such a manifest by the digest of its payload: the bytes before
 * the signatures and a tail, as the first `protected` header says (libtrust, jsonsign.go; distribution, manifest/schema1).
 *
 *   payload = bytes[0:formatLength] + base64url(formatTail)
 */
import { type Digest, digestAlgorithm } from './digest.ts';
import { isJsonObject, parseJson } from './parse-json.ts';

/** A hash in lower-case hex. */
type HexHash = (algorithm: string, content: Uint8Array) => string;

/** Whether `digest` is the digest of the bytes, or of the payload that they sign. */
export function isNamedBy(bytes: Uint8Array, digest: Digest, hash: HexHash): boolean {
  const algorithm = digestAlgorithm(digest);
  if (`${algorithm}:${hash(algorithm, bytes)}` === digest) return true;
  const payload = signedPayload(bytes);
  return payload !== undefined && `${algorithm}:${hash(algorithm, payload)}` === digest;
}

/** The digest of the payload; undefined for anything but a signed schema 1 manifest. */
export function payloadDigest(bytes: Uint8Array, hash: HexHash): Digest | undefined {
  const payload = signedPayload(bytes);
  return payload && (`sha256:${hash('sha256', payload)}` as Digest);
}

function signedPayload(bytes: Uint8Array): Uint8Array | undefined {
  const whole = readObject(bytes);
  if (whole?.schemaVersion !== 1 || !Array.isArray(whole.signatures)) return undefined;
  const [first] = whole.signatures as unknown[];
  if (!isJsonObject(first) || typeof first.protected !== 'string') return undefined;
  const header = readObject(Buffer.from(first.protected, 'base64url'));
  const { formatLength, formatTail } = header ?? {};
  if (typeof formatLength !== 'number' || !Number.isSafeInteger(formatLength)) return undefined;
  if (formatLength < 0 || formatLength > bytes.length || typeof formatTail !== 'string') return undefined;
  const payload = Buffer.concat([bytes.subarray(0, formatLength), Buffer.from(formatTail, 'base64url')]);
  // The digest covers only the payload, so nothing but signatures may follow it.
  const { signatures: _, ...signed } = whole;
  return JSON.stringify(readObject(payload)) === JSON.stringify(signed) ? payload : undefined;
}

function readObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  const parsed = parseJson(bytes);
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : undefined;
}
