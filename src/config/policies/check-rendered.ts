/**
 * Rendered entries, checked as a runtime checks the file that OpenShift writes (`registries-conf/entries.ts`). Only what objects have made or
 * changed is looked at: the rest has passed these checks in its own file.
 */
import { EntrepotError } from '../../errors.ts';
import type { ConfigWarning } from '../config.ts';
import { byPrefixText, findContradiction, plainLocation } from '../registries-conf/entries.ts';
import { createReading } from '../registries-conf/fields.ts';
import type { Origin, RegistryEntry } from '../registries-conf/registries.ts';
import { warnOfUselessEntry } from '../registries-conf/useless.ts';
import { objectLabel, quoted } from './object-fields.ts';
import { isWildcard } from './scopes.ts';

/** The entries, sorted by prefix, each prefix once. Throws EntrepotError CONFIG_INVALID. */
export function checkRendered(
  entries: readonly RegistryEntry[],
  warnings: ConfigWarning[],
): readonly RegistryEntry[] {
  const plain = entries.map((entry) => plainEntry(entry, warnings));
  for (const entry of plain) refuseTwoRestrictions(entry);
  refuseContradictions(plain);
  // As in a file, the first entry of a prefix counts.
  const byPrefix = new Map(plain.toReversed().map((entry) => [entry.prefix, entry]));
  const sorted = [...byPrefix.values()].sort(byPrefixText);
  for (const entry of sorted) {
    warnOfUselessEntry(entry, ({ file, line, object }, message) => {
      if (object) warnings.push({ file, line, message: `${objectLabel(object)}: ${message}` });
    });
  }
  return sorted;
}

/** Scopes may end in slashes, and so may locations of mirrors that are copied to them. */
function plainEntry(entry: RegistryEntry, warnings: ConfigWarning[]): RegistryEntry {
  const plain = (value: string, origin: Origin) => {
    const { file, line } = origin;
    try {
      return plainLocation({ value, line }, createReading(file, warnings));
    } catch (error) {
      throw error instanceof EntrepotError ? invalid(origin, error.message) : error;
    }
  };
  const mirrors = entry.mirrors.map((mirror) =>
    mirror.origin.object ? { ...mirror, location: plain(mirror.location, mirror.origin) } : mirror,
  );
  if (!entry.origin.object || isWildcard(entry.prefix)) return { ...entry, mirrors };
  const location = plain(entry.prefix, entry.origin);
  if (location === '') throw invalid(entry.origin, `${quoted(entry.prefix)} names no registry`);
  return { ...entry, prefix: location, location, mirrors };
}

function refuseTwoRestrictions({ prefix, mirrorByDigestOnly, mirrors, origin }: RegistryEntry): void {
  const added = mirrors.find((mirror) => mirror.origin.object);
  if (!mirrorByDigestOnly || !added) return;
  throw invalid(
    added.origin,
    `the mirror ${quoted(added.location)} is ${added.pullFromMirror}, which contradicts mirror-by-digest-only = true of the registry ` +
      `"${prefix}" (${origin.file}:${origin.line}): leave that out there, or its whole entry`,
  );
}

function refuseContradictions(entries: readonly RegistryEntry[]): void {
  const found = findContradiction(entries, (one, other) => isChanged(one) || isChanged(other));
  if (!found) return;
  const { place, key, first, second } = found;
  const cause = [second, first].flatMap((entry) => causeOf(entry, key) ?? [])[0] ?? second.origin;
  throw invalid(
    cause,
    `the entries "${first.prefix}" and "${second.prefix}" have the same location "${place}", and only one of them is ${key}: ` +
      'every runtime refuses that; name both in the object, or give one of them another location in registries.conf',
  );
}

function isChanged({ origin, blockedOrigin, insecureOrigin }: RegistryEntry): boolean {
  return (origin.object ?? blockedOrigin ?? insecureOrigin) !== undefined;
}

function causeOf(entry: RegistryEntry, key: 'insecure' | 'blocked'): Origin | undefined {
  const flag = key === 'insecure' ? entry.insecureOrigin : entry.blockedOrigin;
  return flag ?? (entry.origin.object && entry.origin);
}

function invalid({ file, line, object }: Origin, message: string): EntrepotError {
  const label = object ? `${objectLabel(object)}: ` : '';
  return new EntrepotError('CONFIG_INVALID', label + message, { file, line });
}
