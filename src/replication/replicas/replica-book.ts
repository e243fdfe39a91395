/**
 * Writes down what runs and jobs do about each tag, as `cache/index/replicas/replica-store.ts` draws it. A run tells what it plans,
 * begins and ends; this decides what the row of the tag says then.
 *
 *   attempts, bytes, seconds ... since the tag was last done: they begin anew with the next change of the registry
 *   changedAt .................. of the first change that is not here yet, so that the lag of a tag counts from then
 *   unknown, of a tag that is done ... it stays done for a quarter of an hour of failures, with the reason: what it was is here
 *   a row without a tag ('') ... the list of the repository's tags could not be had; it goes with the next list
 *
 * What cannot be written is in the log, and stops no run: the next one writes it again.
 */
import { setImmediate } from 'node:timers/promises';
import type {
  Replica,
  ReplicaPosition,
  ReplicaStore,
  ReplicaTag,
} from '../../cache/index/replicas/replica-store.ts';
import type { Clock } from '../../lib/clock.ts';
import { KeyedLock } from '../../lib/flow/keyed-lock.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Log } from '../../telemetry/log.ts';

export interface EndOfRun {
  /** `pending`: the end of the run's time or of the server came first, which is no failure. `unknown`: its registry could not be asked. */
  readonly state: 'done' | 'partial' | 'failed' | 'pending' | 'unknown';
  /** The root digest that it was about, where that is known. */
  readonly digest: Digest | null;
  readonly reason: string | null;
  /** Fetched. */
  readonly bytes: number;
  readonly seconds: number;
  /** Referrers were looked for. */
  readonly hasReferrers: boolean;
}

/** No method rejects. */
export interface ReplicaBook {
  /** Runs work on one tag after the other; work on other tags does not wait. Settles as `work` does. */
  alone<T>(tag: ReplicaTag, work: () => Promise<T>): Promise<T>;
  find(place: ReplicaPosition): Promise<Replica | undefined>;
  /** Rows of the image, by tag and block. */
  ofImage(image: string): Promise<readonly Replica[]>;
  /**
   * A complete list was looked at: `coming` are to be brought, and what is neither in it nor in `wanted` is wanted by the block no more.
   * `changedAt`: when the change was seen or, by an event, happened.
   */
  planned(image: string, plan: PlannedReplicas): Promise<void>;
  /** The list of tags could not be had: the repository is not done. */
  notListed(image: string, sync: string, reason: string): Promise<void>;
  began(place: ReplicaPosition, wanted: Digest | null, changedAt: number): Promise<void>;
  ended(place: ReplicaPosition, end: EndOfRun): Promise<void>;
  /** The block has nothing of the tag to bring: a row that waits for that, or has failed, goes. What is done is for a run to say. */
  unwanted(place: ReplicaPosition): Promise<void>;
  /** The tag is not here any more, whatever blocks wanted it. */
  removed(tag: ReplicaTag): Promise<void>;
  /** A person asked for all rows of the image, or for those of one tag: they are pending until they were looked at. */
  asked(image: string, tag: string | null): Promise<void>;
  /** As `ReplicaStore.postpone`. */
  postpone(...which: Parameters<ReplicaStore['postpone']>): Promise<void>;
  /** As `ReplicaStore.forget`. */
  forget(which: Parameters<ReplicaStore['forget']>[0]): Promise<void>;
}

export interface PlannedReplicas {
  readonly sync: string;
  /** Every tag that the block wants, with those to be brought. */
  readonly wanted: ReadonlySet<string>;
  readonly coming: readonly { readonly tag: string; readonly digest: Digest | null }[];
  readonly changedAt: number;
}

export interface ReplicaBookDeps {
  readonly store: ReplicaStore;
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Pick<Log, 'error'>;
  /** Told of each change that is here now: seconds since it happened. */
  readonly caughtUp: (seconds: number) => void;
}

/** The tag of the row that stands for the list of a repository's tags. */
const listRow = '';

/** ms of failures to ask its registry before a tag that is done has failed. A short outage changes the state of no tag. */
const doubted = 15 * 60_000;

/** Rows that one call of the store writes: requests get their turn in between. */
const atOnce = 200;

