/**
 * `entrepot-bundle.json`, format 1: the first entry of each volume. It is the same in all volumes but for `volume`, so any volume tells
 * what the whole bundle holds, and which volumes are lacking.
 *
 *   {"format": 1, "bundle": "sha256:...", "volume": 1, "volumes": 2,
 *    "base": ["sha256:..."],
 *    "refs": [{"name": "quay.io/team/app", "tag": "1.0", "digest": "sha256:..."},
 *             {"name": "quay.io/team/app", "tag": null, "digest": "sha256:..."}],
 *    "blobs": [{"digest": "sha256:...", "size": 1024, "mediaType": "application/vnd...", "volume": 1},
 *              {"digest": "sha256:...", "size": 9000, "parts": [{"volume": 1, "size": 5000}, {"volume": 2, "size": 4000}]}],
 *    "omitted": [{"digest": "sha256:...", "why": "base"}]}
 *
 *   bundle ...... SHA-256 of the same JSON without `bundle` and `volume`, in this order of fields, without spaces
 *   base ........ ids of the receipts, or of the earlier bundles, that `why: "base"` relies on
 *   refs ........ what has a name. Without a tag: an image that was named by its digest, or a referrer (its manifest has a `subject`)
 *   mediaType ... of a manifest; blobs have none
 *   parts ....... of a blob that is cut, in order; `blobs/sha256/HEX.part-0001` is the first one, and each lies in another volume
 *   omitted ..... what the images list and the bundle leaves out: it is at the other site ("base"), or of a platform that is not wanted
 *
 * Everything is in the order in which it was written. There is no time in it, so that the same input gives the same bytes; `created` is
 * there where SOURCE_DATE_EPOCH says it.
 */
import { EntrepotError } from '../errors.ts';
import { hexHash } from '../lib/bytes/hex-hash.ts';
import type { Digest } from '../oci/digest.ts';
import { maxManifestBytes } from '../oci/manifest.ts';
import { isManifestType } from '../oci/media-types.ts';
import { parseReference, parseTag, referenceName, type Tag } from '../oci/reference.ts';
import { maxVolumes } from './bundle-names.ts';
import { checkFormat, type Fields, maxFileBytes, readFields, readJson } from './strict-fields.ts';

export interface BundleManifest extends BundleContents {
  /** The id of the bundle: a SHA-256 digest. */
  readonly bundle: Digest;
  /** The volume that this manifest is in, from 1. */
  readonly volume: number;
}

/** What is the same in all volumes. */
export interface BundleContents {
  readonly volumes: number;
  /** ISO 8601. */
  readonly created?: string;
  readonly base: readonly Digest[];
  readonly refs: readonly BundleRef[];
  readonly blobs: readonly BundleBlob[];
  readonly omitted: readonly Omitted[];
}

export interface BundleRef {
  /** `registry/repository`. */
  readonly name: string;
  readonly tag: Tag | null;
  readonly digest: Digest;
}

/** A manifest or a blob that is in the bundle. */
export interface BundleBlob {
  readonly digest: Digest;
  /** Bytes of the whole. */
  readonly size: number;
  /** Of a manifest. */
  readonly mediaType?: string;
  /** At least one, in order; one for a content that is not cut. Their sizes add up to `size`. */
  readonly parts: readonly BundlePart[];
}

export interface BundlePart {
  readonly volume: number;
  /** Bytes. */
  readonly size: number;
}

export interface Omitted {
  readonly digest: Digest;
  readonly why: 'base' | 'platform';
}

const format = 1;
const whys = ['base', 'platform'] as const;

/** The id that the contents have. */
export function bundleId(contents: BundleContents): Digest {
  return `sha256:${hexHash('sha256', Buffer.from(JSON.stringify(asJson(contents))))}` as Digest;
}

/** The file. Throws EntrepotError BUNDLE_INVALID where it has more than `maxFileBytes`. */
export function printBundleManifest(contents: BundleContents, bundle: Digest, volume: number): Uint8Array {
  const { format: first, ...rest } = asJson(contents);
  const bytes = Buffer.from(`${JSON.stringify({ format: first, bundle, volume, ...rest })}\n`);
  if (bytes.length <= maxFileBytes) return bytes;
  const message = `a bundle of ${contents.blobs.length} manifests and blobs is too large: export fewer images at once`;
  throw new EntrepotError('BUNDLE_INVALID', message);
}

