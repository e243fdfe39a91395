/**
 * Which tags of a repository a `[[sync]]` block selects. Each step takes tags away from what the step before has left:
 *
 *   include     globs and /regular expressions/; absent: all but the tags of signatures and referrers (`sha256-*`, `sha512-*`)
 *   exclude     the same forms
 *   regex       one regular expression that the whole tag must match
 *   semver      a range; a tag that is no version goes
 *   newer_than  by the time of creation; a tag whose time is not known stays
 *   newest      the first so many: by version if there is a range, else by the time of creation; tags whose time is not known stay,
 *               and do not count
 *
 * The first four need the names alone (`byName`). The time of creation costs requests, so it is read only for what they leave.
 */
import type { SyncTags } from '../config/sync-config.ts';
import { readTagPattern, readTagRegex, type TagPattern } from '../lib/tag-patterns.ts';
import { newestVersionFirst, type VersionedTag, versionOf, versionRange } from './tag-version.ts';

/** When each tag's image was made, epoch ms. A tag without an entry, of 1970 or of the future has no known time. */
export type CreationTimes = ReadonlyMap<string, number>;

export interface TagSelection {
  /** What the names leave, in the order of `tags`. */
  byName(tags: readonly string[]): readonly string[];
  /** Whether `byTime` needs the times of creation. */
  readonly needsTimes: boolean;
  /** What is left of a result of `byName` in the end, in its order. `now`: epoch ms. */
  byTime(tags: readonly string[], created: CreationTimes, now: number): readonly string[];
}

/** Images that were built reproducibly say that they are of 1970, give or take a time zone. */
const endOfEpoch = 2 * 86_400_000;

/** Throws an Error for a rule that the configuration would have refused. */
export function createTagSelection(rule: SyncTags): TagSelection {
  const includes = rule.include.map(compiled);
  const excludes = rule.exclude.map(compiled);
  const regex = rule.regex === undefined ? undefined : checked(readTagRegex(rule.regex));
  const isInRange = rule.semver === undefined ? undefined : versionRange(rule.semver);
  const { newest, newerThan } = rule;

  function isNamed(tag: string): boolean {
    const isIncluded =
      includes.length === 0 ? !/^sha(?:256|512)-/.test(tag) : includes.some((matches) => matches(tag));
    if (!isIncluded || excludes.some((matches) => matches(tag)) || regex?.(tag) === false) return false;
    if (!isInRange) return true;
    const version = versionOf(tag);
    return version !== undefined && isInRange(version);
  }

  return {
    byName: (tags) => tags.filter(isNamed),
    needsTimes: newerThan !== undefined || (newest !== undefined && !isInRange),
    byTime(tags, created, now) {
      const times = new Map([...created].filter(([, at]) => at > endOfEpoch && at <= now));
      const isYoung = (tag: string) =>
        (times.get(tag) ?? now) >= now - (newerThan ?? Number.POSITIVE_INFINITY);
      const young = newerThan === undefined ? tags : tags.filter(isYoung);
      if (newest === undefined) return young;
      const kept = isInRange ? newestVersions(young, newest) : newestImages(young, times, newest);
      return young.filter((tag) => kept.has(tag));
    },
  };
}

function newestVersions(tags: readonly string[], count: number): ReadonlySet<string> {
  const versions = tags.flatMap((tag): readonly VersionedTag[] => {
    const version = versionOf(tag);
    return version ? [{ tag, version }] : [];
  });
  const first = versions.toSorted(newestVersionFirst).slice(0, count);
  return new Set(first.map(({ tag }) => tag));
}

function newestImages(tags: readonly string[], times: CreationTimes, count: number): ReadonlySet<string> {
  const time = (tag: string) => times.get(tag) ?? 0;
  const dated = tags.filter((tag) => times.has(tag));
  // Of two images of one moment, the tag that sorts last is the newer one: the choice is the same in each run.
  const order = dated.toSorted((a, b) => time(b) - time(a) || (a < b ? 1 : -1));
  return new Set([...tags.filter((tag) => !times.has(tag)), ...order.slice(0, count)]);
}

function compiled(pattern: string): TagPattern {
  return checked(readTagPattern(pattern));
}

function checked(read: TagPattern | { readonly problem: string }): TagPattern {
  if (typeof read === 'function') return read;
  throw new Error(`a pattern over tags ${read.problem}: the configuration should have refused it`);
}
