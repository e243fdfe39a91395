/**
 * The `index.json` of an OCI image layout (image-spec, "Image Layout"). Where a tool puts the name of an image:
 *
 *   io.containerd.image.name ............ nerdctl, ctr, docker save, buildx: the full name
 *   org.opencontainers.image.ref.name ... skopeo, oras: a tag alone; podman, others: a full name
 *   nothing ............................. crane without --annotate-ref; referrers and images of a digest
 */
import { EntrepotError } from '../../errors.ts';
import { parseDigest } from '../../oci/digest.ts';
import { isManifestType } from '../../oci/media-types.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { type Archive, maxRefs, type ReadOptions, type WantedRef } from './archive.ts';
import { annotatedName, fullName, givenName, type NamedImage } from './image-names.ts';

export interface LayoutFiles {
  readonly file: string;
  readonly index: Uint8Array;
  /** Of `docker save`, which has both. */
  readonly docker: Uint8Array | undefined;
}

/** The images of the layout. Throws EntrepotError: BUNDLE_INVALID, or USAGE where names are missing. */
export function readLayout({ file, index, docker }: LayoutFiles, options: ReadOptions): Archive {
  const fail = (problem: string): never => {
    throw new EntrepotError('BUNDLE_INVALID', `index.json ${problem}`, { file });
  };
  const parsed = parseJson(index);
  if (!parsed.ok) return fail(parsed.problem);
  const listed = isJsonObject(parsed.value) ? (parsed.value.manifests ?? []) : undefined;
  if (!Array.isArray(listed)) return fail('has no list of manifests');
  if (listed.length > maxRefs) fail(`names more than ${maxRefs} images`);
  const given = options.name === undefined ? undefined : givenName(options.name);
  const byConfig = docker ? dockerNames(docker) : [];
  /** Images without a name belong to the one repository that the others name, if it is one. */
  const unnamed: WantedRef[] = [];
  const refs: WantedRef[] = [];
  for (const [at, one] of listed.entries()) {
    if (!isJsonObject(one) || typeof one.digest !== 'string')
      return fail(`has no digest in manifests[${at}]`);
    const digest = parseDigest(one.digest) ?? fail(`has a wrong digest in manifests[${at}]`);
    const mediaType =
      typeof one.mediaType === 'string' && isManifestType(one.mediaType) ? one.mediaType : undefined;
    const rest = { digest, ...(mediaType !== undefined && { mediaType }) };
    const named =
      nameIn(one, given, file) ??
      (listed.length === 1 && byConfig[0] ? fullName(byConfig[0], file) : undefined);
    if (named) refs.push({ ...named, ...rest });
    else unnamed.push({ name: '', tag: null, ...rest });
  }
  const names = new Set(refs.map(({ name }) => name));
  const [only] = names;
  for (const [at, ref] of unnamed.entries()) {
    const image =
      names.size === 1 && only !== undefined && !given
        ? { name: only, tag: null }
        : annotatedName(undefined, given, file);
    // One tag names one image.
    refs.push({
      ...ref,
      name: image.name,
      tag: unnamed.length === 1 && at === 0 && refs.length === 0 ? image.tag : null,
    });
  }
  const tagged = new Set(refs.flatMap(({ tag, digest }) => (tag === null ? [] : [digest])));
  if (given?.tag && tagged.size > 1) {
    const message = 'has several images, and --name gives one tag to all: leave out its tag';
    throw new EntrepotError('USAGE', message, { file });
  }
  return { format: 'oci-layout', refs, notes: [] };
}

function nameIn(
  one: Record<string, unknown>,
  given: NamedImage | undefined,
  file: string,
): NamedImage | undefined {
  const annotations = isJsonObject(one.annotations) ? one.annotations : {};
  const full = annotations['io.containerd.image.name'];
  if (typeof full === 'string') return annotatedName(full, given, file);
  const name = annotations['org.opencontainers.image.ref.name'];
  return typeof name === 'string' ? annotatedName(name, given, file) : undefined;
}

/** Names that `manifest.json` of `docker save` has; a layout whose index has none. */
function dockerNames(bytes: Uint8Array): readonly string[] {
  const parsed = parseJson(bytes);
  if (!parsed.ok || !Array.isArray(parsed.value)) return [];
  return parsed.value.flatMap((one) => {
    const tags = isJsonObject(one) && Array.isArray(one.RepoTags) ? one.RepoTags : [];
    return tags.filter((tag): tag is string => typeof tag === 'string');
  });
}
