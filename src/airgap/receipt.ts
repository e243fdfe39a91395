/**
 * `NAME.receipt.json`, format 1: what an import has verified at its site. A courier carries it back, and `entrepot export --base`
 * leaves out what it lists.
 *
 *   {"format": 1, "receipt": "sha256:...", "store": "...", "created": "2026-01-02T03:04:05.000Z",
 *    "bundles": ["sha256:..."], "digests": ["sha256:...", "sha256:..."]}
 *
 *   receipt ..... SHA-256 of the same JSON without `receipt`, in this order of fields, without spaces
 *   store ....... a name of the data folder that the import wrote to: letters, digits, dots and dashes
 *   bundles ..... the bundles that were read
 *   digests ..... all of the images that this import has completed, or found complete; manifests too, sorted by bytes
 */
import { EntrepotError } from '../errors.ts';
import { hexHash } from '../lib/bytes/hex-hash.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { checkFormat, type Fields, maxFileBytes, readFields, readJson } from './strict-fields.ts';

export interface Receipt extends ReceiptContents {
  /** The id of the receipt: a SHA-256 digest. */
  readonly receipt: Digest;
}

export interface ReceiptContents {
  readonly store: string;
  /** ISO 8601. */
  readonly created: string;
  readonly bundles: readonly Digest[];
  readonly digests: readonly Digest[];
}

const format = 1;
const storeForm = /^[A-Za-z0-9][A-Za-z0-9.-]{0,99}$/;

/** The file, with the digests sorted. Throws EntrepotError OUTPUT_UNUSABLE where it would have more than `maxFileBytes`. */
export function printReceipt({ store, created, bundles, digests }: ReceiptContents): Uint8Array {
  const sorted = [...new Set(digests)].toSorted();
  const contents = { store, created, bundles: [...new Set(bundles)].toSorted(), digests: sorted };
  const { format: first, ...rest } = asJson(contents);
  const bytes = Buffer.from(`${JSON.stringify({ format: first, receipt: receiptId(contents), ...rest })}\n`);
  if (bytes.length <= maxFileBytes) return bytes;
  const message = `a receipt of ${sorted.length} digests would be too large for --base. The images are here: import again with fewer archives at once, each time with another --receipt`;
  throw new EntrepotError('OUTPUT_UNUSABLE', message);
}

/** `file`: for messages. Throws EntrepotError BUNDLE_INVALID for everything that this format does not say, and for a wrong id. */
export function parseReceipt(bytes: Uint8Array, file: string): Receipt {
  const json = readJson(bytes, file);
  checkFormat(json, format, file);
  const known = ['format', 'receipt', 'store', 'created', 'bundles', 'digests'];
  const whole = readFields(json, known, { file });
  const store = whole.text('store');
  if (!storeForm.test(store)) whole.wrong('store', 'is no name of a store');
  const created = whole.text('created');
  if (Number.isNaN(Date.parse(created)) || created.length > 30) whole.wrong('created', 'is no time');
  const contents = {
    store,
    created,
    bundles: readDigests(whole, 'bundles'),
    digests: readDigests(whole, 'digests'),
  };
  const receipt = whole.digest('receipt');
  if (receipt !== receiptId(contents))
    whole.wrong('receipt', 'is not the digest of the rest: the file is damaged');
  return { receipt, ...contents };
}

function readDigests(whole: Fields, key: string): readonly Digest[] {
  return whole.list(key).map((value) => {
    const digest = typeof value === 'string' ? parseDigest(value) : undefined;
    return digest ?? whole.wrong(key, 'holds something that is no digest');
  });
}

function receiptId(contents: ReceiptContents): Digest {
  return `sha256:${hexHash('sha256', Buffer.from(JSON.stringify(asJson(contents))))}` as Digest;
}

function asJson({ store, created, bundles, digests }: ReceiptContents) {
  return { format, store, created, bundles, digests };
}
