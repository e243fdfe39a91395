/**
 * The outbox of a cluster: kept by PostgreSQL, with the index of each replica as the queue in front of it.
 *
 *   a change here ........ its event, in its transaction, into the index; moved at once (`outbox-mover.ts`)
 *   what is due .......... shared; nothing while there is no answer, and an onChange later
 *   the end of a try ..... shared; kept in memory while there is no answer, and written before anything more is due. What a process
 *                          that stops has not written is sent once more by another one
 *   lists, replay ........ FACTS_UNAVAILABLE
 */
import type { Clock } from '../../lib/clock.ts';
import type { OutboxCount, OutboxQueue, OutboxStore } from '../index/outbox/outbox-store.ts';
import type { RareLog } from '../rare-log.ts';
import { createOutboxMover } from './outbox-mover.ts';
import { createPatience, whileThere } from './patience.ts';
import type { SharedOutboxStore } from './postgres/outbox/postgres-outbox.ts';
import { Unavailable } from './unavailable.ts';

export interface SharedOutbox {
  readonly outbox: OutboxStore;
  /** What waits in the index goes on waiting there. */
  stop(): Promise<void>;
}

export interface SharedOutboxDeps {
  /** In the index. */
  readonly local: OutboxStore;
  readonly queue: OutboxQueue;
  /** Rejects with `Unavailable`. */
  readonly shared: SharedOutboxStore;
  /** Calls `onChange` when deliveries may be due, or a sink is free, and when they can be asked for again. Gives the end of it. */
  readonly listen: (onChange: () => void) => () => void;
  readonly clock: Clock;
  readonly log: RareLog;
}

type Write = () => Promise<void>;

/** ms. A sink that is not given back is free later in any case. */
const leaveWithin = 1000;

/** Moves at once what waits in the index. */
export function createSharedOutbox(deps: SharedOutboxDeps): SharedOutbox {
  const { local, queue, shared, listen, clock, log } = deps;
  const patience = createPatience(clock);
  // What PostgreSQL does late changes nothing.
  const { answer } = patience;
  /** Ends of tries that are not written yet, by sink. */
  const owed = new Map<string, Write[]>();
  let onAdded = () => {};
  let lastCounts: readonly OutboxCount[] = [];

  const mover = createOutboxMover({ queue, take: shared.take, clock, log, moved: () => onAdded() });
  local.whenAdded(mover.look);
  const unlisten = listen(() => {
    patience.tryAgain();
    mover.look();
    onAdded();
  });

  function owedTo(sink: string): Write[] {
    const its = owed.get(sink) ?? [];
    owed.set(sink, its);
    return its;
  }

  async function writeOwed(sink: string): Promise<void> {
    const its = owedTo(sink);
    for (let write = its[0]; write; write = its[0]) {
      await answer(write);
      its.shift();
    }
  }

  /** Writes the end of a try, now or as soon as there is an answer. */
  async function keep(sink: string, write: Write): Promise<void> {
    const its = owedTo(sink);
    try {
      if (its.length === 0) return await answer(write);
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
    }
    its.push(write);
  }

  const outbox: OutboxStore = {
    add: local.add,
    whenAdded(listener) {
      onAdded = listener;
    },
    due: (sink, now, limit) =>
      whileThere(async () => {
        await writeOwed(sink);
        return await answer(() => shared.due(sink, now, limit));
      }, []),
    nextDue: (...asked) => whileThere(() => answer(() => shared.nextDue(...asked)), undefined),
    async leave(sink) {
      await patience.within(leaveWithin, async () => {
        await writeOwed(sink);
        await shared.leave(sink);
      });
    },
    delivered: (delivery, ...rest) => keep(delivery.sink, () => shared.delivered(delivery, ...rest)),
    postpone: (delivery, ...rest) => keep(delivery.sink, () => shared.postpone(delivery, ...rest)),
    bury: (delivery, ...rest) => keep(delivery.sink, () => shared.bury(delivery, ...rest)),
    list: (filter) => patience.forCommand('events', () => shared.list(filter)),
    replay: (...asked) => patience.forCommand('events', () => shared.replay(...asked)),
    async counts() {
      // A count that falls because PostgreSQL is gone would end an alert.
      lastCounts = await whileThere(() => answer(shared.counts), lastCounts);
      return added(await local.counts(), lastCounts);
    },
    async tidy(bounds, now, limit) {
      const here = await local.tidy(bounds, now, limit);
      if (!here.isDone) return here;
      const otherwise = { died: [], isDone: true };
      const there = await whileThere(() => answer(() => shared.tidy(bounds, now, limit)), otherwise);
      return { died: [...here.died, ...there.died], isDone: there.isDone };
    },
  };

  return {
    outbox,
    async stop() {
      unlisten();
      patience.stop();
      await mover.stop();
    },
  };
}

function added(some: readonly OutboxCount[], others: readonly OutboxCount[]): readonly OutboxCount[] {
  const bySink = Map.groupBy([...some, ...others], ({ sink }) => sink);
  return [...bySink].map(([sink, counts]) => {
    const times = counts.flatMap(({ oldest }) => oldest ?? []);
    return {
      sink,
      waiting: counts.reduce((sum, { waiting }) => sum + waiting, 0),
      dead: counts.reduce((sum, { dead }) => sum + dead, 0),
      oldest: times.length === 0 ? undefined : Math.min(...times),
    };
  });
}
