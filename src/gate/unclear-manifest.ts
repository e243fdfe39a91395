/**
 * Manifests in which a client may read something else than a gate has checked. Gates refuse them, signed or not:
 *
 *   an index and an image in one      which of both it is, its sender says (CVE-2021-41190)
 *   "Layers" beside "layers"          programs in Go take both for the same field, and the last one counts
 *   an index with `data`              containerd takes a manifest from there and never asks for it (image-spec, "Descriptors")
 */
import { isAmbiguous } from '../oci/manifest.ts';
import { isJsonObject, parseJson } from '../oci/parse-json.ts';

/** Fields that say what is run, by their folded names. */
const fields = new Map(
  ['mediaType', 'config', 'layers', 'manifests', 'fsLayers', 'digest', 'size', 'data', 'urls'].map((name) => [
    folded(name),
    name,
  ]),
);

/** A sentence fragment that follows "it"; undefined for a manifest that means one thing. */
export function whyUnclear(bytes: Uint8Array): string | undefined {
  const parsed = parseJson(bytes);
  if (!parsed.ok) return parsed.problem;
  const json = parsed.value;
  if (!isJsonObject(json)) return 'is no JSON object';
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
