/**
 * The images that manifests of Kubernetes name: `image` of `containers`, `initContainers` and `ephemeralContainers`, and
 * `image.reference` of `volumes`, wherever a pod is described: in a Pod, in the template of a workload or of a CronJob, in a List of
 * them, and in objects of other kinds that hold a template, such as those of operators.
 */
import { readReference } from '../config/named-images.ts';
import { parseYaml, type YamlMap, type YamlValue } from '../config/yaml/yaml-document.ts';
import { EntrepotError } from '../errors.ts';

const containerLists = ['containers', 'initContainers', 'ephemeralContainers'];

interface Found {
  readonly text: string;
  readonly line: number;
}

/**
 * Each image once, in the order of the file: YAML with any number of documents, or JSON. Throws EntrepotError with file and line for an
 * image that is no reference, and for a file that names none.
 */
export function imagesOfKubernetes(text: string, file: string): readonly string[] {
  const found = parseYaml(text, file).flatMap((document) => imagesIn(document));
  for (const { text: image, line } of found) {
    try {
      readReference(image);
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      throw new EntrepotError(error.code, error.message, { file, line });
    }
  }
  if (found.length === 0) {
    throw new EntrepotError('USAGE', 'names no image: it has no containers', { file });
  }
  return [...new Set(found.map((one) => one.text))];
}

function imagesIn(value: YamlValue): readonly Found[] {
  if (value.kind === 'list') return value.items.flatMap(imagesIn);
  if (value.kind !== 'map') return [];
  return [...value.entries].flatMap(([key, inner]) => {
    if (containerLists.includes(key))
      return [...itemsOf(inner).flatMap((item) => textAt(item, 'image')), ...deeper(inner)];
    if (key === 'volumes') return [...itemsOf(inner).flatMap(volumeImage), ...deeper(inner)];
    return imagesIn(inner);
  });
}

/** What is below the items themselves: a template in a volume or in a container would be strange, but costs nothing to read. */
function deeper(value: YamlValue): readonly Found[] {
  return itemsOf(value).flatMap((item) => [...item.entries.values()].flatMap(imagesIn));
}

function itemsOf(value: YamlValue): readonly YamlMap[] {
  return value.kind === 'list' ? value.items.filter((item) => item.kind === 'map') : [];
}

function volumeImage(volume: YamlMap): readonly Found[] {
  const image = volume.entries.get('image');
  return image?.kind === 'map' ? textAt(image, 'reference') : [];
}

function textAt(map: YamlMap, key: string): readonly Found[] {
  const value = map.entries.get(key);
  return value?.kind === 'string' && value.value !== '' ? [{ text: value.value, line: value.line }] : [];
}
