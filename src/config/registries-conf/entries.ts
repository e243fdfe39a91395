/**
 * `[[registry]]` tables -> checked entries, by the rules of containers-registries.conf(5), in the order in which the reader of the
 * ecosystem applies them:
 *
 *   each table    location and prefix lose trailing slashes and must not have a scheme; a location is required, unless the
 *                 prefix begins with `*.`; each mirror needs a location
 *   all tables    those with the same location must agree on insecure and on blocked
 *   result        the first table of a prefix wins; sorted by prefix; a wildcard prefix is `*.` and a plain domain
 *
 * `useless.ts` warns of entries that are accepted and can never work.
 */
import { withoutUserInfo } from '../credentials/user-info.ts';
import { invalid, type Located, type Reading } from './fields.ts';
import type { WrittenEndpoint, WrittenRegistry } from './read.ts';
import type { MirrorEntry, RegistryEntry } from './registries.ts';

/** The entries, sorted by prefix, each prefix once. Throws EntrepotError CONFIG_INVALID. */
export function checkEntries(written: readonly WrittenRegistry[], reading: Reading): RegistryEntry[] {
  const entries = written.map((registry) => checkEntry(registry, reading));
  refuseContradictions(entries, reading);
  const byPrefix = new Map<string, RegistryEntry>();
  for (const entry of entries) {
    const first = byPrefix.get(entry.prefix);
    if (!first) byPrefix.set(entry.prefix, entry);
    else reading.warn(entry.origin.line, repeated(entry.prefix, first.origin.line));
  }
  return [...byPrefix.values()].sort(byPrefixText);
}

/** Throws EntrepotError CONFIG_INVALID for a wildcard prefix that is more than `*.` and a domain. */
export function checkWildcards(entries: readonly RegistryEntry[], reading: Reading): void {
  for (const { prefix, prefixLine, origin } of entries) {
    if (!prefix.startsWith('*.') || !/[/@:]/.test(prefix)) continue;
    const message = `the prefix "${prefix}" is no wildcard of the form "*.example.com": leave out port, path, tag and digest`;
    throw invalid(reading, prefixLine ?? origin.line, message);
  }
}

/** For `sort`. Prefixes that can match are ASCII, so code units are in the order of bytes. */
export function byPrefixText(one: RegistryEntry, other: RegistryEntry): number {
  return one.prefix < other.prefix ? -1 : one.prefix > other.prefix ? 1 : 0;
}

/** The location without trailing slashes and without a password; empty for undefined. Throws EntrepotError CONFIG_INVALID for a scheme. */
export function plainLocation(written: Located<string> | undefined, reading: Reading): string {
  if (written === undefined) return '';
  // A location with user info names no host, with or without the password.
  const location = withoutUserInfo(written.value.replace(/\/+$/, ''));
  const scheme = /^https?:\/\//.exec(location)?.[0];
  if (scheme === undefined) return location;
  const rest = location.slice(scheme.length);
  const instead = scheme === 'http://' ? `"${rest}" and insecure = true` : `"${rest}"`;
  throw invalid(
    reading,
    written.line,
    `"${written.value}" has a URI scheme, which is not supported: write ${instead}`,
  );
}

function checkEntry(written: WrittenRegistry, reading: Reading): RegistryEntry {
  const { line, blocked, insecure, mirrorByDigestOnly } = written;
  const location = plainLocation(written.location, reading);
  const prefix = written.prefix?.value ? plainLocation(written.prefix, reading) : location;
  if (location === '' && !written.prefix?.value) {
    throw invalid(reading, line, 'a [[registry]] table needs a location: it has neither location nor prefix');
  }
  if (location === '' && !prefix.startsWith('*.')) {
    const message = `the prefix "${prefix}" needs a location: only a prefix of the form "*.example.com" does without`;
    throw invalid(reading, written.prefix?.line ?? line, message);
  }
  if (written.pullFromMirror?.value) {
    const message = `pull-from-mirror belongs into the [[registry.mirror]] tables, not into the registry "${prefix}" itself`;
    throw invalid(reading, written.pullFromMirror.line, message);
  }
  const mirrors = written.mirrors.map((mirror) => checkMirror(mirror, prefix, mirrorByDigestOnly, reading));
  return {
    prefix,
    location,
    insecure,
    blocked,
    mirrorByDigestOnly,
    mirrors,
    ...(written.namespaceProxy !== undefined && { namespaceProxy: written.namespaceProxy }),
    ...(written.prefix && { prefixLine: written.prefix.line }),
    origin: { file: reading.file, line },
  };
}

function checkMirror(
  written: WrittenEndpoint,
  prefix: string,
  mirrorByDigestOnly: boolean,
  reading: Reading,
): MirrorEntry {
  const { line, insecure } = written;
  const location = plainLocation(written.location, reading);
  if (location === '') {
    throw invalid(reading, line, `a [[registry.mirror]] table of "${prefix}" needs a location`);
  }
  const restriction = written.pullFromMirror ?? { value: '', line };
  if (mirrorByDigestOnly && restriction.value !== '') {
    const message =
      `pull-from-mirror of the mirror "${location}" contradicts mirror-by-digest-only of the registry "${prefix}": ` +
      'leave out one of them';
    throw invalid(reading, restriction.line, message);
  }
  const pullFromMirror = readRestriction(restriction, location, reading);
  return {
    location,
    insecure,
    pullFromMirror,
    ...(written.namespaceProxy !== undefined && { namespaceProxy: written.namespaceProxy }),
    origin: { file: reading.file, line },
  };
}

function readRestriction(
  { value, line }: Located<string>,
  location: string,
  reading: Reading,
): MirrorEntry['pullFromMirror'] {
  switch (value) {
    case '':
      return 'all';
    case 'all':
    case 'digest-only':
    case 'tag-only':
      return value;
    default: {
      const message = `pull-from-mirror = "${value}" of the mirror "${location}" must be "all", "digest-only" or "tag-only"`;
      throw invalid(reading, line, message);
    }
  }
}

function refuseContradictions(entries: readonly RegistryEntry[], reading: Reading): void {
  const found = findContradiction(entries);
  if (!found) return;
  const { place, key, first, second } = found;
  const message =
    `the registry "${place}" has another '${key}' setting here than on line ${first.origin.line}: ` +
    'tables with the same location must agree';
  throw invalid(reading, second.origin.line, message);
}

/** Two entries of one location that differ in a flag. */
export interface Contradiction {
  readonly place: string;
  readonly key: 'insecure' | 'blocked';
  readonly first: RegistryEntry;
  readonly second: RegistryEntry;
}

/** The first contradiction among entries of one file. A pair for which `counts` is false is left out. */
export function findContradiction(
  entries: readonly RegistryEntry[],
  counts: (one: RegistryEntry, other: RegistryEntry) => boolean = () => true,
): Contradiction | undefined {
  const firsts = new Map<string, RegistryEntry>();
  for (const second of entries) {
    const place = second.location === '' ? second.prefix : second.location;
    const first = firsts.get(place);
    if (!first) firsts.set(place, second);
    if (!first || !counts(first, second)) continue;
    if ((first.insecure ?? false) !== (second.insecure ?? false))
      return { place, key: 'insecure', first, second };
    if (first.blocked !== second.blocked) return { place, key: 'blocked', first, second };
  }
  return undefined;
}

function repeated(prefix: string, line: number): string {
  return `this table is ignored: line ${line} already has one for the prefix "${prefix}"`;
}
