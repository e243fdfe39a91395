/**
 * The repositories that the `source` of a `[[sync]]` block names.
 *
 *   quay.io/team/app               one repository
 *   quay.io/team/{app,tool}        one for each part of the braces
 *   quay.io/team/**                a glob: those of a catalogue that match (`block-images.ts`), or of the repositories known here
 *
 * The registry is always written out.
 */
import { expandBraces } from '../lib/braces.ts';
import { namePattern } from '../lib/name-patterns.ts';
import { parseReference, referenceName } from '../oci/reference.ts';
import type { ImageName } from '../routing/target.ts';

/** `known`: `registry/repository` of each image known here; it is read only where `source` holds a glob. Each image comes once. */
export async function sourceImages(
  source: string,
  known: () => AsyncIterable<{ readonly image: string }>,
): Promise<readonly ImageName[]> {
  const names = new Map<string, ImageName>();
  const keep = (text: string) => {
    const parsed = parseReference(text);
    if (!parsed.ok) return;
    const { registry, repository } = parsed.value;
    const name = referenceName(parsed.value);
    names.set(name, { registry, repository, name });
  };
  const written = expandBraces(source) ?? [];
  for (const one of written.filter((text) => !isSourceGlob(text))) keep(one);
  const globs = written.filter(isSourceGlob);
  const matches = namePattern(globs);
  if (matches) for await (const { image } of known()) if (matches(image)) keep(image);
  return [...names.values()];
}

/** Whether a source without braces names repositories by a glob. */
export function isSourceGlob(source: string): boolean {
  return source.includes('*');
}

/** Whether the `source` of a block names this image, `registry/repository`, also where it is not known here. */
export function isOfSource(source: string, image: string): boolean {
  const written = expandBraces(source) ?? [];
  if (namePattern(written.filter(isSourceGlob))?.(image)) return true;
  return written.some((text) => {
    const parsed = isSourceGlob(text) ? undefined : parseReference(text);
    return parsed?.ok === true && referenceName(parsed.value) === image;
  });
}

/** The registries that a source names. */
export function sourceRegistries(source: string): readonly string[] {
  const written = (expandBraces(source) ?? []).map((text) => parseReference(text.replaceAll('*', 'x')));
  return [...new Set(written.flatMap((parsed) => (parsed.ok ? parsed.value.registry : [])))];
}
