/**
 * Manifests in which a client may read something else than a gate has checked. Gates refuse them, signed or not:
 *
 *   an index and an image in one      which of both it is, its sender says (CVE-2021-41190)
 *   "Layers" beside "layers"          programs in Go take both for the same field, and the last one counts
 *   a field twice in one object       JSON.parse takes the last one, and Go fills the value of the first one with the second
 *   an index with `data`              containerd takes a manifest from there and never asks for it (image-spec, "Descriptors")
 */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../oci/digest.ts';
import { isAmbiguous } from '../oci/manifest.ts';
import { isJsonObject, parseJson } from '../oci/parse-json.ts';
import type { GatedImage } from './gates.ts';

/** Fields that say what is run, by their folded names. */
const fields = new Map(
  ['mediaType', 'config', 'layers', 'manifests', 'fsLayers', 'digest', 'size', 'data', 'urls'].map((name) => [
    folded(name),
    name,
  ]),
);

/** Manifests that are remembered: one may have 4 MiB, and each request asks. */
const remembered = 20_000;

/** A sentence fragment that follows "it"; undefined for a manifest that means one thing. */
export type WhyUnclear = (image: Pick<GatedImage, 'digest' | 'bytes'>) => string | undefined;

/** Reads the bytes of a digest once. */
export function createWhyUnclear(): WhyUnclear {
  const known = new LRUCache<Digest, { readonly why: string | undefined }>({ max: remembered });
  return (image) => {
    const found = known.get(image.digest) ?? { why: whyUnclear(image.bytes) };
    known.set(image.digest, found);
    return found.why;
  };
}

function whyUnclear(bytes: Uint8Array): string | undefined {
  const parsed = parseJson(bytes);
  if (!parsed.ok) return parsed.problem;
  const json = parsed.value;
  if (!isJsonObject(json)) return 'is no JSON object';
  if (colonsIn(bytes) !== membersIn(json)) return 'has a field twice, of which some clients read both';
  if (isAmbiguous(bytes)) return 'lists both images and layers';
  const listed = objectsIn(json.manifests);
  for (const object of [json, ...objectsIn([json.config]), ...objectsIn(json.layers), ...listed]) {
    const odd = Object.keys(object).find((key) => (fields.get(folded(key)) ?? key) !== key);
    if (odd !== undefined)
      return `has a field ${JSON.stringify(odd.slice(0, 20))}, which some clients read in another case`;
  }
  const isInside = listed.some(({ data }) => data !== undefined && data !== null);
  return isInside ? 'holds the bytes of a manifest that it lists' : undefined;
}

function objectsIn(value: unknown): readonly Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

/** Go's encoding/json compares names so: by simple folding, which makes S of a long s, and k of the sign for kelvin. */
function folded(name: string): string {
  return name.toUpperCase().toLowerCase();
}

/** Members of all objects below a value. A name that is twice in one object is one member. */
function membersIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inside = Object.values(value);
  return inside.reduce((sum, one) => sum + membersIn(one), Array.isArray(value) ? 0 : inside.length);
}

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;

/** Colons outside strings: JSON has one for each member as it is written. */
function colonsIn(bytes: Uint8Array): number {
  let colons = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (byte === quote) inString = !inString;
    else if (byte === backslash) at += 1;
    else if (byte === colon && !inString) colons += 1;
  }
  return colons;
}
