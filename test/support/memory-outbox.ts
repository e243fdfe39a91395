/** An outbox over plain lists: it looks at everything each time. For tests that need no file. */
import { randomUUID } from 'node:crypto';
import { laneOf, type StoredEvent } from '../../src/cache/index/outbox/outbox-event.ts';
import {
  type Delivery,
  type DeliveryState,
  type Died,
  longestWait,
  type OutboxStore,
  tooManyWaited,
  waitedTooLong,
} from '../../src/cache/index/outbox/outbox-store.ts';

interface Kept extends StoredEvent {
  readonly number: number;
}
type Row = { -readonly [K in keyof Delivery]: Delivery[K] } & {
  state: DeliveryState;
  reason: string | undefined;
  notBefore: number;
};

/** Every promise resolves at once. */
export function createMemoryOutbox(): OutboxStore {
  let events: Kept[] = [];
  let rows: Row[] = [];
  let lastNumber = 0;
  let added = () => {};

  const byOrder = (a: Row, b: Row) => (a.sink === b.sink ? a.number - b.number : a.sink < b.sink ? -1 : 1);
  const ofState = (state: DeliveryState) => rows.filter((row) => row.state === state).toSorted(byOrder);
  const sinks = () => [...new Set(rows.map(({ sink }) => sink))].toSorted();
  const find = ({ sink, number }: Pick<Delivery, 'sink' | 'number'>) =>
    rows.find((row) => row.sink === sink && row.number === number) ?? ({} as Row);
  const asDelivery = ({ state: _state, reason: _reason, notBefore: _due, ...row }: Row): Delivery => row;
  /** The first that waits in each lane of the sink. */
  const heads = (sink: string) =>
    [
      ...Map.groupBy(
        ofState('waiting').filter((row) => row.sink === sink),
        ({ lane }) => lane,
      ).values(),
    ].flatMap(([head]) => head ?? []);

  function advance({ sink, lane }: Pick<Delivery, 'sink' | 'lane'>, now: number): void {
    const head = heads(sink).find((row) => row.lane === lane);
    if (head) head.notBefore = now;
  }

  function wait(event: Kept, sink: string, now: number): number {
    const known = rows.find((row) => row.sink === sink && row.number === event.number);
    if (known?.state === 'waiting') return 0;
    const lane = laneOf(event.event);
    const notBefore = heads(sink).find((row) => row.lane === lane)?.notBefore ?? now;
    const fresh = { state: 'waiting', since: now, tries: 0, refusals: 0, notBefore } as const;
    if (known) Object.assign(known, fresh);
    else rows.push({ ...event, sink, lane, reason: undefined, ...fresh });
    return 1;
  }

  function die(row: Row, reason: string, now: number): void {
    Object.assign(row, { state: 'dead', since: now, reason });
    advance(row, now);
  }

  return {
    async add(event, wanting, now) {
      if (wanting.length === 0) return;
      lastNumber += 1;
      const kept = { id: randomUUID(), at: now, event, number: lastNumber };
      events.push(kept);
      for (const sink of wanting) wait(kept, sink, now);
      queueMicrotask(added);
    },
    whenAdded(listener) {
      added = listener;
    },
    async due(sink, now, limit) {
      const due = heads(sink).filter(({ notBefore }) => notBefore <= now || notBefore > now + longestWait);
      const order = (a: Row, b: Row) => a.notBefore - b.notBefore || (a.lane < b.lane ? -1 : 1);
      return due.toSorted(order).slice(0, limit).map(asDelivery);
    },
    async nextDue(sink, now) {
      const times = heads(sink).map(({ notBefore }) => notBefore);
      return times.filter((time) => time > now).toSorted((a, b) => a - b)[0];
    },
    leave: async () => {},
    async delivered(delivery, now) {
      const row = find(delivery);
      rows = rows.filter((one) => one !== row || one.state !== 'waiting');
      advance(delivery, now);
    },
    async postpone(delivery, { reason, isRefusal }, until) {
      const row = find(delivery);
      const { tries, refusals } = row;
      Object.assign(row, { reason, tries: tries + 1, refusals: refusals + (isRefusal ? 1 : 0) });
      advance(delivery, until);
    },
    async bury(delivery, reason, now) {
      const row = find(delivery);
      row.tries += 1;
      die(row, reason, now);
    },
    async list({ sink, state, after, limit }) {
      const wanted = ofState(state).filter(
        (row) => row.sink === (sink ?? row.sink) && (!after || byOrder(row, after as Row) > 0),
      );
      return wanted.slice(0, limit).map((row) => {
        const due = heads(row.sink).includes(row) ? row.notBefore : undefined;
        return { ...asDelivery(row), state, reason: row.reason, due };
      });
    },
    async counts() {
      return sinks().map((sink) => {
        const waiting = ofState('waiting').filter((row) => row.sink === sink);
        const dead = ofState('dead').filter((row) => row.sink === sink).length;
        const oldest = waiting.map(({ since }) => since).toSorted((a, b) => a - b)[0];
        return { sink, waiting: waiting.length, dead, oldest };
      });
    },
    async replay(which, now) {
      const chosen =
        'dead' in which
          ? ofState('dead').filter(({ sink }) => sink === (which.sink ?? sink))
          : events
              .filter(({ at, event }) => at >= which.since && which.wants(event))
              .map((event) => ({ ...event, sink: which.sink }));
      let count = 0;
      for (const { number, sink } of chosen) {
        const event = events.find((one) => one.number === number);
        if (event) count += wait(event, sink, now);
      }
      if (count > 0) queueMicrotask(added);
      return count;
    },
    async tidy(bounds, now, limit) {
      const died: Died[] = [];
      let left = limit;
      const bySince = (a: Row, b: Row) => a.since - b.since || a.number - b.number;
      for (const sink of sinks()) {
        const waiting = ofState('waiting')
          .filter((row) => row.sink === sink)
          .toSorted(bySince);
        const aged = waiting.filter(({ since }) => since < bounds.waitingSince);
        const excess = waiting.slice(aged.length, Math.max(aged.length, waiting.length - bounds.mostWaiting));
        const late = aged.slice(0, left);
        for (const row of late) die(row, row.reason ? `${waitedTooLong}: ${row.reason}` : waitedTooLong, now);
        left -= late.length;
        const beyond = excess.slice(0, left);
        for (const row of beyond)
          die(row, row.reason ? `${tooManyWaited}: ${row.reason}` : tooManyWaited, now);
        left -= beyond.length;
        const all = late.length + beyond.length;
        if (all > 0) died.push({ sink, events: all });
        const dead = ofState('dead')
          .filter((row) => row.sink === sink)
          .toSorted(bySince);
        const old = dead.filter(({ since }) => since < bounds.deadSince).length;
        const going = dead.slice(0, Math.min(left, Math.max(old, dead.length - bounds.mostDead)));
        rows = rows.filter((row) => !going.includes(row));
        left -= going.length;
      }
      const isOld = ({ at, number }: Kept) =>
        at < bounds.eventsSince ||
        events.filter((other) => other.number > number).length >= bounds.mostEvents;
      const free = events.filter((one) => isOld(one) && !rows.some(({ number }) => number === one.number));
      const going = free.slice(0, left);
      events = events.filter((one) => !going.includes(one));
      return { died, isDone: left - going.length > 0 };
    },
  };
}
