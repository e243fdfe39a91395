/**
 * The payload of a simple signature (containers-signature(5)), which cosign uses too. It is read strictly: what one program overlooks,
 * another may take for something else.
 */
import { type Digest, parseDigest } from '../../oci/digest.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';

export interface Payload {
  readonly digest: Digest;
  /** As it is written: not parsed. */
  readonly reference: string;
}

export type ReadPayload =
  | { readonly ok: true; readonly value: Payload }
  | { readonly ok: false; readonly problem: string };

/** `type` of the payload, by the format of the signature. */
export const payloadTypes = {
  simple: 'atomic container signature',
  sigstore: 'cosign container image signature',
} as const;

/** Problems are sentence fragments that follow "its payload". */
export function readPayload(bytes: Uint8Array, type: string): ReadPayload {
  const parsed = parseJson(bytes);
  if (!parsed.ok) return failed(parsed.problem);
  const payload = withKeys(parsed.value, ['critical', 'optional']);
  const critical = withKeys(payload?.critical, ['type', 'image', 'identity']);
  const image = withKeys(critical?.image, ['docker-manifest-digest']);
  const identity = withKeys(critical?.identity, ['docker-reference']);
  if (!payload || !critical || !image || !identity) return failed('has not the fields of a simple signature');
  const { optional } = payload;
  const isOptional = isJsonObject(optional) || (optional === null && type === payloadTypes.sigstore);
  if (!isOptional) return failed('has no object "optional"');
  if (critical.type !== type) return failed(`is not of type "${type}"`);
  const digest = parseDigest(String(image['docker-manifest-digest']));
  const reference = identity['docker-reference'];
  if (!digest) return failed('names no valid digest');
  if (typeof reference !== 'string') return failed('names no reference');
  return { ok: true, value: { digest, reference } };
}

/** An object with these keys and no other. */
function withKeys(value: unknown, keys: readonly string[]): Record<string, unknown> | undefined {
  if (!isJsonObject(value)) return undefined;
  const found = Object.keys(value);
  return found.length === keys.length && keys.every((key) => Object.hasOwn(value, key)) ? value : undefined;
}

function failed(problem: string): ReadPayload {
  return { ok: false, problem };
}
