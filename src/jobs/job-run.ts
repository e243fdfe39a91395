/**
 * One run of one job: from its claim to what the store keeps of its end.
 *
 *   the kind's run gives an outcome ........ settled: done, failed, or again after a backoff
 *   it throws, which is a bug .............. again
 *   it is to go on at another time ......... later: waits until then, and that is no failure
 *   the server stops before it is done ..... the job is handed back, as if it had not run
 *   the claim does not hold any more ....... aborted, and nothing of it is kept
 */
import type { Clock, Timer } from '../lib/clock.ts';
import { scatteredBackoff } from '../lib/flow/backoff.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Log } from '../telemetry/log.ts';
import type { Job, JobContext, JobKind, JobOutcome, Json } from './job.ts';
import type { JobStore } from './job-store.ts';
import type { Turns } from './turns.ts';

export interface JobRunDeps {
  readonly store: Pick<JobStore, 'beat' | 'settle' | 'release'>;
  readonly turns: Turns;
  readonly clock: Clock;
  /** 0 or more, less than 1. */
  readonly random: () => number;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** Told of each run that has ended. */
  readonly ended: (kind: string, outcome: JobOutcome['kind'] | 'stopped', seconds: number) => void;
  /** Names the claim; no other one has it. */
  readonly owner: string;
}

/** ms: of a lease, and between two writes of progress. */
export const lease = 120_000;
const tellEvery = 1000;
const bounds = { first: 15_000, most: 60 * 60_000 };

/** Made of a job that was claimed just now; `start` is called once. */
export class JobRun {
  readonly job: Job;
  readonly #deps: JobRunDeps;
  readonly #aborting = new AbortController();
  #isOver = false;
  #isLost = false;
  #isStopping = false;
  /** Progress that is not kept yet. */
  #told: Json | undefined;
  #telling: Timer | undefined;

  constructor(job: Job, deps: JobRunDeps) {
    this.job = job;
    this.#deps = deps;
  }

  /** Resolves when the run is over and its end is kept. Never rejects. */
  async start(kind: JobKind): Promise<void> {
    const { clock, log } = this.#deps;
    const { id } = this.job;
    const began = clock.monotonic();
    const outcome = await this.#outcomeOf(kind);
    this.#isOver = true;
    this.#telling?.cancel();
    const isStopped = this.#isLost || (this.#isStopping && outcome.kind !== 'done');
    this.#deps.ended(kind.name, isStopped ? 'stopped' : outcome.kind, (clock.monotonic() - began) / 1000);
    if (this.#isLost) return;
    await (isStopped ? this.#release() : this.#settle(outcome)).catch((err: unknown) =>
      log.error({ event: 'jobs.notSettled', job: id, err }, 'the end of a job could not be kept'),
    );
  }

  /** Extends the lease and keeps progress; aborts the run where the claim does not hold any more. Never rejects. */
  async beat(): Promise<void> {
    const { store, owner, clock, log } = this.#deps;
    const { id } = this.job;
    const told = this.#told;
    this.#told = undefined;
    try {
      const holds = await store.beat({ id, owner }, lease, told, clock.now());
      if (holds || this.#isOver) return;
      this.#isLost = true;
      this.#aborting.abort(new Error('the job was cancelled, or its lease was lost'));
    } catch (err) {
      // The lease goes on for a while: the next beat may reach the store.
      log.warn({ event: 'jobs.beatFailed', job: id, err }, 'the lease of a job could not be extended');
    }
  }

  /** The server stops: the run is aborted. */
  stop(): void {
    this.#isStopping = true;
    this.#aborting.abort(new Error('the server stops'));
  }

  /** Gives the job back though its run has not ended. Never rejects. */
  async giveUp(): Promise<void> {
    const { log } = this.#deps;
    const { id, kind } = this.job;
    this.#isLost = true;
    this.#telling?.cancel();
    log.warn({ event: 'jobs.notStopped', job: id, kind }, 'a job did not end when the server stopped');
    await this.#release().catch((err: unknown) =>
      log.error({ event: 'jobs.notSettled', job: id, err }, 'the end of a job could not be kept'),
    );
  }

  async #outcomeOf(kind: JobKind): Promise<JobOutcome> {
    const { turns, log } = this.#deps;
    const { job } = this;
    const { signal } = this.#aborting;
    const context: JobContext = {
      job,
      signal,
      turn: () => turns.wait(signal),
      nextTry: () => this.#nextTry(),
      tell: (progress) => this.#tell(progress),
    };
    try {
      return await kind.run(context);
    } catch (err) {
      const { id, key } = job;
      const event = 'jobs.crashed';
      if (!signal.aborted) log.error({ event, job: id, kind: kind.name, key, err }, 'a job failed by a bug');
      return { kind: 'again', reason: reasonOf(err) };
    }
  }

  async #settle(outcome: JobOutcome): Promise<void> {
    const { store, owner, clock, log } = this.#deps;
    const { id, kind, key, attempts } = this.job;
    const now = clock.now();
    const at = outcome.kind === 'again' || outcome.kind === 'later' ? outcome.at : undefined;
    const notBefore = at ?? this.#nextTry();
    const became = await store.settle({ id, owner }, { outcome, notBefore }, now);
    const about = { job: id, kind, key, attempts };
    if (became === undefined) return;
    if (outcome.kind === 'done') {
      log.info({ event: 'jobs.done', ...about }, 'a job is done');
      return;
    }
    const { reason } = outcome;
    if (became === 'failed') {
      log.error({ event: 'jobs.failed', ...about, reason }, 'a job has failed');
      return;
    }
    const next = became === 'pending' ? new Date(notBefore).toISOString() : undefined;
    if (outcome.kind === 'later') {
      log.info({ event: 'jobs.later', ...about, reason, next }, 'a job goes on later');
      return;
    }
    log.warn({ event: 'jobs.again', ...about, reason, next }, 'a job did not succeed and runs again');
  }

  #nextTry(): number {
    const { clock, random } = this.#deps;
    return clock.now() + scatteredBackoff(this.job.failures + 1, random, bounds);
  }

  async #release(): Promise<void> {
    const { store, owner, clock } = this.#deps;
    await store.release({ id: this.job.id, owner }, clock.now());
  }

  #tell(progress: Json): void {
    this.#told = progress;
    if (this.#telling || this.#isOver) return;
    this.#telling = this.#deps.clock.after(tellEvery, () => {
      this.#telling = undefined;
      void this.beat();
    });
  }
}
