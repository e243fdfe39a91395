/**
 * What replicas with one set of facts have to know of each other before one of them removes anything from a bucket that they share:
 *
 *   links, pins ....... facts: the sweeper reads them to the end before each page of the bucket
 *   last uses ......... each replica tells them every twenty minutes (`ContentUses`)
 *   is any one away ... a replica that has told nothing for three quarters of an hour, and was not stopped in order, may have taken pushes
 *                       since. Nothing is removed until it is back, or has been away for `gone_after`
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { PlacementStore } from '../cache/index/placements/placement-store.ts';
import { createBoundedStop } from '../cache/shared/bounded-stop.ts';
import type { ContentUses } from '../cache/shared/content-uses.ts';
import { Unavailable } from '../cache/shared/unavailable.ts';
import type { Clock } from '../lib/clock.ts';
import { pause } from '../lib/flow/pause.ts';
import type { Digest } from '../oci/digest.ts';
import type { Log } from '../telemetry/log.ts';

/** What the facts of this replica are; those of `LiveFacts`. */
export interface FactsOfReplica {
  /** All that others had told by now is known here. */
  upToDate(): Promise<boolean>;
  /** Others can know all that was known here a minute ago. */
  isTold(): Promise<boolean>;
}

export interface SharedBucket {
  /** Why it is not known what other replicas need; undefined: it is known. */
  unsure(): Promise<string | undefined>;
  /** Why other replicas may not know what this one needs; undefined: they know. */
  untold(): Promise<string | undefined>;
  /** Last uses by other replicas, epoch ms. Rejects with `Unavailable`. */
  usesOf(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>;
  start(): void;
  /** Tells the others that this replica is gone in order, unless PostgreSQL does not answer. */
  stop(): Promise<void>;
}

export interface SharedBucketDeps {
  readonly uses: ContentUses;
  readonly facts: FactsOfReplica;
  readonly placements: Pick<PlacementStore, 'uses' | 'replica'>;
  /** ms: of `[facts]`. */
  readonly goneAfter: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Pick<Log, 'error'>;
}

const minute = 60_000;
const day = 24 * 60 * minute;
const tellEvery = 20 * minute;
/** After one that failed. */
const tellAgain = minute;
const awayAfter = 45 * minute;
/** Uses that are told again, since access times are written late. */
const overlap = 60 * minute;
const usesLife = 400 * day;
const atOnce = 500;

/** Nothing is told before `start`. */
export function createSharedBucket(deps: SharedBucketDeps): SharedBucket {
  const { uses, facts, placements, goneAfter, clock, random, log } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  const { orLate, waitFor } = createBoundedStop(clock);
  let telling: Promise<void> | undefined;
  /** Epoch ms. */
  let toldFrom = 0;

  async function tellAll(): Promise<void> {
    const begun = clock.now();
    let last: Digest | undefined;
    do {
      const some = await placements.uses(last, atOnce);
      await orLate(uses.tell(some.filter(({ used }) => used >= toldFrom - overlap)));
      last = some.at(-1)?.digest;
      // Nothing is told of most contents: requests have their turn.
      await turn();
    } while (last !== undefined && !signal.aborted);
    if (signal.aborted) return;
    toldFrom = begun;
    if (await facts.isTold()) await orLate(uses.here(await placements.replica()));
    await orLate(uses.forget({ uses: begun - usesLife, silent: goneAfter }));
  }

  async function keepTelling(): Promise<void> {
    while (!signal.aborted) {
      let wait = tellEvery * (0.9 + random() / 5);
      try {
        await tellAll();
      } catch (err) {
        wait = tellAgain;
        // An outage is told by the connection.
        if (!(err instanceof Unavailable))
          log.error({ event: 'placement.usesNotTold', err }, 'other replicas cannot be told what is in use');
      }
      await pause(clock, wait, signal);
    }
  }

  async function leave(): Promise<void> {
    await telling;
    try {
      if (await facts.isTold()) await orLate(uses.gone(await placements.replica()));
    } catch {
      // Then it is away, and comes back.
    }
  }

  return {
    async unsure() {
      if (!(await facts.upToDate()))
        return 'what other replicas need is not all known: the facts of PostgreSQL cannot be read';
      const away = (await uses.replicas()).find(({ age }) => age > awayAfter && age < goneAfter);
      if (!away) return undefined;
      const minutes = Math.round(away.age / minute);
      const way = 'start it again, or let less time pass until it counts as gone: gone_after of [facts]';
      return `a replica has not told for ${minutes} minutes what it needs: ${away.replica}: ${way}`;
    },
    async untold() {
      return (await facts.isTold()) ? undefined : 'other replicas do not know yet what this one needs';
    },
    usesOf: uses.of,
    start() {
      telling = keepTelling();
    },
    async stop() {
      stopping.abort();
      if (telling) await waitFor(leave());
    },
  };
}
