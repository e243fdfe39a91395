/**
 * Sweeps of buckets as durable jobs: kind `sweep`, key the name of the block. Where jobs are shared, one replica runs the sweep of a
 * bucket, and each time counts once for all.
 */
import type { JobKind, JobOutcome } from '../jobs/job.ts';
import type { Scheduled } from '../jobs/schedule.ts';
import type { Log } from '../telemetry/log.ts';
import type { Bucket } from './bucket.ts';
import type { Sweep, SweptBucket } from './sweep.ts';

const sweepKind = 'sweep';
/** Runs in a row that were refused, before the job counts as failed until its next time. */
const mostRefusals = 5;

/** The kind of jobs that sweep buckets. */
export function createSweepJob(
  sweep: Pick<Sweep, 'one'>,
  buckets: readonly Bucket[],
  log: Pick<Log, 'info' | 'warn'>,
): JobKind {
  const isSwept = (store: string) => buckets.some(({ name, settings }) => name === store && settings.sweep);

  function outcomeOf({ refused, ...swept }: SweptBucket, failures: number): JobOutcome {
    if (refused === undefined) return { kind: 'done', report: { ...swept } };
    return failures + 1 < mostRefusals
      ? { kind: 'again', reason: refused }
      : { kind: 'failed', reason: refused, report: { ...swept } };
  }

  return {
    name: sweepKind,
    atOnce: 1,
    isMoot: ({ key }) => !isSwept(key),
    async run({ job, signal }) {
      const swept = await sweep.one(job.key, signal);
      if (!swept) return { kind: 'done', report: { note: `nothing is removed from the bucket ${job.key}` } };
      const { store, removed, bytes, over } = swept;
      if (removed > 0)
        log.info({ event: 'placement.swept', store, removed, bytes }, 'contents were removed from a bucket');
      if (over !== undefined)
        log.warn({ event: 'placement.bucketFull', store, over }, 'a bucket holds more than its max_size');
      return outcomeOf(swept, job.failures);
    },
  };
}

/** The times of buckets that have some. */
export function sweepSchedule(buckets: readonly Bucket[]): readonly Scheduled[] {
  return buckets.flatMap(({ name, settings: { sweep } }) =>
    sweep?.every === undefined
      ? []
      : [{ kind: sweepKind, key: name, arguments: null, when: { every: sweep.every } }],
  );
}
