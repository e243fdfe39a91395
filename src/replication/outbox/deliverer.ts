/**
 * Delivers the events of the outbox to the sinks in force, and keeps the outbox within its bounds. Without sinks and without events it
 * costs nothing: no timer, no query.
 *
 *   an event is added, a reload, a replay --> each sink looks what is due (`sink-deliveries.ts`)
 *   each hour, and after a thousand events --> what has waited for 72 h is dead, and old history goes
 */
import { isDeepStrictEqual } from 'node:util';
import type { OutboxStore } from '../../cache/index/outbox/outbox-store.ts';
import type { EventSink } from '../../config/event-sink.ts';
import type { Timer } from '../../lib/clock.ts';
import { SinkDeliveries, type SinkDeliveriesDeps } from './sink-deliveries.ts';
import type { Sinks } from './sinks.ts';

export interface Deliverer {
  /** Begins to deliver. */
  start(): void;
  /** Other sinks are in force; one that was gone is tried again. */
  changed(): void;
  /** Names of sinks that have answered 410. */
  gone(): readonly string[];
  /** Gives up what is on its way. Never rejects. */
  stop(): Promise<void>;
}

export interface DelivererDeps extends SinkDeliveriesDeps {
  readonly store: OutboxStore;
  readonly sinks: Pick<Sinks, 'all'>;
}

const hour = 3_600_000;
const day = 24 * hour;
/** ms that an event waits, that a dead one stays, and that a delivered one can be replayed; and how many of each. */
const ages = { waiting: 3 * day, dead: 30 * day, events: 3 * day };
const most = { mostWaiting: 50_000, mostDead: 10_000, mostEvents: 20_000 };
const cutEvery = { ms: hour, events: 1000 };
/** Rows that are changed in one turn. */
const atOnce = 500;

interface Running {
  readonly sink: EventSink;
  readonly deliveries: SinkDeliveries;
}

/** Nothing is sent before `start`. */
export function createDeliverer(deps: DelivererDeps): Deliverer {
  const { store, sinks, clock, log, tried } = deps;
  let running: readonly Running[] = [];
  /** Sinks that a reload has replaced, until what they had on its way is over. */
  const ending = new Set<Promise<void>>();
  let isStarted = false;
  let isStopped = false;
  let uncut = 0;
  let cutting: Promise<void> | undefined;
  let cutTimer: Timer | undefined;
  /** Something may be there to be cut. */
  let hasMore = true;

  function lookAll(): void {
    for (const { deliveries } of running) deliveries.look();
  }

  function end(deliveries: SinkDeliveries): Promise<void> {
    const over = deliveries.stop().finally(() => ending.delete(over));
    ending.add(over);
    return over;
  }

  /** A sink that is as before goes on. What a replaced one has on its way ends first: two tries of one lane at once would break its order. */
  async function replace(): Promise<void> {
    const isKept = ({ sink, deliveries }: Running) =>
      !deliveries.isGone && sinks.all.some((other) => isDeepStrictEqual(other, sink));
    const [kept, replaced] = [running.filter(isKept), running.filter((one) => !isKept(one))];
    await Promise.all([...replaced.map(({ deliveries }) => end(deliveries)), ...ending]);
    if (isStopped) return;
    running = sinks.all.map((sink) => {
      const same = kept.find((one) => one.sink.name === sink.name);
      return same ?? { sink, deliveries: new SinkDeliveries(sink, deps) };
    });
    lookAll();
    cut();
  }

  function added(): void {
    if (!isStarted || isStopped) return;
    lookAll();
    uncut += 1;
    if (uncut >= cutEvery.events) cut();
  }

  function cut(): void {
    if (cutting || isStopped) return;
    uncut = 0;
    cutTimer?.cancel();
    cutting = cutAll()
      .catch((err: unknown) =>
        log.error({ event: 'events.storeFailed', err }, 'events cannot be read or written'),
      )
      .finally(() => {
        cutting = undefined;
        if (!isStopped && hasMore) cutTimer = clock.after(cutEvery.ms, cut);
      });
  }

  async function cutAll(): Promise<void> {
    for (let isDone = false; !isDone && !isStopped; ) {
      const now = clock.now();
      const since = {
        waitingSince: now - ages.waiting,
        deadSince: now - ages.dead,
        eventsSince: now - ages.events,
      };
      const result = await store.tidy({ ...since, ...most }, now, atOnce);
      isDone = result.isDone;
      for (const { sink, events } of result.died) {
        tried(sink, 'dead', events);
        log.error({ event: 'events.expired', sink, events }, 'events were not delivered and are given up');
      }
    }
    hasMore = sinks.all.length > 0 || (await store.counts()).length > 0;
  }

  let changing: Promise<void> = Promise.resolve();
  function change(): void {
    changing = changing.then(replace);
  }

  store.whenAdded(added);
  return {
    start() {
      isStarted = true;
      change();
    },
    changed() {
      if (isStarted) change();
    },
    gone: () => running.filter(({ deliveries }) => deliveries.isGone).map(({ sink }) => sink.name),
    async stop() {
      isStopped = true;
      cutTimer?.cancel();
      await changing;
      await Promise.all([cutting, ...running.map(({ deliveries }) => end(deliveries)), ...ending]);
    },
  };
}
