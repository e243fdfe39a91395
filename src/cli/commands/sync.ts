/** `entrepot sync [NAME...]`: brings what the `[[sync]]` blocks select here, or prints with `--dry-run` what that would be. */
import type { LoadOptions } from '../../config/load.ts';
import type { WarmProgress } from '../../pull/warm-image.ts';
import type { TagResult } from '../../replication/bring-tag.ts';
import type { PlannedTag } from '../../replication/planned-tag.ts';
import type { SyncedRepository, SyncPlan, SyncReport } from '../../replication/sync-block.ts';
import { withAdministration } from '../administration.ts';
import { createProgressBars } from '../output/progress-bars.ts';
import type { ExitCode, Result } from '../output/result.ts';
import { type Column, counted, formatBytes, formatTable } from '../output/table.ts';

export interface SyncFlags {
  readonly isDryRun: boolean;
  readonly showsProgress: boolean;
  readonly allowsDelete: boolean;
  readonly ignoresWindow: boolean;
}

/** Exit code 3 if some of it is done, 1 if nothing is. Throws EntrepotError USAGE for a name that no block has. */
export async function sync(
  names: readonly string[],
  { isDryRun, showsProgress, ...asked }: SyncFlags,
  options: LoadOptions,
): Promise<Result> {
  const bars = createProgressBars(process.stderr, { isShown: showsProgress && process.stderr.isTTY });
  const onProgress = ({ digest, size, done }: WarmProgress) =>
    bars.show({ name: digest.slice(0, 19), size, done });
  return await withAdministration(
    options,
    async (administration) =>
      isDryRun
        ? planned(await administration.planSync(names))
        : ran(await administration.sync(names, { ...asked, onProgress })),
    { makesFolder: true },
  ).finally(bars.clear);
}

function planned(plans: readonly SyncPlan[]): Result {
  const hasProblem = plans.some(
    ({ problem, repositories }) => problem !== null || repositories.some((one) => one.problem !== null),
  );
  const text = plans.map((plan) =>
    section(plan, (tags) => [formatTable(planColumns, changes(tags)), `${tally(tags)}${missing(tags)}\n`]),
  );
  return { exitCode: hasProblem ? 1 : 0, json: plans, text: text.join('') };
}

function ran(reports: readonly SyncReport[]): Result {
  const text = reports.flatMap((report) => {
    const { name, state, bytes, seconds, resumes } = report;
    const later = resumes === null ? '' : `; the rest comes from ${resumes} on`;
    return [
      section(report, (tags) => [formatTable(resultColumns, tags.filter(isTold)), `${tally(tags)}\n`]),
      `${name}: ${state}, ${formatBytes(bytes)} fetched in ${seconds} s${later}\n`,
    ];
  });
  return { exitCode: exitCode(reports), json: reports, text: text.join('') };
}

/** What changed nothing and is as it should be is only counted. */
function isTold({ action, state }: TagResult): boolean {
  return action !== 'same' || state !== 'done';
}

function exitCode(reports: readonly SyncReport[]): ExitCode {
  if (reports.every(({ state }) => state === 'done')) return 0;
  return reports.every(({ state }) => state === 'failed') ? 1 : 3;
}

interface Section<Tag> {
  readonly name: string;
  readonly problem: string | null;
  readonly warning: string | null;
  readonly repositories: readonly SyncedRepository<Tag>[];
}

function section<Tag>(
  { name, problem, warning: but, repositories }: Section<Tag>,
  tagLines: (tags: readonly Tag[]) => readonly string[],
): string {
  const lines = repositories.flatMap(({ image, listed, tags, problem: why, warning }) => [
    why === null ? `${image}: ${counted(listed, 'tag')} listed\n` : `${image}: failed: ${why}\n`,
    ...(warning === null ? [] : [`warning: ${warning}\n`]),
    ...(tags.length === 0 ? [] : tagLines(tags)),
  ]);
  return [
    `${name}\n`,
    ...(problem === null ? [] : [`failed: ${problem}\n`]),
    ...(but === null ? [] : [`warning: ${but}\n`]),
    ...lines,
  ].join('');
}

function changes(tags: readonly PlannedTag[]): readonly PlannedTag[] {
  return tags.filter(({ action }) => action !== 'same');
}

/** `2 add, 98 same`. */
function tally(tags: readonly { readonly action: string }[]): string {
  const counts = new Map<string, number>();
  for (const { action } of tags) counts.set(action, (counts.get(action) ?? 0) + 1);
  return [...counts].map(([action, count]) => `${count} ${action}`).join(', ');
}

function missing(tags: readonly PlannedTag[]): string {
  const known = tags.flatMap(({ bytes }) => bytes ?? []);
  if (known.length === 0) return '';
  const sum = known.reduce((all, bytes) => all + bytes, 0);
  return `; ${formatBytes(sum)} are missing as far as it is known, what tags share counted for each`;
}

const planColumns: readonly Column<PlannedTag>[] = [
  { head: 'tag', cell: ({ tag }) => tag },
  { head: 'action', cell: ({ action }) => action },
  { head: 'digest', cell: ({ digest }) => digest?.slice(0, 19) ?? '-' },
  { head: 'was', cell: ({ was }) => was?.slice(0, 19) ?? '-' },
  { head: 'missing', cell: ({ bytes }) => (bytes === null ? '-' : formatBytes(bytes)), isNumber: true },
  { head: 'reason', cell: ({ reason }) => reason ?? '' },
];

const resultColumns: readonly Column<TagResult>[] = [
  { head: 'tag', cell: ({ tag }) => tag },
  { head: 'action', cell: ({ action }) => action },
  { head: 'state', cell: ({ state }) => state },
  { head: 'digest', cell: ({ digest }) => digest?.slice(0, 19) ?? '-' },
  { head: 'fetched', cell: ({ bytes }) => formatBytes(bytes), isNumber: true },
  { head: 'reason', cell: ({ reason }) => reason ?? '' },
];
