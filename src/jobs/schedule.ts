/**
 * Adds jobs when their time comes: `every` so often, a tenth earlier or later so that sites do not ask in step, or at the times of a
 * cron expression in a time zone. The newest job of a kind and key tells when it last ran:
 *
 *                     every                       cron
 *   never ran         soon after the start        at the next time
 *   a time missed     once, soon after the start  once, soon after the start
 *
 * "Soon" is within a minute, by chance. An hour that a time zone skips runs once, after it; one that comes twice runs once.
 *
 * Several replicas may have one schedule: each adds by an inbox that takes the same time once, and looks before whether the job ran just
 * now.
 */
import { createHash } from 'node:crypto';
import type { Clock, Timer } from '../lib/clock.ts';
import { nextCron } from '../lib/cron.ts';
import type { Log } from '../telemetry/log.ts';
import { type Job, type Json, jobPriorities } from './job.ts';
import type { InboxBounds, JobInbox } from './job-inbox.ts';
import type { JobStore } from './job-store.ts';

export type When =
  /** ms. */
  | { readonly every: number }
  /** Five fields, as in crontab(5), or six with seconds first; `timezone`: an IANA name. */
  | { readonly cron: string; readonly timezone: string };

export interface Scheduled {
  readonly kind: string;
  readonly key: string;
  readonly arguments: Json;
  readonly when: When;
}

export interface Schedule {
  /** Puts other entries in force, after a start or a reload. What was not changed keeps its times. */
  configure(entries: readonly Scheduled[]): void;
  stop(): void;
}

export interface ScheduleDeps {
  readonly store: Pick<JobStore, 'last'>;
  /** Of the same store. */
  readonly inbox: JobInbox;
  /** Called after a job was added. */
  readonly added: () => void;
  readonly clock: Clock;
  /** 0 or more, less than 1. */
  readonly random: () => number;
  readonly log: Pick<Log, 'error'>;
}

/** ms within which a job that is late is added. */
const soon = 60_000;
/** A timer is looked at again after so many ms: the clock of the machine may be set. */
const longestSleep = 3_600_000;
/** ms until the store is asked again after it failed. */
const storeRetry = 30_000;
/** No bound for what a schedule adds. */
const unbounded: InboxBounds = {
  waiting: 1_000_000,
  age: 30 * 24 * 3_600_000,
  remembered: Number.MAX_SAFE_INTEGER,
};

/** A time at which a job is to be added. */
interface Time {
  /** Epoch ms. */
  readonly due: number;
  /** What it is the time of: the same for all replicas. Undefined: of an `every`. */
  readonly cronTime: number | undefined;
}

/** No timer runs before `configure`, and none keeps the process alive. */
export function createSchedule(deps: ScheduleDeps): Schedule {
  const { store, inbox, clock, random, log } = deps;
  const timers = new Map<string, { readonly entry: string; timer: Timer | undefined; isStopped: boolean }>();

  /** `added`: when its newest job was added; a time that the clock has not reached yet counts as now. */
  function nextTime(when: When, added: number | undefined, now: number): Time | undefined {
    const last = added === undefined ? undefined : Math.min(added, now);
    const late = now + random() * soon;
    if ('every' in when) {
      const next = last === undefined ? undefined : last + when.every * (0.9 + random() / 5);
      const first = now + random() * Math.min(soon, when.every / 10);
      return { due: next === undefined ? first : next <= now ? late : next, cronTime: undefined };
    }
    const next = nextCron(when.cron, when.timezone, last ?? now);
    return next === undefined ? undefined : { due: next <= now ? late : next, cronTime: next };
  }

  function begin(entry: Scheduled, text: string): void {
    const { kind, key, when } = entry;
    const state = { entry: text, timer: undefined as Timer | undefined, isStopped: false };
    timers.set(JSON.stringify([kind, key]), state);

    /** Waits until `due`, in steps. */
    function sleep(due: number, then: () => void): void {
      if (state.isStopped) return;
      const left = due - clock.now();
      state.timer = clock.after(Math.min(longestSleep, Math.max(0, left)), () =>
        left > longestSleep ? sleep(due, then) : then(),
      );
    }

    function addAt(time: Time | undefined): void {
      if (time) sleep(time.due, () => attempt(() => add(time)));
    }

    async function plan(): Promise<void> {
      const last = (await store.last(kind, key))?.created;
      addAt(nextTime(when, last, clock.now()));
    }

    async function add(time: Time): Promise<void> {
      const last = await store.last(kind, key);
      const now = clock.now();
      const ran = justRan(when, last, now);
      if (ran !== undefined) return addAt(nextTime(when, ran, now));
      const { arguments: args } = entry;
      const priority = jobPriorities.schedule;
      const job = { kind, key, arguments: args, notBefore: now, cause: 'schedule', priority };
      const fingerprint = hashOf([kind, key, sameFor(when, time, last, now)]);
      if (state.isStopped) return;
      const [taken] = await inbox.take([{ fingerprint, jobs: [job] }], unbounded, now);
      if (taken !== 'known') deps.added();
      addAt(nextTime(when, now, now));
    }

    function attempt(work: () => Promise<void>): void {
      if (state.isStopped) return;
      work().catch((err: unknown) => {
        if (state.isStopped) return;
        log.error({ event: 'jobs.notScheduled', kind, key, err }, 'a scheduled job could not be added');
        sleep(clock.now() + storeRetry, () => attempt(work));
      });
    }

    attempt(plan);
  }

  function end(id: string): void {
    const state = timers.get(id);
    if (!state) return;
    state.isStopped = true;
    state.timer?.cancel();
    timers.delete(id);
  }

  return {
    configure(entries) {
      const wanted = new Map(entries.map((entry) => [JSON.stringify([entry.kind, entry.key]), entry]));
      for (const id of [...timers.keys()]) {
        const entry = wanted.get(id);
        if (!entry || JSON.stringify(entry) !== timers.get(id)?.entry) end(id);
      }
      for (const [id, entry] of wanted) if (!timers.has(id)) begin(entry, JSON.stringify(entry));
    },
    stop() {
      for (const id of [...timers.keys()]) end(id);
    },
  };
}

/** When it last ran, if that was so short a time ago that another replica must have added it, or a person. */
function justRan(when: When, last: Job | undefined, now: number): number | undefined {
  if (!('every' in when) || !last) return undefined;
  const ran = Math.min(now, Math.max(last.created, last.started ?? 0));
  return ran > now - when.every / 2 ? ran : undefined;
}

/** Tells a time from the others: the same for all replicas that come to it. */
function sameFor(when: When, { cronTime }: Time, last: Job | undefined, now: number): unknown {
  if ('cron' in when) return cronTime;
  if (last) return [last.id, last.attempts];
  // It has never run, or its history is over. Two times are nine tenths of `every` apart at least: never in one half of it.
  return Math.floor(now / (when.every / 2));
}

function hashOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
