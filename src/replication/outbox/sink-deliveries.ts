/**
 * The deliveries to one sink: a few lanes at once, one event of each lane at a time.
 *
 *   delivered ...... the next event of the lane is due
 *   refused ........ tried three times, a backoff in between, then dead
 *   failed ......... again after 1 s x 2^n, five minutes at most, with full jitter; `Retry-After` holds up the whole sink
 *   no answer ...... the same; after some lanes in a row got none, the whole sink waits
 *   gone (410) ..... nothing more is sent until a reload; what waits is dead after 72 h
 */
import { type Delivery, longestWait, type OutboxStore } from '../../cache/index/outbox/outbox-store.ts';
import type { EventSink } from '../../config/event-sink.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { scatteredBackoff } from '../../lib/flow/backoff.ts';
import type { Log } from '../../telemetry/log.ts';
import type { SendEvent, Sent } from './send-event.ts';

export interface SinkDeliveriesDeps {
  readonly store: OutboxStore;
  readonly send: SendEvent;
  readonly clock: Clock;
  /** 0 or more, less than 1. */
  readonly random: () => number;
  readonly log: Pick<Log, 'debug' | 'warn' | 'error'>;
  /** Told of each try that is over, and of events (default: one) that are dead. */
  readonly tried: (sink: string, outcome: 'delivered' | 'failed' | 'dead', events?: number) => void;
}

/** Events on their way at once. */
const atOnce = 4;
const maxRefusals = 3;
/** ms. */
const bounds = { first: 1000, most: 5 * 60_000 };
/** Lanes in a row without an answer after which the sink waits, and ms that it waits at most. */
const silentLanes = 4;
const silence = { first: 1000, most: 60_000 };
/** ms after which the store is looked at again: the clock of the machine may be set, or the store failed. */
const longestSleep = 3_600_000;
const storeRetry = 30_000;

/** Made for each sink in force; `look` starts it. */
export class SinkDeliveries {
  readonly #sink: EventSink;
  readonly #deps: SinkDeliveriesDeps;
  readonly #stopping = new AbortController();
  /** By lane. */
  readonly #running = new Map<string, Promise<void>>();
  #sleeping: Timer | undefined;
  #looking: Promise<void> | undefined;
  #isAsked = false;
  #isGone = false;
  /** Epoch ms. */
  #pausedUntil = 0;
  /** Lanes in a row that got no answer; one that fails alone counts once. */
  #silent = 0;
  #lastSilent: string | undefined;

  constructor(sink: EventSink, deps: SinkDeliveriesDeps) {
    this.#sink = sink;
    this.#deps = deps;
  }

