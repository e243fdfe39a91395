/**
 * Reads JSON files that come from another site: each object has the fields of its format and no other, each value is checked, and the
 * message says where it stands (`blobs[3].size`).
 */
import { EntrepotError } from '../errors.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { isJsonObject, parseJson } from '../oci/parse-json.ts';

/** The reader of one object. Its methods throw EntrepotError BUNDLE_INVALID. */
export interface Fields {
  text(key: string): string;
  /** A whole number of at least 0. */
  amount(key: string): number;
  digest(key: string): Digest;
  has(key: string): boolean;
  isNull(key: string): boolean;
  list(key: string): readonly unknown[];
  /** Fails, and says which field is meant. */
  wrong(key: string, problem: string): never;
}

export interface FieldsSource {
  /** For messages. */
  readonly file: string;
  /** Place in the file: `blobs[3]`; empty for the whole. */
  readonly at?: string;
}

/** The largest file of these formats, in bytes: about 250 000 blobs, or 450 000 digests. Writers keep to it, too. */
export const maxFileBytes = 32 * 1024 * 1024;

/** `bytes` as JSON, within bounds of size, depth and number of values. Throws EntrepotError BUNDLE_INVALID. */
export function readJson(bytes: Uint8Array, file: string): unknown {
  if (bytes.length > maxFileBytes) {
    throw new EntrepotError('BUNDLE_INVALID', `has more than ${maxFileBytes} bytes`, { file });
  }
  const parsed = parseJson(bytes, { depth: 8, values: 4_000_000 });
  if (!parsed.ok) throw new EntrepotError('BUNDLE_INVALID', parsed.problem, { file });
  return parsed.value;
}

/** The fields of `value`, which may have those in `known` alone. Throws EntrepotError BUNDLE_INVALID. */
export function readFields(
  value: unknown,
  known: readonly string[],
  { file, at = '' }: FieldsSource,
): Fields {
  const place = (key: string) => (at === '' ? key : `${at}.${key}`);
  const fail = (what: string, problem: string): never => {
    throw new EntrepotError('BUNDLE_INVALID', `${what} ${problem}`, { file });
  };
  if (!isJsonObject(value)) return fail(at === '' ? 'the file' : at, 'is no JSON object');
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange !== undefined) fail(place(strange.slice(0, 100)), 'is no field of this format');
  const text = (key: string) => {
    const found = value[key];
    return typeof found === 'string' ? found : fail(place(key), 'is no text');
  };
  return {
    text,
    amount(key) {
      const found = value[key];
      const isAmount = typeof found === 'number' && Number.isSafeInteger(found) && found >= 0;
      return isAmount ? found : fail(place(key), 'is no whole number from 0 on');
    },
    digest: (key) => parseDigest(text(key)) ?? fail(place(key), 'is no digest'),
    has: (key) => value[key] !== undefined,
    isNull: (key) => value[key] === null,
    list(key) {
      const found = value[key];
      return Array.isArray(found) ? found : fail(place(key), 'is no list');
    },
    wrong: (key, problem) => fail(place(key), problem),
  };
}

/** Refuses a `format` other than `known`. `value`: the parsed file. Throws EntrepotError BUNDLE_INVALID. */
export function checkFormat(value: unknown, known: number, file: string): void {
  const format = isJsonObject(value) ? value.format : undefined;
  if (format === known) return;
  const message =
    typeof format === 'number'
      ? `has format ${format}, and this version reads format ${known}: use the version of Entrepot that wrote it, or a newer one`
      : 'names no format: it was not written by Entrepot';
  throw new EntrepotError('BUNDLE_INVALID', message, { file });
}
