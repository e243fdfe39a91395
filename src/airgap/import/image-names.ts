/** Names of images in archives, which may lack their registry, or all but a tag. */
import { EntrepotError } from '../../errors.ts';
import { parseReference, parseTag, referenceName, type Tag } from '../../oci/reference.ts';

export interface NamedImage {
  readonly name: string;
  readonly tag: Tag | null;
}

/** `--name`, as `registry/repository` or with a tag. Throws EntrepotError USAGE. */
export function givenName(text: string): NamedImage {
  const parsed = parseReference(text);
  if (parsed.ok && parsed.value.digest === undefined)
    return { name: referenceName(parsed.value), tag: parsed.value.tag ?? null };
  const problem = parsed.ok ? 'has a digest, which the archive itself says' : parsed.problem;
  throw new EntrepotError('USAGE', `--name ${JSON.stringify(text.slice(0, 300))} ${problem}`);
}

/**
 * A name as docker and podman write it (`alpine:3`, `localhost/app:1`). Throws EntrepotError BUNDLE_INVALID.
 */
export function fullName(text: string, file: string): NamedImage {
  const parsed = parseReference(text);
  if (parsed.ok) return { name: referenceName(parsed.value), tag: parsed.value.tag ?? null };
  const message = `names the image ${JSON.stringify(text.slice(0, 300))}, which ${parsed.problem}`;
  throw new EntrepotError('BUNDLE_INVALID', message, { file });
}

/**
 * The image of an annotation that has a tag alone or a full name. `given`: of `--name`, which stands in place of the repository and of the
 * tag if it has one. Throws EntrepotError: USAGE where the repository is not known, BUNDLE_INVALID.
 */
export function annotatedName(
  text: string | undefined,
  given: NamedImage | undefined,
  file: string,
): NamedImage {
  const tag = text === undefined ? undefined : parseTag(text);
  const full = text === undefined || tag !== undefined ? undefined : fullName(text, file);
  if (given) return { name: given.name, tag: given.tag ?? tag ?? full?.tag ?? null };
  if (full) return full;
  const what =
    tag === undefined ? 'names an image by nothing but its digest' : `names an image by the tag ${tag} alone`;
  const way = 'say its repository with --name, such as --name quay.io/team/app';
  throw new EntrepotError('USAGE', `${what}: ${way}`, { file });
}
