/**
 * How a command names images: a reference (`alpine`, `quay.io/team/app:1`), or a glob over `registry/repository` and
 * `registry/repository:tag`. Text with a character of globs is a glob.
 */

import { EntrepotError } from '../errors.ts';
import { type NamePattern, namePattern } from '../lib/name-patterns.ts';
import type { Digest } from '../oci/digest.ts';
import { formatReference, parseReference, parseTag, type Reference, type Tag } from '../oci/reference.ts';
import { pattern } from './toml/value-kinds.ts';

/** Whether `what` is a glob. No reference has one of these characters. */
export function isGlob(what: string): boolean {
  return /[*?[\]{}!()]/.test(what);
}

/** A reference as people write it. Throws EntrepotError REFERENCE_INVALID. */
export function readReference(text: string): Reference {
  const parsed = parseReference(text);
  if (parsed.ok) return parsed.value;
  const scheme = /^[a-z][a-z-]*:\/\//.exec(text)?.[0];
  const hint = scheme === undefined ? '' : `: leave out "${scheme}"`;
  const shown = JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}...` : text);
  throw new EntrepotError('REFERENCE_INVALID', `the reference ${shown} ${parsed.problem}${hint}`);
}

/**
 * One image that clients may ask for: with its digest alone, or else with a tag, by default `latest`. Throws EntrepotError
 * REFERENCE_INVALID.
 */
export function readListedImage(
  text: string,
  isListed: (registry: string, repository: string) => boolean,
): Reference & ({ readonly tag: Tag } | { readonly digest: Digest }) {
  const { registry, repository, tag = parseTag('latest'), digest } = readReference(text);
  if (!isListed(registry, repository)) {
    throw new EntrepotError(
      'REFERENCE_INVALID',
      `the registry of ${text} is not listed in registries.conf: add [[registry]] location = "${registry}"`,
    );
  }
  if (digest) return { registry, repository, digest };
  if (!tag) throw new Error('latest is a tag');
  return { registry, repository, tag };
}

/** A pattern that matches what `glob` says. Throws EntrepotError USAGE. */
export function readGlob(glob: string): NamePattern {
  return namePattern([checkedGlob(glob)]) ?? (() => false);
}

/** The pattern that a pin is kept as: a glob as it is, a reference as its full name. Throws EntrepotError. */
export function readPin(what: string): string {
  if (isGlob(what)) return checkedGlob(what);
  const reference = readReference(what);
  if (reference.digest === undefined) return formatReference(reference);
  throw new EntrepotError('USAGE', `${what}: a pin names a repository or a tag, not a digest`);
}

/**
 * Bounds of a glob that is typed: the engine of regular expressions tries all places of all wildcards, so a few more of them hold up the
 * server for minutes. Globs of the configuration are the operator's own, and are not bounded.
 */
const bounds = { length: 300, wildcards: 8, inComponent: 3, braces: 4 };

function checkedGlob(text: string): string {
  const shown = JSON.stringify(text.length > bounds.length ? `${text.slice(0, bounds.length)}...` : text);
  const read = pattern.read(text);
  if (read === undefined) throw new EntrepotError('USAGE', `${shown} is not ${pattern.expected}`);
  const wildcards = (part: string) => part.match(/\*+/g)?.length ?? 0;
  const isBounded =
    text.length <= bounds.length &&
    !text.includes('(') &&
    text.split('{').length - 1 <= bounds.braces &&
    wildcards(text) <= bounds.wildcards &&
    text.split('/').every((component) => wildcards(component) <= bounds.inComponent);
  if (isBounded) return read;
  throw new EntrepotError(
    'USAGE',
    `${shown} takes too long to match: a typed pattern has at most ${bounds.length} characters, ${bounds.wildcards} wildcards, ` +
      `${bounds.inComponent} of them between two slashes, ${bounds.braces} pairs of braces, and no parentheses`,
  );
}
