/**
 * The `[[registry]]` entry of a name: the one with the longest prefix, by the characters of its text.
 *
 *   plain prefix P    matches P itself, and P before a `/`, `:` or `@`. `quay.io` therefore also matches `quay.io:8443/x`. Its
 *                     authors call that unintended; every version does it.
 *   wildcard `*.S`    matches if the FIRST `.S` of the name is the end of its host; any number of labels.
 *                     `*.io` does not match `hub.iot.io/x`: a `t` follows the first `.io`.
 *   equal length      the first in sorted order, so `*.example.com` wins over `a.example.com`.
 *
 * Entries are sorted. The few prefixes that a name can have are looked up by binary search.
 */
import { hostOf } from '../../oci/reference.ts';
import type { RegistriesConf, RegistryEntry } from './registries.ts';

/** An entry and the part of the name that it matches. */
export interface Match {
  readonly entry: RegistryEntry;
  /** The beginning of the name, which the location of the entry replaces. */
  readonly matched: string;
}

/** `name` is `registry/repository` of a normalised reference, without tag and digest. Undefined: no entry matches. */
export function findEntry(registries: RegistriesConf, name: string): Match | undefined {
  const { entries } = registries;
  let best: Match | undefined;
  const host = /^[^/:@]*/.exec(name)?.[0] ?? '';
  for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
    const suffix = host.slice(dot);
    const entry = name.indexOf(suffix) === dot ? lookUp(entries, `*${suffix}`) : undefined;
    if (!entry) continue;
    best = { entry, matched: host };
    break;
  }
  for (let end = name.length; end > 0; end = lastSeparator(name, end - 1)) {
    if (best && end <= best.entry.prefix.length) break;
    const entry = lookUp(entries, name.slice(0, end));
    if (entry) return { entry, matched: entry.prefix };
  }
  return best;
}

/** Whether an entry is for `registry`, or for repositories of it. */
export function listsRegistry({ entries }: RegistriesConf, registry: string): boolean {
  return entries.some(({ prefix }) =>
    prefix.startsWith('*.') ? registry.endsWith(prefix.slice(1)) : hostOf(prefix) === registry,
  );
}

function lastSeparator(name: string, end: number): number {
  for (let at = end; at > 0; at -= 1) {
    const character = name[at];
    if (character === '/' || character === ':' || character === '@') return at;
  }
  return 0;
}

function lookUp(entries: readonly RegistryEntry[], prefix: string): RegistryEntry | undefined {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = entries[middle];
    if (found === undefined) return undefined;
    if (found.prefix === prefix) return found;
    if (found.prefix < prefix) low = middle + 1;
    else high = middle;
  }
  return undefined;
}
