/**
 * Moves jobs that were taken while PostgreSQL was gone from the index to where all replicas see them.
 *
 *   local: pending --claim--> running --shared.take--> done
 *                                +--- shared fails: the same jobs are told again until it takes them
 *                                '--- shared refuses the values of one: failed
 *
 * Each claim has a fingerprint, so an answer that was lost costs nothing. A process that dies in between moves its jobs again after
 * its next start: then they join what waits, or run once more, which no kind minds.
 */
import { randomUUID } from 'node:crypto';
import type { Job } from '../../jobs/job.ts';
import type { JobInbox, Notice } from '../../jobs/job-inbox.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import type { Clock } from '../../lib/clock.ts';
import { createBell } from '../../lib/flow/bell.ts';
import { workWhenRung } from '../../lib/flow/rung-work.ts';
import { unlessAborted } from '../../lib/flow/unless-aborted.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { RareLog } from '../rare-log.ts';
import { isOfValues, serverStops, Unavailable } from './unavailable.ts';

export interface JobMover {
  /** There may be jobs to move, or PostgreSQL may answer again. */
  look(): void;
  /** Gives back what is not moved yet. Never rejects. */
  stop(): Promise<void>;
}

export interface JobMoverDeps {
  readonly local: JobStore;
  readonly shared: JobInbox;
  readonly clock: Clock;
  readonly log: RareLog;
}

/** Jobs that are moved in one transaction. */
const atOnce = 100;
/** ms until PostgreSQL is told again, unless there is word to look. */
const retryAfter = 5000;
/** ms: the clock of the machine may be set. */
const longestWait = 3_600_000;
const year = 365 * 24 * 3_600_000;
/** What is moved is never gathered: it was, when it was taken. */
const bounds = { waiting: 1_000_000, age: year, remembered: Number.MAX_SAFE_INTEGER };

interface Taken {
  readonly job: Job;
  readonly owner: string;
}

/** Looks at once. */
export function createJobMover({ local, shared, clock, log }: JobMoverDeps): JobMover {
  const stopping = new AbortController();
  const { signal } = stopping;
  const bell = createBell(clock);
  const process = randomUUID();
  let claims = 0;

  async function claimSome(): Promise<Taken[]> {
    const kinds = [...new Set((await local.counts()).map(({ kind }) => kind))];
    const taken: Taken[] = [];
    while (taken.length < atOnce && kinds.length > 0) {
      const owner = `${process} ${++claims}`;
      const job = await local.claim(kinds, owner, year, clock.now());
      if (!job) break;
      taken.push({ job, owner });
    }
    return taken;
  }

  /** False: the server stops. */
  async function tell(some: readonly Taken[]): Promise<boolean> {
    while (!signal.aborted) {
      try {
        const taken = shared.take(some.map(noticeOf), bounds, clock.now());
        // A server that is frozen must not hold up a stop.
        await unlessAborted(taken, signal, serverStops);
        return true;
      } catch (error) {
        if (isOfValues(error)) throw error;
        if (!(error instanceof Unavailable)) storeFailed(error);
        await bell.wait(signal, retryAfter);
      }
    }
    return false;
  }

  function storeFailed(err: unknown): void {
    log.error({ event: 'jobs.storeFailed', err }, 'jobs cannot be read or written');
  }

  /** Gives how many were moved. */
  async function move(some: readonly Taken[]): Promise<number> {
    try {
      const isTold = await tell(some);
      for (const { job, owner } of some) {
        const claim = { id: job.id, owner };
        const moved = { outcome: { kind: 'done', report: null } } as const;
        if (isTold) await local.settle(claim, moved, clock.now());
        else await local.release(claim, clock.now());
      }
      return isTold ? some.length : 0;
    } catch (error) {
      if (some.length > 1) {
        let moved = 0;
        for (const one of some) moved += await move([one]);
        return moved;
      }
      const [{ job, owner } = {}] = some;
      if (!job || !owner) return 0;
      const { id, kind, key } = job;
      const reason = reasonOf(error);
      log.error({ event: 'jobs.notMoved', job: id, kind, key, reason }, 'a job cannot be shared');
      await local.settle({ id, owner }, { outcome: { kind: 'failed', reason } }, clock.now());
      return 0;
    }
  }

  async function moveSome(): Promise<number | undefined> {
    const some = await claimSome();
    if (some.length > 0) {
      const jobs = await move(some);
      if (jobs > 0) log.info({ event: 'jobs.moved', jobs }, 'jobs that waited here are shared now');
      return 0;
    }
    const next = await local.nextDue([...new Set((await local.counts()).map(({ kind }) => kind))]);
    return next === undefined ? undefined : Math.min(longestWait, Math.max(1, next - clock.now()));
  }

  const running = workWhenRung({ bell, work: moveSome, failed: storeFailed, signal });
  return {
    look: bell.ring,
    async stop() {
      stopping.abort();
      await running;
    },
  };

  function noticeOf({ job, owner }: Taken): Notice {
    const { kind, key, arguments: args, priority, notBefore, cause } = job;
    return { fingerprint: owner, jobs: [{ kind, key, arguments: args, priority, notBefore, cause }] };
  }
}
