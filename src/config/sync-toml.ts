/** `[[sync]]` of entrepot.toml. docs/sync.md explains each key. */
import { expandBraces, maxExpanded } from '../lib/braces.ts';
import { cronProblem, timezoneProblem } from '../lib/cron.ts';
import { type DailyWindow, readDailyWindow } from '../lib/daily-window.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { looksLikeRegistry, parseReference } from '../oci/reference.ts';
import type { SyncBlock, SyncRemoval, SyncTimes } from './sync-config.ts';
import { readTags, tagPatterns } from './sync-tags-toml.ts';
import { createBlockNames } from './toml/block-names.ts';
import type { StrictTable } from './toml/strict-table.ts';
import { durationForms, parseSize } from './toml/units.ts';
import type { ValueKind } from './toml/value-kinds.ts';
import * as kind from './toml/value-kinds.ts';

/** Milliseconds. */
const usualTimeout = 2 * 3_600_000;
const usualGrace = 7 * 86_400_000;

const platform: ValueKind<string> = {
  expected: 'a platform such as "linux/amd64" or "linux/arm/v7"',
  read: (value) =>
    typeof value === 'string' && /^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/.test(value) ? value : undefined,
};

const digest: ValueKind<Digest> = {
  expected: 'a digest such as "sha256:" and 64 hexadecimal digits',
  read: (value) => (typeof value === 'string' ? parseDigest(value) : undefined),
};

const referrers: ValueKind<'all' | 'none'> = {
  ...kind.oneOf('all', 'none'),
  expected: '"all", "none" or a list of artifact types',
};

const artifactType: ValueKind<string> = {
  expected: 'an artifact type such as "application/spdx+json"',
  read: (value) =>
    typeof value === 'string' && /^[\w.+-]{1,127}\/[\w.+-]{1,127}$/.test(value) ? value : undefined,
};

const interval: ValueKind<number> = {
  ...kind.age,
  expected: `${durationForms}, from "1m" to "3650d"`,
  read(value) {
    const milliseconds = kind.age.read(value);
    return milliseconds !== undefined && milliseconds >= 60_000 ? milliseconds : undefined;
  },
};

const mostRemoved: ValueKind<SyncRemoval['most']> = {
  expected: 'a share such as "10%", at most "100%", or a number of tags from 0 to 1000000',
  read(value) {
    const share = typeof value === 'string' ? /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(value)?.[1] : undefined;
    if (share !== undefined) return Number(share) <= 100 ? { share: Number(share) / 100 } : undefined;
    const count = kind.integer(0, 1_000_000).read(value);
    return count === undefined ? undefined : { count };
  },
  show: (most) => ('count' in most ? most.count : `${Math.round(most.share * 100_000) / 1000}%`),
};

/** Bytes in a second. */
const rate: ValueKind<number> = {
  expected: 'a rate like "20MiB/s" or "500kB/s", at least "64KiB/s"',
  read(value) {
    const size = typeof value === 'string' ? /^(.+)\/s$/.exec(value)?.[1] : undefined;
    const bytes = size === undefined || /^\d+$/.test(size) ? undefined : parseSize(size);
    return bytes !== undefined && bytes >= 64 * 1024 ? bytes : undefined;
  },
  show: (_, written) => String(written),
};

const window: ValueKind<Omit<DailyWindow, 'timezone'>> = {
  expected: 'two times of a day such as "20:00-06:00"',
  read: (value) => (typeof value === 'string' ? readDailyWindow(value) : undefined),
  show: ({ from, to }) => `${from}-${to}`,
};

/** One block for each `[[sync]]` that has a name and a source. */
export function readSyncs(tables: readonly StrictTable[]): readonly SyncBlock[] {
  const nameOf = createBlockNames('sync');
  return tables.flatMap((table) => {
    const name = nameOf(table);
    const source = table.required('source', kind.text);
    const problem = source === undefined ? undefined : sourceProblem(source);
    if (problem !== undefined) table.problem('source', `sync.source ${JSON.stringify(source)} ${problem}`);
    const rest = {
      tags: readTags(table.table('tags')),
      digests: readDigests(table, source ?? ''),
      immutable: tagPatterns(table, 'immutable'),
      platforms: table.list('platforms', platform),
      referrers:
        table.kindOf('referrers') === 'array'
          ? table.list('referrers', artifactType)
          : table.value('referrers', referrers, 'all'),
      removal: readRemoval(table),
      pin: table.value('pin', kind.flag, false),
      bandwidth: table.value('bandwidth', rate),
      timeout: table.value('timeout', kind.wait, usualTimeout),
      floor: table.value('floor', kind.integer(1, 1_000_000)),
      ...readTimes(table),
    };
    return name === undefined || source === undefined ? [] : [{ name, source, ...rest }];
  });
}

function readDigests(table: StrictTable, source: string): readonly Digest[] {
  const digests = table.list('digests', digest);
  if (digests.length > 0 && table.kindOf('tags') !== undefined) {
    table.problem('digests', 'sync.digests and sync.tags exclude each other: write two [[sync]] blocks');
  }
  if (digests.length > 0 && (expandBraces(source)?.length !== 1 || source.includes('*'))) {
    table.problem(
      'digests',
      'sync.digests needs a source that names one repository, without braces and globs',
    );
  }
  return digests;
}

function readRemoval(table: StrictTable): SyncRemoval | undefined {
  const missing = table.value('missing', kind.oneOf('keep', 'delete'), 'keep');
  const grace = table.value('grace', kind.age, usualGrace);
  const most = table.value('max_delete', mostRemoved, { share: 0.1 });
  if (missing === 'delete') return { grace, most };
  for (const key of ['grace', 'max_delete'] as const) {
    if (table.kindOf(key) === undefined) continue;
    table.problem(key, `sync.${key} needs missing = "delete" beside it: else nothing goes`);
  }
  return undefined;
}

function readTimes(table: StrictTable): Pick<SyncBlock, 'when' | 'window'> {
  const every = table.value('every', interval);
  const cron = table.value('cron', kind.text);
  const open = table.value('window', window);
  const written = table.value('timezone', kind.text);
  const timezone = written ?? 'UTC';
  const unknown = timezoneProblem(timezone);
  if (written !== undefined && cron === undefined && open === undefined) {
    table.problem('timezone', 'sync.timezone needs cron or window beside it: it is their time zone');
  } else if (unknown !== undefined) {
    table.problem('timezone', `sync.timezone: ${unknown}; write a name such as "Europe/Berlin"`);
  }
  const isUsable = unknown === undefined;
  return {
    when: isUsable ? whenOf(table, every, cron, timezone) : undefined,
    window: open && isUsable ? { ...open, timezone } : undefined,
  };
}

function whenOf(
  table: StrictTable,
  every: number | undefined,
  cron: string | undefined,
  timezone: string,
): SyncTimes | undefined {
  if (cron === undefined) return every === undefined ? undefined : { every };
  if (every !== undefined) {
    table.problem('cron', 'sync.every and sync.cron exclude each other');
    return undefined;
  }
  const problem = cronProblem(cron, timezone, Date.now());
  if (problem !== undefined) table.problem('cron', `sync.cron ${JSON.stringify(cron)}: ${problem}`);
  return problem === undefined ? { cron, timezone } : undefined;
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