  /** It has answered 410. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Something may be due. */
  look(): void {
    if (this.#isOver) return;
    this.#isAsked = true;
    if (this.#looking) return;
    this.#looking = this.#lookWhileAsked().finally(() => {
      this.#looking = undefined;
      if (this.#isAsked && !this.#isOver) this.look();
    });
  }

  /** Gives up what is on its way: it waits for the next start. Resolves when that is over. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the sink is stopped'));
    this.#sleeping?.cancel();
    await this.#looking;
    await Promise.all(this.#running.values());
    const { store, log } = this.#deps;
    const { name: sink } = this.#sink;
    await store
      .leave(sink)
      .catch((err: unknown) =>
        log.error({ event: 'events.storeFailed', sink, err }, 'events cannot be read or written'),
      );
  }

  get #isOver(): boolean {
    return this.#isGone || this.#stopping.signal.aborted;
  }

  async #lookWhileAsked(): Promise<void> {
    const { log } = this.#deps;
    try {
      while (this.#isAsked && !this.#isOver) {
        this.#isAsked = false;
        this.#sleeping?.cancel();
        await this.#startDue();
      }
    } catch (err) {
      this.#isAsked = false;
      log.error(
        { event: 'events.storeFailed', sink: this.#sink.name, err },
        'events cannot be read or written',
      );
      this.#sleep(storeRetry);
    }
  }

  async #startDue(): Promise<void> {
    const { store, clock } = this.#deps;
    const { name } = this.#sink;
    const now = clock.now();
    // A clock that was set back must not make it wait for ever.
    const paused = Math.min(this.#pausedUntil - now, longestWait);
    if (paused > 0) return this.#sleep(paused);
    // A delivery that ends while the store answers is still in the answer: the end asks once more.
    const busy = new Set(this.#running.keys());
    const free = atOnce - busy.size;
    if (free === 0) return;
    const due = await store.due(name, now, atOnce + busy.size);
    const next = due.filter(({ lane }) => !busy.has(lane)).slice(0, free);
    for (const delivery of next) if (!this.#isOver) this.#start(delivery);
    const later = await store.nextDue(name, now);
    if (later !== undefined) this.#sleep(later - clock.now());
  }

  #start(delivery: Delivery): void {
    const { lane } = delivery;
    const over = this.#deliver(delivery).finally(() => {
      this.#running.delete(lane);
      this.look();
    });
    this.#running.set(lane, over);
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const { send, log } = this.#deps;
    const { signal } = this.#stopping;
    try {
      const sent = await send(this.#sink, delivery, signal);
      if (!signal.aborted) await this.#settle(delivery, sent);
    } catch (err) {
      log.error(
        { event: 'events.notSettled', ...about(delivery), err },
        'what became of an event could not be kept',
      );
      // The event is sent again, and has the same id.
      this.#pauseFor(storeRetry);
    }
  }

  async #settle(delivery: Delivery, sent: Sent): Promise<void> {
    const { store, clock, log, tried } = this.#deps;
    const { name } = this.#sink;
    const now = clock.now();
    this.#judgeSilence(delivery.lane, sent);
    switch (sent.kind) {
      case 'delivered':
        tried(name, 'delivered');
        log.debug({ event: 'events.delivered', ...about(delivery) }, 'an event was delivered');
        return store.delivered(delivery, now);
      case 'gone':
        this.#isGone = true;
        tried(name, 'failed');
        log.error(
          { event: 'events.sinkGone', sink: name },
          'a sink has answered 410: it gets no events until the configuration is read again',
        );
        return store.postpone(delivery, { reason: 'HTTP 410', isRefusal: false }, now);
      case 'refused':
        if (delivery.refusals + 1 < maxRefusals) return this.#postpone(delivery, sent.reason, true);
        tried(name, 'dead');
        log.error(
          { event: 'events.dead', ...about(delivery), reason: sent.reason },
          'a sink refuses an event, which is not sent again by itself',
        );
        return store.bury(delivery, sent.reason, now);
      case 'failed':
        if (sent.retryAfter !== undefined) this.#pauseFor(Math.min(sent.retryAfter, longestWait));
        return this.#postpone(delivery, sent.reason, false);
    }
  }

  async #postpone(delivery: Delivery, reason: string, isRefusal: boolean): Promise<void> {
    const { store, clock, random, log, tried } = this.#deps;
    tried(this.#sink.name, 'failed');
    const wait = scatteredBackoff(delivery.tries + 1, random, bounds);
    const until = Math.max(clock.now() + wait, this.#pausedUntil);
    await store.postpone(delivery, { reason, isRefusal }, until);
    // One line for each event: a sink that is away for a day would fill the log.
    const level = delivery.tries === 0 ? 'warn' : 'debug';
    const next = new Date(until).toISOString();
    log[level]({ event: 'events.failed', ...about(delivery), reason, next }, 'an event was not delivered');
  }

  #judgeSilence(lane: string, sent: Sent): void {
    const isSilent = sent.kind === 'failed' && !sent.isAnswered;
    if (!isSilent) {
      this.#silent = 0;
      this.#lastSilent = undefined;
      return;
    }
    if (lane !== this.#lastSilent) this.#silent += 1;
    this.#lastSilent = lane;
    if (this.#silent < silentLanes) return;
    this.#pauseFor(scatteredBackoff(this.#silent - silentLanes + 1, this.#deps.random, silence));
  }

  #pauseFor(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#deps.clock.now() + ms);
  }

  #sleep(ms: number): void {
    this.#sleeping?.cancel();
    if (this.#isOver) return;
    this.#sleeping = this.#deps.clock.after(Math.min(Math.max(0, ms), longestSleep), () => this.look());
  }
}

function about({ sink, id, lane, event, tries }: Delivery) {
  return { sink, id, kind: event.kind, about: lane, tries: tries + 1 };
}
