/** `[[sync]]` of entrepot.toml. docs/sync.md explains each key. */
import Range from 'semver/classes/range.js';
import { expandBraces, maxExpanded } from '../lib/braces.ts';
import { cronProblem } from '../lib/cron.ts';
import { readTagPattern, readTagRegex } from '../lib/tag-patterns.ts';
import { looksLikeRegistry, parseReference } from '../oci/reference.ts';
import type { SyncBlock, SyncTags, SyncTimes } from './config.ts';
import type { StrictTable } from './toml/strict-table.ts';
import { durationForms } from './toml/units.ts';
import type { ValueKind } from './toml/value-kinds.ts';
import * as kind from './toml/value-kinds.ts';

/** Milliseconds. */
const usualTimeout = 2 * 3_600_000;

const platform: ValueKind<string> = {
  expected: 'a platform such as "linux/amd64" or "linux/arm/v7"',
  read: (value) =>
    typeof value === 'string' && /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/.test(value) ? value : undefined,
};

const interval: ValueKind<number> = {
  ...kind.age,
  expected: `${durationForms}, from "1m" to "3650d"`,
  read(value) {
    const milliseconds = kind.age.read(value);
    return milliseconds !== undefined && milliseconds >= 60_000 ? milliseconds : undefined;
  },
};

/** One block for each `[[sync]]` that has a name and a source. */
export function readSyncs(tables: readonly StrictTable[]): readonly SyncBlock[] {
  const names = new Set<string>();
  return tables.flatMap((table) => {
    const name = table.required('name', kind.blockName);
    const source = table.required('source', kind.text);
    if (name !== undefined && names.has(name)) {
      table.problem('name', `sync.name "${name}" is the name of another [[sync]], too: each needs its own`);
    }
    if (name !== undefined) names.add(name);
    const problem = source === undefined ? undefined : sourceProblem(source);
    if (problem !== undefined) table.problem('source', `sync.source ${JSON.stringify(source)} ${problem}`);
    const rest = {
      tags: readTags(table.table('tags')),
      immutable: patterns(table, 'immutable'),
      platforms: table.list('platforms', platform),
      referrers: table.value('referrers', kind.oneOf('all', 'none'), 'all'),
      timeout: table.value('timeout', kind.wait, usualTimeout),
      floor: table.value('floor', kind.integer(1, 1_000_000)),
      when: readTimes(table),
    };
    return name === undefined || source === undefined ? [] : [{ name, source, ...rest }];
  });
}

function readTimes(table: StrictTable): SyncTimes | undefined {
  const every = table.value('every', interval);
  const cron = table.value('cron', kind.text);
  const timezone = table.value('timezone', kind.text);
  if (timezone !== undefined && cron === undefined) {
    table.problem('timezone', 'sync.timezone is the time zone of cron: it needs cron = "..." beside it');
  }
  if (cron === undefined) return every === undefined ? undefined : { every };
  if (every !== undefined) {
    table.problem('cron', 'sync.every and sync.cron exclude each other');
    return undefined;
  }
  const problem = cronProblem(cron, timezone ?? 'UTC', Date.now());
  if (problem !== undefined) table.problem('cron', `sync.cron ${JSON.stringify(cron)}: ${problem}`);
  return problem === undefined ? { cron, timezone: timezone ?? 'UTC' } : undefined;
}

function readTags(table: StrictTable): SyncTags {
  const regex = table.value('regex', kind.text);
  const semver = table.value('semver', kind.text);
  const tags = {
    include: patterns(table, 'include'),
    exclude: patterns(table, 'exclude'),
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
function patterns(table: StrictTable, key: 'include' | 'exclude' | 'immutable'): readonly string[] {
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

/** What is wrong with a source, as the rest of a sentence; undefined if nothing is. */
function sourceProblem(source: string): string | undefined {
  const written = expandBraces(source);
  if (!written) return `has a brace that is not closed, or stands for more than ${maxExpanded} repositories`;
  for (const one of written) {
    const registry = one.split('/', 1)[0] ?? '';
    if (one.includes('*') && (!one.includes('/') || !looksLikeRegistry(registry))) {
      return 'needs the registry before a glob, such as "docker.io/team/**"';
    }
    if (registry.includes('*')) return 'must name its registry: a glob stands for repositories only';
    const parsed = parseReference(one.replaceAll('*', 'x'));
    if (!parsed.ok) return parsed.problem;
    if (parsed.value.tag !== undefined || parsed.value.digest !== undefined) {
      return 'names a tag or a digest: tags = { include = ["..."] } selects tags';
    }
  }
  return undefined;
}
