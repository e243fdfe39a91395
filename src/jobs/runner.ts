/**
 * Runs jobs: claims what is due, a few at a time, and keeps the leases. It sleeps until the next job is due, and without jobs it costs
 * nothing: no timer, no query.
 *
 *   start, wake, a run that ends, a timer --> look: claim as many as fit, and run them (`job-run.ts`)
 *                                               \--> set a timer for when the next one is due
 */
import type { Timer } from '../lib/clock.ts';
import { orLate } from '../lib/flow/or-late.ts';
import type { JobId, JobKind } from './job.ts';
import { JobRun, type JobRunDeps, lease } from './job-run.ts';
import type { JobStore } from './job-store.ts';

export interface JobRunner {
  /** Begins to run jobs. */
  start(): void;
  /** Something may be due: a job was added, or is to run again. */
  wake(): void;
  /** Looks whether the job was cancelled, and then aborts its run. */
  check(id: JobId): Promise<void>;
  /** Aborts all runs and hands their jobs back; resolves when the runs are over, or have not ended within 10 s. */
  stop(): Promise<void>;
}

export interface JobRunnerDeps extends JobRunDeps {
  readonly store: JobStore;
  /**
   * Names this process; no other one has it. Each claim adds a number: a run whose lease was lost, as when the clock is set, must not
   * live on by the claim of the next run.
   */
  readonly owner: string;
}

/** ms: between two beats, of a stop and what it writes at its end, and after the store failed. */
const beatEvery = 30_000;
const stopWithin = 10_000;
const releaseWithin = 2_000;
const storeRetry = 30_000;
/** ms after which the store is looked at again, however far away the next job is: the clock of the machine may be set. */
const longestSleep = 3_600_000;
/** History: ms, jobs, and jobs that one call removes. It is cut at the start and after so many runs. */
const history = { age: 90 * 24 * 3_600_000, most: 10_000, atOnce: 500, runs: 100 };

/** `atOnce`: runs of all kinds together. Throws for two kinds of one name. */
export function createJobRunner(
  deps: JobRunnerDeps,
  { kinds: all, atOnce }: { readonly kinds: readonly JobKind[]; readonly atOnce: number },
): JobRunner {
  const { store, clock, log, owner } = deps;
  const kinds = new Map(all.map((kind) => [kind.name, kind]));
  if (kinds.size < all.length) throw new Error('two kinds of jobs have the same name');
  const recall = recalling(deps);
  /** With the promise of their ends. */
  const running = new Map<JobRun, Promise<void>>();
  let isStarted = false;
  let sleeping: Timer | undefined;
  let beating: Timer | undefined;
  let looking: Promise<void> | undefined;
  let isAsked = false;
  let claims = 0;
  let uncutRuns = history.runs;
  let stopping: Promise<void> | undefined;

  function look(): void {
    if (!isStarted || stopping || kinds.size === 0) return;
    isAsked = true;
    looking ??= lookWhileAsked()
      .catch((err: unknown) => {
        log.error({ event: 'jobs.storeFailed', err }, 'jobs cannot be read or written');
        sleepFor(storeRetry);
      })
      .finally(() => {
        looking = undefined;
        if (isAsked) look();
      });
  }

  async function lookWhileAsked(): Promise<void> {
    while (isAsked && !stopping) {
      isAsked = false;
      sleeping?.cancel();
      await recall();
      await claimDue();
      const counted = await cutHistory(deps, uncutRuns);
      uncutRuns -= counted;
      const free = freeKinds();
      const due = free.length === 0 ? undefined : await store.nextDue(free);
      if (due !== undefined) sleepFor(Math.min(longestSleep, Math.max(0, due - clock.now())));
    }
  }

  function freeKinds(): string[] {
    if (running.size >= atOnce) return [];
    const busy = Map.groupBy(running.keys(), ({ job }) => job.kind);
    const isFree = (kind: JobKind) => (busy.get(kind.name)?.length ?? 0) < kind.atOnce;
    return [...kinds.values()].filter(isFree).map(({ name }) => name);
  }

  async function claimDue(): Promise<void> {
    for (let free = freeKinds(); free.length > 0 && !stopping; free = freeKinds()) {
      const claimant = `${owner} ${++claims}`;
      const job = await store.claim(free, claimant, lease, clock.now());
      const kind = job && kinds.get(job.kind);
      if (!kind) return;
      const run = new JobRun(job, { ...deps, owner: claimant });
      if (stopping) run.stop();
      const ended = run.start(kind).then(() => over(run));
      running.set(run, ended);
      beating ??= clock.after(beatEvery, beatAll);
    }
  }

  function over(run: JobRun): void {
    running.delete(run);
    if (running.size === 0) {
      beating?.cancel();
      beating = undefined;
    }
    uncutRuns += 1;
    look();
  }

  function sleepFor(ms: number): void {
    sleeping?.cancel();
    sleeping = clock.after(ms, look);
  }

  function beatAll(): void {
    beating = clock.after(beatEvery, beatAll);
    for (const run of running.keys()) void run.beat();
  }

  async function stop(): Promise<void> {
    sleeping?.cancel();
    for (const run of running.keys()) run.stop();
    // A store that is frozen must not hold up a stop: leases end by themselves.
    await orLate(clock, stopWithin, allOver());
    beating?.cancel();
    await orLate(clock, releaseWithin, Promise.all([...running.keys()].map((run) => run.giveUp())));
  }

  /** A claim that is under way still makes its run, which is stopped as well. */
  async function allOver(): Promise<void> {
    await looking;
    await Promise.all(running.values());
  }

  return {
    start() {
      isStarted = true;
      look();
    },
    wake: look,
    async check(id) {
      await Promise.all([...running.keys()].filter(({ job }) => job.id === id).map((run) => run.beat()));
    },
    stop() {
      // Set before anything else happens: what is under way looks at it.
      stopping ??= Promise.resolve().then(stop);
      return stopping;
    },
  };
}

/** After so many runs; gives how many of `runs` that were. */
async function cutHistory({ store, clock }: JobRunnerDeps, runs: number): Promise<number> {
  if (runs < history.runs) return 0;
  const kept = { since: clock.now() - history.age, most: history.most };
  while ((await store.forget(kept, history.atOnce)) === history.atOnce);
  return runs;
}

/** Recalls jobs where the clock of the machine was set back since the last call, or, as it may have been, before the first. */
function recalling({ store, clock }: JobRunnerDeps): () => Promise<void> {
  let lookedAt = Number.POSITIVE_INFINITY;
  return async () => {
    const now = clock.now();
    if (now < lookedAt) await store.recall(now);
    lookedAt = now;
  };
}
