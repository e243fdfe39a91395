/** `tags` of a `[[sync]]`: which tags of a list the block selects. */
import Range from 'semver/classes/range.js';
import { readTagPattern, readTagRegex } from '../lib/tag-patterns.ts';
import type { SyncTags } from './sync-config.ts';
import type { StrictTable } from './toml/strict-table.ts';
import * as kind from './toml/value-kinds.ts';

/** Notes a problem for each rule that cannot be read. */
export function readTags(table: StrictTable): SyncTags {
  const regex = table.value('regex', kind.text);
  const semver = table.value('semver', kind.text);
  const tags = {
    include: tagPatterns(table, 'include'),
    exclude: tagPatterns(table, 'exclude'),
    newest: table.value('newest', kind.integer(1, 10_000)),
    newerThan: table.value('newer_than', kind.period),
  };
  const read = regex === undefined ? undefined : readTagRegex(regex);
  if (typeof read === 'object')
    table.problem('regex', `sync.tags.regex ${JSON.stringify(regex)} ${read.problem}`);
  if (semver !== undefined && !isRange(semver)) {
    const message = `sync.tags.semver must be a range of versions such as ">=8.6 <9", not ${JSON.stringify(semver)}`;
    table.problem('semver', message);
  }
  return { ...tags, regex, semver };
}

/** Patterns over tags; a problem for each that cannot be read. */
export function tagPatterns(table: StrictTable, key: 'include' | 'exclude' | 'immutable'): readonly string[] {
  const list = table.list(key, kind.text);
  for (const pattern of list) {
    const read = readTagPattern(pattern);
    const name = key === 'immutable' ? 'sync.immutable' : `sync.tags.${key}`;
    if (typeof read === 'object') table.problem(key, `${name}: ${JSON.stringify(pattern)} ${read.problem}`);
  }
  return list;
}

function isRange(text: string): boolean {
  try {
    return text.length <= 200 && new Range(text).set.length > 0;
  } catch {
    return false;
  }
}