/** See `ReplicaBook`. */
export function createReplicaBook({ store, clock, log, caughtUp }: ReplicaBookDeps): ReplicaBook {
  const tags = new KeyedLock();

  async function recorded(write: () => Promise<unknown>): Promise<void> {
    try {
      await write();
    } catch (err) {
      log.error({ event: 'sync.stateUnwritable', err }, 'the state of a tag could not be written');
    }
  }

  async function read<T>(look: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await look();
    } catch (err) {
      log.error({ event: 'sync.stateUnreadable', err }, 'the state of a tag could not be read');
      return otherwise;
    }
  }

  async function put(rows: readonly Replica[]): Promise<void> {
    for (let from = 0; from < rows.length; from += atOnce) await store.put(rows.slice(from, from + atOnce));
  }

  /** What ends in one turn is one transaction. */
  const ended: Replica[] = [];
  let writing: Promise<void> | undefined;
  function putSoon(row: Replica): Promise<void> {
    ended.push(row);
    writing ??= setImmediate().then(() => {
      writing = undefined;
      return store.put(ended.splice(0));
    });
    return writing;
  }

  return {
    alone: ({ image, tag }, work) => tags.run(`${image}:${tag}`, work),
    find: (place) => read(() => store.find(place), undefined),
    ofImage: (image) => read(() => store.ofImage(image), []),
    planned: (image, { sync, wanted, coming, changedAt }) =>
      recorded(async () => {
        const its = (await store.ofImage(image)).filter((row) => row.sync === sync);
        const known = new Map(its.map((row) => [row.tag, row]));
        const gone = [...known.keys()].filter((tag) => !wanted.has(tag));
        if (gone.length > 0) await store.remove(image, gone, sync);
        const waiting = coming.flatMap(({ tag, digest }): readonly Replica[] => {
          const row = known.get(tag);
          // What runs is the work of another run, and what has failed says so until it is tried again.
          if (row && row.state !== 'done') return [];
          return [{ ...changed(row ?? fresh({ image, tag, sync }), changedAt), wanted: digest ?? undefined }];
        });
        await put(waiting);
      }),
    notListed: (image, sync, reason) =>
      recorded(async () => {
        const place = { image, tag: listRow, sync };
        const row = (await store.find(place)) ?? fresh(place);
        await store.put([failed(row, { ...noWork, state: 'failed', reason }, clock.now())]);
      }),
    began: (place, wanted, changedAt) =>
      recorded(async () => {
        const row = (await store.find(place)) ?? fresh(place);
        const base = row.state === 'done' ? changed(row, changedAt) : row;
        await store.put([
          {
            ...base,
            state: 'running',
            wanted: wanted ?? base.wanted,
            changedAt: base.changedAt ?? changedAt,
            attempts: base.attempts + 1,
            nextAttempt: undefined,
            reason: undefined,
          },
        ]);
      }),
    ended: (place, end) =>
      recorded(async () => {
        const now = clock.now();
        const row = (await store.find(place)) ?? fresh(place);
        if (end.state === 'done') {
          await putSoon(done(row, end, now));
          if (row.state !== 'done' && row.changedAt !== undefined)
            caughtUp(Math.max(0, now - row.changedAt) / 1000);
        } else if (end.state === 'pending') {
          // What was not begun stays as it was: done, partial or failed.
          if (row.state === 'running' || row.state === 'pending')
            await store.put([
              { ...row, state: 'pending', reason: end.reason ?? undefined, ...spent(row, end) },
            ]);
        } else if (end.state === 'unknown' && isStillDone(row, now)) {
          await store.put([{ ...row, reason: end.reason ?? undefined, failedAt: row.failedAt ?? now }]);
        } else await store.put([failed(row, end, now)]);
      }),
    unwanted: (place) =>
      recorded(async () => {
        const { image, tag, sync } = place;
        const { state = 'done' } = (await store.find(place)) ?? {};
        if (state !== 'done' && state !== 'running') await store.remove(image, [tag], sync);
      }),
    removed: ({ image, tag }) => recorded(() => store.remove(image, [tag])),
    asked: (image, tag) =>
      recorded(async () => {
        const meant = (await store.ofImage(image)).filter(
          (row) => row.state !== 'running' && (tag === null || row.tag === tag),
        );
        // No change of the registry is known: the time of the last one would be a lag that there is not.
        await put(meant.map((row) => changed({ ...row, nextAttempt: undefined }, undefined)));
      }),
    postpone: (which, nextAttempt) => recorded(() => store.postpone(which, nextAttempt)),
    forget: (which) => recorded(() => store.forget(which)),
  };
}

const noWork: Omit<EndOfRun, 'state' | 'reason'> = {
  digest: null,
  bytes: 0,
  seconds: 0,
  hasReferrers: false,
};

function fresh({ image, tag, sync }: ReplicaPosition): Replica {
  return {
    image,
    tag,
    sync,
    state: 'pending',
    wanted: undefined,
    here: undefined,
    attempts: 0,
    nextAttempt: undefined,
    reason: undefined,
    bytes: 0,
    seconds: 0,
    verifiedAt: undefined,
    changedAt: undefined,
    doneAt: undefined,
    failedAt: undefined,
    referrersAt: undefined,
  };
}

/** Whether a tag that was done is so although its registry could not be asked now. */
function isStillDone({ state, failedAt }: Replica, now: number): boolean {
  return state === 'done' && Math.abs(now - (failedAt ?? now)) < doubted;
}

/** The registry has something that is not here, or it may. */
function changed(row: Replica, changedAt: number | undefined): Replica {
  return { ...row, state: 'pending', changedAt, attempts: 0, bytes: 0, seconds: 0, reason: undefined };
}

function spent(row: Replica, { bytes, seconds }: EndOfRun): Pick<Replica, 'bytes' | 'seconds'> {
  return { bytes: row.bytes + bytes, seconds: row.seconds + seconds };
}

function done(row: Replica, end: EndOfRun, now: number): Replica {
  const { digest, hasReferrers } = end;
  const wasDone = row.state === 'done' && row.here === (digest ?? undefined);
  return {
    ...row,
    ...(wasDone ? {} : { ...spent(row, end), doneAt: now }),
    state: 'done',
    wanted: digest ?? undefined,
    here: digest ?? undefined,
    nextAttempt: undefined,
    reason: undefined,
    verifiedAt: now,
    failedAt: undefined,
    referrersAt: hasReferrers ? now : row.referrersAt,
  };
}

function failed(row: Replica, end: EndOfRun, now: number): Replica {
  const { state, digest, reason } = end;
  return {
    ...row,
    state: state === 'partial' ? 'partial' : 'failed',
    wanted: digest ?? row.wanted,
    attempts: row.state === 'running' ? row.attempts : row.attempts + 1,
    reason: reason ?? undefined,
    ...spent(row, end),
    failedAt: row.failedAt ?? now,
    nextAttempt: undefined,
  };
}
