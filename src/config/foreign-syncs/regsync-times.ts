/**
 * When regsync runs an entry: `interval`, a duration of Go, or `schedule`, a cron expression (robfig/cron) of five fields or
 * `@every DURATION`, `@daily` and the like, with `CRON_TZ=ZONE` before it if it is not in the time zone of the machine.
 */
import { cronProblem } from '../../lib/cron.ts';
import { formatDuration } from '../toml/units.ts';
import type { YamlMap } from '../yaml/yaml-document.ts';
import { type Losses, type SyncDraft, textOf } from './sync-draft.ts';

/** Milliseconds: what `every` of a block can be. */
const shortest = 60_000;
const longest = 3650 * 86_400_000;

const units = new Map([
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
]);

/** The schedule of an entry, or of the defaults; the entry's own goes first, and a schedule before an interval. */
export function timesOf(
  own: YamlMap['entries'],
  defaults: YamlMap['entries'],
  line: number,
  losses: Losses,
): SyncDraft['times'] {
  const written = [own, defaults].flatMap((entries) => [entries.get('schedule'), entries.get('interval')]);
  const value = written.find((one) => textOf(one) !== undefined);
  const text = textOf(value);
  if (text === undefined) return {};
  const at = value?.line ?? line;
  const isSchedule = written.indexOf(value) % 2 === 0;
  const interval = isSchedule ? /^@every\s+(\S+)$/.exec(text)?.[1] : text;
  return interval === undefined ? scheduled(text, at, losses) : repeated(interval, at, losses);
}

function repeated(text: string, line: number, losses: Losses): SyncDraft['times'] {
  const milliseconds = goDuration(text);
  if (milliseconds === undefined || milliseconds > longest) {
    losses.warn(line, `the interval ${JSON.stringify(text)} is left out: write every = "6h" in its place`);
    return {};
  }
  if (milliseconds < shortest)
    losses.warn(line, `the interval ${text} becomes a minute, the least that there is`);
  return { every: formatDuration(Math.max(shortest, milliseconds)) };
}

function scheduled(text: string, line: number, losses: Losses): SyncDraft['times'] {
  const [, zone, cron = text] = /^(?:CRON_)?TZ=(\S+)\s+(.*)$/.exec(text) ?? [];
  const problem = cronProblem(cron, zone ?? 'UTC', Date.now());
  if (problem !== undefined) {
    losses.warn(line, `the schedule ${JSON.stringify(text)} is left out: ${problem}`);
    return {};
  }
  if (zone !== undefined) return { cron, timezone: zone };
  losses.warn(
    line,
    `the schedule ${JSON.stringify(text)} is in UTC here: write timezone = "..." beside cron for that of your machine`,
  );
  return { cron };
}

/** time.ParseDuration of Go, as far as a schedule needs it. */
function goDuration(text: string): number | undefined {
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) return undefined;
  const parts = text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g);
  return Math.round(
    [...parts].reduce((sum, [, count, unit = '']) => sum + Number(count) * (units.get(unit) ?? 0), 0),
  );
}