/** `file`: for messages. Throws EntrepotError BUNDLE_INVALID for everything that this format does not say, and for a wrong id. */
export function parseBundleManifest(bytes: Uint8Array, file: string): BundleManifest {
  const json = readJson(bytes, file);
  checkFormat(json, format, file);
  const known = ['format', 'bundle', 'volume', 'volumes', 'created', 'base', 'refs', 'blobs', 'omitted'];
  const whole = readFields(json, known, { file });
  const volumes = whole.amount('volumes');
  if (volumes < 1 || volumes > maxVolumes) whole.wrong('volumes', `is not from 1 to ${maxVolumes}`);
  const volume = whole.amount('volume');
  if (volume < 1 || volume > volumes) whole.wrong('volume', `is not from 1 to ${volumes}`);
  const each = <T>(key: string, fields: readonly string[], read: (one: Fields) => T) =>
    whole.list(key).map((value, at) => read(readFields(value, fields, { file, at: `${key}[${at}]` })));

  const contents: BundleContents = {
    volumes,
    ...(whole.has('created') && { created: readTime(whole, 'created') }),
    base: whole.list('base').map((base) => readFields({ base }, ['base'], { file }).digest('base')),
    refs: each('refs', ['name', 'tag', 'digest'], readRef),
    blobs: each('blobs', ['digest', 'size', 'mediaType', 'volume', 'parts'], (one) => {
      const size = one.amount('size');
      const mediaType = one.has('mediaType') ? readManifestType(one, size) : undefined;
      const parts = readParts(one, { size, volumes, file });
      if (mediaType !== undefined && parts.length > 1)
        one.wrong('parts', 'is of a manifest, which is never cut');
      return { digest: one.digest('digest'), size, ...(mediaType !== undefined && { mediaType }), parts };
    }),
    omitted: each('omitted', ['digest', 'why'], (one) => {
      const why = whys.find((known) => known === one.text('why'));
      return { digest: one.digest('digest'), why: why ?? one.wrong('why', 'is not "base" or "platform"') };
    }),
  };

  const seen = new Set<Digest>();
  for (const { digest } of [...contents.blobs, ...contents.omitted]) {
    if (seen.has(digest)) whole.wrong('blobs', `has ${digest} twice, or omits it as well`);
    seen.add(digest);
  }
  const lacking = contents.refs.find(({ digest }) => !seen.has(digest));
  if (lacking) whole.wrong('refs', `names ${lacking.digest}, which is neither in the bundle nor omitted`);
  const bundle = whole.digest('bundle');
  if (bundle !== bundleId(contents))
    whole.wrong('bundle', 'is not the digest of the rest: the file is damaged');
  return { bundle, volume, ...contents };
}

function readRef(one: Fields): BundleRef {
  const name = one.text('name');
  const parsed = parseReference(name);
  if (!parsed.ok || referenceName(parsed.value) !== name) one.wrong('name', 'is no registry/repository');
  // `null`, and nothing else that is no text.
  const tag = one.isNull('tag') ? null : (parseTag(one.text('tag')) ?? one.wrong('tag', 'is no tag'));
  return { name, tag, digest: one.digest('digest') };
}

function readManifestType(one: Fields, size: number): string {
  const mediaType = one.text('mediaType');
  if (!isManifestType(mediaType)) one.wrong('mediaType', 'is the type of no manifest');
  if (size > maxManifestBytes) one.wrong('size', `is more than the ${maxManifestBytes} bytes of a manifest`);
  return mediaType;
}

function readParts(
  one: Fields,
  { size, volumes, file }: { readonly size: number; readonly volumes: number; readonly file: string },
): readonly BundlePart[] {
  const isVolume = (volume: number) => volume >= 1 && volume <= volumes;
  if (!one.has('parts')) {
    const volume = one.amount('volume');
    if (!isVolume(volume)) one.wrong('volume', `is not from 1 to ${volumes}`);
    return [{ volume, size }];
  }
  if (one.has('volume')) one.wrong('volume', 'stands beside parts');
  const parts = one.list('parts').map((value) => {
    const part = readFields(value, ['volume', 'size'], { file, at: 'parts' });
    return { volume: part.amount('volume'), size: part.amount('size') };
  });
  if (parts.length < 2) one.wrong('parts', 'has fewer than two');
  parts.forEach(({ volume }, at) => {
    const before = parts[at - 1]?.volume ?? 0;
    if (!isVolume(volume) || volume <= before)
      one.wrong('parts', 'are not in volumes of this bundle, in order');
  });
  if (parts.some((part) => part.size === 0)) one.wrong('parts', 'has an empty one');
  if (parts.reduce((sum, part) => sum + part.size, 0) !== size)
    one.wrong('parts', 'do not add up to the size');
  return parts;
}

/** The one form of times that `created` is printed in. */
function readTime(one: Fields, key: string): string {
  const text = one.text(key);
  const time = new Date(text);
  if (Number.isNaN(time.getTime()) || time.toISOString() !== text) one.wrong(key, 'is no time');
  return text;
}

/** Fields in the order of the format. */
function asJson({ volumes, created, base, refs, blobs, omitted }: BundleContents) {
  return {
    format,
    volumes,
    ...(created !== undefined && { created }),
    base,
    refs: refs.map(({ name, tag, digest }) => ({ name, tag, digest })),
    blobs: blobs.map(({ digest, size, mediaType, parts }) => {
      const [first] = parts;
      const place =
        parts.length > 1
          ? { parts: parts.map(({ volume, size: bytes }) => ({ volume, size: bytes })) }
          : { volume: first?.volume };
      return { digest, size, ...(mediaType !== undefined && { mediaType }), ...place };
    }),
    omitted: omitted.map(({ digest, why }) => ({ digest, why })),
  };
}
