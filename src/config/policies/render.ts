/**
 * Objects onto the entries of registries.conf, step by step as OpenShift's operator edits the file of a node:
 *
 *   1  mirrors for digests (ImageDigestMirrorSet, ImageContentSourcePolicy), then for tags (ImageTagMirrorSet): sources in order; the
 *      entry of the source, or a new one; NeverContactSource blocks it; mirrors are appended to those that it has
 *   2  an entry for each blocked registry
 *   3  each insecure registry: its entry, all entries nested in it, and all mirrors whose location is nested in it
 *   4  each blocked registry: its entry, and all entries nested in it; not mirrors
 *   5  each source, digests first: an entry that is nested in it and has no mirrors gets a copy of its mirrors, with the rest of the
 *      path after each location. An entry hides a shorter one completely, so without the copy its images would have no mirror
 *
 * Steps 3 to 5 see the entries that are there by then, those of registries.conf too.
 */
import type { MirrorEntry, Origin, RegistryEntry } from '../registries-conf/registries.ts';
import { type MergedSource, mergeSources } from './merge-sources.ts';
import { invalidObject } from './object-fields.ts';
import type { ImageConfig, MirrorSet, Placed, PolicyObject } from './policy-object.ts';
import { isNested, isWildcard } from './scopes.ts';

/** An entry that is being edited. */
type Edited<T> = { -readonly [Key in keyof T]: T[Key] };
interface EditedEntry extends Omit<Edited<RegistryEntry>, 'mirrors'> {
  mirrors: Edited<MirrorEntry>[];
}

/**
 * The entries of `entries` first, in their order; then those that are new. Prefixes are as they are written. `objects` must have no
 * problem (`problemsOf`). Throws EntrepotError CONFIG_INVALID for a wildcard source in which an entry without mirrors is nested.
 */
export function renderObjects(
  entries: readonly RegistryEntry[],
  objects: readonly PolicyObject[],
): readonly RegistryEntry[] {
  const edited: EditedEntry[] = entries.map((entry) => ({
    ...entry,
    mirrors: entry.mirrors.map((mirror) => ({ ...mirror })),
  }));
  const byPrefix = new Map(edited.map((entry) => [entry.prefix, entry]));
  const entryOf = (scope: Placed): EditedEntry => {
    const found = byPrefix.get(scope.text);
    if (found) return found;
    const made = newEntry(scope);
    edited.push(made);
    byPrefix.set(scope.text, made);
    return made;
  };

  const digests = mergeSources(listsOf(objects, 'ImageDigestMirrorSet', 'ImageContentSourcePolicy'));
  const tags = mergeSources(listsOf(objects, 'ImageTagMirrorSet'));
  addMirrors(digests, 'digest-only', entryOf);
  addMirrors(tags, 'tag-only', entryOf);

  const images = objects.filter((object) => object.kind === 'Image');
  const blocked = scopesOf(images, 'blocked');
  for (const scope of blocked) entryOf(scope);
  for (const scope of scopesOf(images, 'insecure')) {
    setInsecure(entryOf(scope), scope.origin);
    for (const entry of edited) {
      if (isNested(entry.prefix, scope.text)) setInsecure(entry, scope.origin);
      for (const mirror of entry.mirrors) {
        if (isNested(mirror.location, scope.text)) setInsecure(mirror, scope.origin);
      }
    }
  }
  for (const scope of blocked) {
    for (const entry of edited) {
      if (isNested(entry.prefix, scope.text)) setBlocked(entry, scope.origin);
    }
  }
  for (const { source } of [...digests, ...tags]) copyToNested(source, entryOf(source), edited);
  return edited;
}

function listsOf(objects: readonly PolicyObject[], ...kinds: readonly MirrorSet['kind'][]) {
  return kinds.flatMap((kind) =>
    objects.flatMap((object) => (object.kind === kind && 'lists' in object ? object.lists : [])),
  );
}

function scopesOf(images: readonly ImageConfig[], list: 'insecure' | 'blocked'): readonly Placed[] {
  return images.flatMap((image) => image[list] ?? []);
}

function newEntry({ text, origin }: Placed): EditedEntry {
  return {
    prefix: text,
    location: isWildcard(text) ? '' : text,
    insecure: undefined,
    blocked: false,
    mirrorByDigestOnly: false,
    mirrors: [],
    origin,
  };
}

function addMirrors(
  sources: readonly MergedSource[],
  pullFromMirror: MirrorEntry['pullFromMirror'],
  entryOf: (scope: Placed) => EditedEntry,
): void {
  for (const { source, mirrors, never } of sources) {
    const entry = entryOf(source);
    if (never) setBlocked(entry, never);
    entry.mirrors.push(
      ...mirrors.map(({ text, origin }) => ({ location: text, insecure: undefined, pullFromMirror, origin })),
    );
  }
}

function setInsecure(endpoint: Pick<EditedEntry, 'insecure' | 'insecureOrigin'>, origin: Origin): void {
  if (endpoint.insecure) return;
  endpoint.insecure = true;
  endpoint.insecureOrigin = origin;
}

function setBlocked(entry: EditedEntry, origin: Origin): void {
  if (entry.blocked) return;
  entry.blocked = true;
  entry.blockedOrigin = origin;
}

function copyToNested({ text, origin }: Placed, mirrored: EditedEntry, edited: readonly EditedEntry[]): void {
  for (const entry of edited) {
    const { prefix } = entry;
    if (prefix === mirrored.prefix || entry.mirrors.length > 0 || !isNested(prefix, mirrored.prefix))
      continue;
    if (isWildcard(text)) {
      const message =
        `the wildcard source "${text}" has mirrors, and "${prefix}" (${entry.origin.file}:${entry.origin.line}) is a part of it ` +
        'without mirrors of its own: name the mirrors of that part in a list of its own';
      throw invalidObject(origin, message);
    }
    const rest = prefix.slice(mirrored.prefix.length);
    entry.mirrors = mirrored.mirrors.map((mirror) => ({ ...mirror, location: mirror.location + rest }));
  }
}
