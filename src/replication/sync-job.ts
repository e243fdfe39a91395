/**
 * Runs of `[[sync]]` blocks as durable jobs: kind `sync`, key the name of the block. A run that is not done is tried again after the
 * backoff of jobs, a few times; then the job has failed until its next time comes, or a person asks for it. What the window of a block
 * leaves goes on in the next one, and what a registry that said 429 holds up goes on after its pause: that is no failure.
 */
import type { SyncBlock } from '../config/sync-config.ts';
import type { Job, JobContext, JobKind, JobOutcome } from '../jobs/job.ts';
import type { Scheduled } from '../jobs/schedule.ts';
import { parseReference } from '../oci/reference.ts';
import { restOffline } from './offline-rest.ts';
import { isTag } from './planned-tag.ts';
import { inShort } from './reasons.ts';
import { pausedUntil } from './registry-pause.ts';
import { closedWindow } from './run-limits.ts';
import { sourceRegistries } from './source-images.ts';
import { removedBy, type SyncReport, tagCounts } from './sync-block.ts';
import type { SyncDeps } from './sync-deps.ts';
import type { Syncs } from './syncs.ts';

export const syncKind = 'sync';
/** Runs in a row that were not done, before the job counts as failed. */
const maxFailures = 5;

export interface SyncJobDeps extends Pick<SyncDeps, 'upstream' | 'replicas' | 'blocks' | 'clock'> {
  readonly syncs: Pick<Syncs, 'sync'>;
}

/** The kind of jobs that run blocks. */
export function createSyncJob(deps: SyncJobDeps): JobKind {
  const { syncs, blocks, replicas, clock } = deps;

  async function run({ job, signal, turn, tell, nextTry }: JobContext): Promise<JobOutcome> {
    const name = job.key;
    const block = blocks().find((one) => one.name === name);
    // Not a failure: an alert on it would never end.
    if (!block)
      return { kind: 'done', report: { note: `entrepot.toml has no [[sync]] named ${name} any more` } };
    const rest = restOffline(deps);
    if (rest) return rest;
    // Not a run that fails: nothing is told of it.
    const closed = closedWindow(clock, block);
    if (closed) return { kind: 'later', ...closed };
    const [report] = await syncs.sync([name], {
      signal,
      turn,
      onProgress: (progress) => tell({ ...progress }),
    });
    if (!report) throw new Error('a block has a report');
    const summary = summaryOf(report);
    if (report.state === 'done') return { kind: 'done', report: summary };
    const reason = reasonOf(report);
    if (report.resumes !== null) return { kind: 'later', reason, at: Date.parse(report.resumes) };
    const pause = pauseOf(deps, report);
    if (pause === undefined && job.failures + 1 >= maxFailures) {
      return { kind: 'failed', reason, report: summary };
    }
    const at = pause ?? nextTry();
    await replicas.postpone({ sync: name }, at);
    return { kind: pause === undefined ? 'again' : 'later', reason, at };
  }
  const isMoot = ({ key }: Job) => blocks().every(({ name }) => name !== key);
  return { name: syncKind, atOnce: 1, isMoot, run };
}

/** ms: a block that events feed and that has no times of its own is looked at so often, since events get lost. */
const sweepEvery = 3_600_000;

/**
 * The times of the blocks that have some. `feeds`: the registries that send events. A block with such a source and without times is
 * swept every hour.
 */
export function syncSchedule(blocks: readonly SyncBlock[], feeds: ReadonlySet<string>): readonly Scheduled[] {
  return blocks.flatMap(({ name, source, when: times }) => {
    const isFed = sourceRegistries(source).some((registry) => feeds.has(registry));
    const when = times ?? (isFed ? { every: sweepEvery } : undefined);
    return when ? [{ kind: syncKind, key: name, arguments: null, when }] : [];
  });
}

/** When the first of the registries that asked for a pause may be asked again. */
function pauseOf(deps: Pick<SyncDeps, 'upstream'>, { repositories }: SyncReport): number | undefined {
  const isMissed = ({ problem, tags }: SyncReport['repositories'][number]) =>
    problem !== null || tags.some(({ state }) => state === 'partial' || state === 'failed');
  const times = repositories.filter(isMissed).flatMap(({ image }) => {
    const parsed = parseReference(image);
    if (!parsed.ok) return [];
    const { registry, repository } = parsed.value;
    return pausedUntil(deps, { registry, repository, name: image }) ?? [];
  });
  return times.length === 0 ? undefined : Math.min(...times);
}

function summaryOf(report: SyncReport) {
  const { state, warning, bytes, seconds } = report;
  return { state, ...tagCounts(report), removed: removedBy(report).length, warning, bytes, seconds };
}

/** The first thing that is wrong, in one sentence, and how many more there are. */
function reasonOf({ problem, repositories }: SyncReport): string {
  const reasons = [
    ...(problem === null ? [] : [problem]),
    ...repositories.flatMap(({ image, problem: why, tags }) => [
      ...(why === null ? [] : [`${image}: ${why}`]),
      ...tags
        .filter(({ state }) => state === 'partial' || state === 'failed')
        .map(({ tag, reason }) => `${image}${isTag(tag) ? ':' : '@'}${tag}: ${reason}`),
    ]),
  ];
  return inShort(reasons) || 'it is not done';
}
