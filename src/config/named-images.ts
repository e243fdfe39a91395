/**
 * How a command names images: a reference (`alpine`, `quay.io/team/app:1`), or a glob over `registry/repository` and
 * `registry/repository:tag`. Text with a character of globs is a glob.
 */

import { EntrepotError } from '../errors.ts';
import { type NamePattern, namePattern } from '../lib/name-patterns.ts';
import { formatReference, parseReference, type Reference } from '../oci/reference.ts';
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

function checkedGlob(text: string): string {
  const read = pattern.read(text);
  if (read !== undefined) return read;
  throw new EntrepotError('USAGE', `${JSON.stringify(text)} is not ${pattern.expected}`);
}
