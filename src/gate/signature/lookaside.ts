/**
 * Simple signatures beside a registry (containers/image, "signature-protocols"): files `REPOSITORY@sha256=HEX/signature-1` and so on
 * below a URL of registries.d, until one is missing. Repositories are written without their registry.
 */
import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isMissing } from '../../config/files/text-file.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../oci/digest.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Upstream } from '../../upstream/upstream.ts';
import type { Found } from './attachments.ts';
import type { SigstoreSignature } from './sigstore.ts';

export type LookasideSignature =
  | { readonly kind: 'simple'; readonly bytes: Uint8Array }
  | { readonly kind: 'sigstore'; readonly signature: SigstoreSignature }
  /** As in containers/image, no signature counts beside one that cannot be read. */
  | { readonly kind: 'unreadable' };

const maxSignatures = 50;
const maxBytes = 128 * 1024;

type Bytes = { readonly bytes: Uint8Array | undefined } | { readonly unknown: string };

/** Never rejects. `timeout`: ms for each file. */
export async function findSignatures(
  askUrl: Upstream['askUrl'],
  base: string,
  { repository }: Reference,
  digest: Digest,
  { timeout, signal }: { readonly timeout: number; readonly signal: AbortSignal },
): Promise<Found<LookasideSignature>> {
  const folder = `${base}/${repository}@${digestAlgorithm(digest)}=${digestHex(digest)}`;
  const signatures: LookasideSignature[] = [];
  for (let number = 1; number <= maxSignatures; number += 1) {
    const url = `${folder}/signature-${number}`;
    const read = url.startsWith('file:') ? await fromFile(url) : await fromServer(url);
    if ('unknown' in read) return { signatures, unknown: `its signatures: ${read.unknown}` };
    if (!read.bytes) break;
    signatures.push(signatureIn(read.bytes));
  }
  return { signatures };

  async function fromServer(url: string): Promise<Bytes> {
    const answer = await askUrl(url, { method: 'GET', headers: {}, timeout, cap: maxBytes, signal });
    const { host } = new URL(url);
    if (!answer.ok) return { unknown: `${host}: ${answer.reason}` };
    if (answer.status === 404) return { bytes: undefined };
    return answer.status === 200 ? { bytes: answer.bytes } : { unknown: `${host}: HTTP ${answer.status}` };
  }
}

async function fromFile(url: string): Promise<Bytes> {
  try {
    const path = fileURLToPath(url);
    const found = await stat(path);
    if (!found.isFile() || found.size > maxBytes) return { unknown: `${path} is no signature` };
    return { bytes: await readFile(path) };
  } catch (error) {
    return isMissing(error) ? { bytes: undefined } : { unknown: 'a file cannot be read' };
  }
}

/** Packets that begin an OpenPGP message: compressed data, a one-pass signature, or a signature (RFC 9580, section 4.2). */
const openPgpStarts = new Set([
  0xa0, 0xa1, 0xa2, 0xa3, 0xc8, 0x90, 0x91, 0x92, 0x93, 0xc4, 0x88, 0x89, 0x8a, 0x8b, 0xc2,
]);

/** A zero byte begins what names its format; anything else is of GPG. */
function signatureIn(bytes: Uint8Array): LookasideSignature {
  const [first] = bytes;
  if (first !== undefined && openPgpStarts.has(first)) return { kind: 'simple', bytes };
  const end = bytes.indexOf(0x0a);
  if (first !== 0 || end < 0) return { kind: 'unreadable' };
  const rest = bytes.subarray(end + 1);
  switch (Buffer.from(bytes.subarray(1, end)).toString('latin1')) {
    case 'simple-signing':
      return { kind: 'simple', bytes: rest };
    case 'sigstore-json':
      return sigstoreIn(rest);
    default:
      return { kind: 'unreadable' };
  }
}

function sigstoreIn(bytes: Uint8Array): LookasideSignature {
  const parsed = parseJson(bytes);
  if (!parsed.ok || !isJsonObject(parsed.value)) return { kind: 'unreadable' };
  const { payload, annotations } = parsed.value;
  if (typeof payload !== 'string' || !isJsonObject(annotations)) return { kind: 'unreadable' };
  return { kind: 'sigstore', signature: { payload: Buffer.from(payload, 'base64'), annotations } };
}
