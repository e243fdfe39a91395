/**
 * The outbox: events, and their deliveries to sinks. An event is written once, with the change that it tells of; a delivery is one
 * event for one sink:
 *
 *   add --> waiting --delivered--> forgotten          the event stays for a while, for `replay`
 *            ^   |  \--postpone--> waiting, later
 *            |   \--bury, tidy---> dead --tidy--> forgotten
 *            \------replay---------/
 *
 * Deliveries of one sink are in *lanes*: one for each image. Only the first waiting delivery of a lane can be due, so events of one image
 * arrive in their order, and an event that is stuck holds up no other image.
 *
 * Where replicas share an outbox, one of them at a time delivers to a sink: the first that asks what is due has the sink until it
 * leaves it, or is gone.
 *
 * Every method rejects when the index cannot be read or written. All times are epoch ms.
 */
import type { OutboxEvent, StoredEvent } from './outbox-event.ts';

export interface Delivery extends StoredEvent {
  /** Of the event: ascending in the order in which events came. */
  readonly number: number;
  readonly sink: string;
  readonly lane: string;
  /** When it came to wait. */
  readonly since: number;
  /** Tries without success so far. */
  readonly tries: number;
  /** Of those, the ones that the sink refused (4xx). */
  readonly refusals: number;
}

export type DeliveryState = 'waiting' | 'dead';

export interface ListedDelivery extends Delivery {
  readonly state: DeliveryState;
  /** Why the last try did not succeed. */
  readonly reason: string | undefined;
  /** When it is tried at the earliest; undefined: it is dead, or waits for another one of its lane. */
  readonly due: number | undefined;
}

export interface DeliveryFilter {
  readonly sink?: string | undefined;
  readonly state: DeliveryState;
  /** Deliveries after this one. */
  readonly after?: Pick<Delivery, 'sink' | 'number'> | undefined;
  readonly limit: number;
}

export interface OutboxCount {
  readonly sink: string;
  readonly waiting: number;
  readonly dead: number;
  /** `since` of the delivery that has waited the longest. */
  readonly oldest: number | undefined;
}

/** What `tidy` leaves. */
export interface OutboxBounds {
  /** Deliveries that have waited since before this are dead. */
  readonly waitingSince: number;
  /** Of each sink; beyond it the oldest are dead. */
  readonly mostWaiting: number;
  /** Deliveries that died before this are forgotten. */
  readonly deadSince: number;
  readonly mostDead: number;
  /** Events without a delivery from before this are forgotten. */
  readonly eventsSince: number;
  readonly mostEvents: number;
}

export interface Died {
  readonly sink: string;
  readonly events: number;
}

export type Replay =
  /** Of one sink or of all. */
  | { readonly dead: true; readonly sink?: string | undefined }
  /** Events of that time and later that the sink wants, delivered or not. */
  | { readonly sink: string; readonly since: number; readonly wants: (event: OutboxEvent) => boolean };

export interface OutboxStore {
  /** Adds an event with a delivery for each of the sinks; without sinks nothing. */
  add(event: OutboxEvent, sinks: readonly string[], now: number): Promise<void>;
  /** Calls the listener after deliveries were added to wait, by whatever writes to the index. Once: for the deliverer. */
  whenAdded(listener: () => void): void;
  /**
   * The first deliveries of lanes that are due, at most `limit`; the lane that has been due the longest comes first. A lane that would
   * wait for more than `longestWait` is due, too: the clock of the machine was set back. None where another replica has the sink.
   */
  due(sink: string, now: number, limit: number): Promise<readonly Delivery[]>;
  /** When the next lane becomes due that is not due at `now`. */
  nextDue(sink: string, now: number): Promise<number | undefined>;
  /** This process delivers nothing more to the sink: another replica may. */
  leave(sink: string): Promise<void>;
  delivered(delivery: Pick<Delivery, 'sink' | 'number' | 'lane'>, now: number): Promise<void>;
  /** A try did not succeed: the lane waits until `until`. */
  postpone(
    delivery: Pick<Delivery, 'sink' | 'number' | 'lane'>,
    why: { readonly reason: string; readonly isRefusal: boolean },
    until: number,
  ): Promise<void>;
  /** No further try: the delivery is dead, and the lane goes on. */
  bury(delivery: Pick<Delivery, 'sink' | 'number' | 'lane'>, reason: string, now: number): Promise<void>;
  /** In the order of sinks and events. */
  list(filter: DeliveryFilter): Promise<readonly ListedDelivery[]>;
  /** Of each sink that has deliveries. */
  counts(): Promise<readonly OutboxCount[]>;
  /** Makes deliveries wait again, due at once. Gives how many. */
  replay(which: Replay, now: number): Promise<number>;
  /** One slice of at most `limit` changes. `isDone`: nothing is left to do. */
  tidy(
    bounds: OutboxBounds,
    now: number,
    limit: number,
  ): Promise<{ readonly died: readonly Died[]; readonly isDone: boolean }>;
}

/** An event on its way to the outbox that replicas share, with all its deliveries. */
export interface QueuedEvent extends StoredEvent {
  /** In the index. */
  readonly number: number;
  readonly deliveries: readonly QueuedDelivery[];
}

export type QueuedDelivery = Pick<
  ListedDelivery,
  'sink' | 'lane' | 'state' | 'since' | 'tries' | 'refusals' | 'reason'
>;

/** The outbox of the index as what is moved from it sees it. */
export interface OutboxQueue {
  /** The oldest events with deliveries, at most `limit`. */
  queued(limit: number): Promise<readonly QueuedEvent[]>;
  /** They are elsewhere: nothing of them stays here. */
  moved(events: readonly Pick<QueuedEvent, 'number'>[], now: number): Promise<void>;
}

/** ms: no lane is held up for longer (`Retry-After` is obeyed for an hour at most). */
export const longestWait = 3_600_000;

/** `reason` of deliveries that `tidy` has given up. */
export const waitedTooLong = 'it was not delivered in time';
export const tooManyWaited = 'too many events waited for this sink';
