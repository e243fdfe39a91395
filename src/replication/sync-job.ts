/**
 * Runs of `[[sync]]` blocks as durable jobs: kind `sync`, key the name of the block. A run that is not done is tried again after the
 * backoff of jobs, a few times; then the job has failed until its next time comes, or a person asks for it.
 */
import type { SyncBlock } from '../config/config.ts';
import type { JobContext, JobKind, JobOutcome } from '../jobs/job.ts';
import type { Scheduled } from '../jobs/schedule.ts';
import type { SyncReport } from './sync-block.ts';
import type { Syncs } from './syncs.ts';

export const syncKind = 'sync';
/** Runs in a row that were not done, before the job counts as failed. */
const maxFailures = 5;

/** The kind of jobs that run blocks. `hasBlock`: whether the configuration in force has a block of this name. */
export function createSyncJob({ sync }: Pick<Syncs, 'sync'>, hasBlock: (name: string) => boolean): JobKind {
  async function run({ job, signal, turn, tell }: JobContext): Promise<JobOutcome> {
    const name = job.key;
    if (!hasBlock(name))
      return { kind: 'failed', reason: `entrepot.toml has no [[sync]] named ${name} any more` };
    const onProgress = ({
      reference,
      digest,
      size,
      done,
    }: {
      reference: string;
      digest: string;
      size: number;
      done: number;
    }) => tell({ reference, digest, size, done });
    const [report] = await sync([name], { signal, turn, onProgress });
    if (!report) throw new Error('a block has a report');
    const summary = summaryOf(report);
    if (report.state === 'done') return { kind: 'done', report: summary };
    const reason = reasonOf(report);
    return job.failures + 1 < maxFailures
      ? { kind: 'again', reason }
      : { kind: 'failed', reason, report: summary };
  }
  return { name: syncKind, atOnce: 1, run };
}

/** The times of the blocks that have some. */
export function syncSchedule(blocks: readonly SyncBlock[]): readonly Scheduled[] {
  return blocks.flatMap(({ name, when }) =>
    when ? [{ kind: syncKind, key: name, arguments: null, when }] : [],
  );
}

function summaryOf({ state, repositories, bytes, seconds }: SyncReport) {
  const tags = repositories.flatMap((repository) => repository.tags);
  const count = (wanted: string) => tags.filter((tag) => tag.state === wanted).length;
  return { state, done: count('done'), partial: count('partial'), failed: count('failed'), bytes, seconds };
}

/** The first thing that is wrong, in one sentence, and how many more there are. */
function reasonOf({ problem, repositories }: SyncReport): string {
  const reasons = [
    ...(problem === null ? [] : [problem]),
    ...repositories.flatMap(({ image, problem: why, tags }) => [
      ...(why === null ? [] : [`${image}: ${why}`]),
      ...tags
        .filter(({ state }) => state === 'partial' || state === 'failed')
        .map(({ tag, reason }) => `${image}:${tag}: ${reason}`),
    ]),
  ];
  const [first = 'it is not done', ...more] = reasons;
  return more.length === 0 ? first : `${first} (and ${more.length} more)`;
}
