/** The outbox in SQLite. Each method runs in one turn; the writes of several statements are transactions. */
import { randomUUID } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { createDeliveryLists, type DeliveryLists } from './delivery-lists.ts';
import { asDelivery, type DeliveryRow, deliveryColumns } from './delivery-row.ts';
import { createOutboxCut, type OutboxCut } from './outbox-cut.ts';
import { laneOf, type OutboxEvent } from './outbox-event.ts';
import { type Delivery, longestWait } from './outbox-store.ts';
import { createQueueRows, type QueueRows } from './queue-rows.ts';

type Key = Pick<Delivery, 'sink' | 'number' | 'lane'>;

export interface OutboxRows extends DeliveryLists, OutboxCut, QueueRows {
  addEvent(event: OutboxEvent, sinks: readonly string[], now: number): void;
  dueDeliveries(sink: string, now: number, limit: number): Delivery[];
  nextLaneDue(sink: string, now: number): number | undefined;
  endDelivery(delivery: Key, now: number): void;
  postponeDelivery(delivery: Key, reason: string, isRefusal: boolean, until: number): void;
  buryDelivery(delivery: Key, reason: string, now: number): void;
  /** One slice of the dead ones of a sink. */
  replayDead(sink: string, now: number, limit: number): number;
  /** Makes deliveries of these events wait, unless they wait already. */
  replayEvents(sink: string, events: readonly { number: number; lane: string }[], now: number): number;
}

/** Every method throws what SQLite throws. */
export function createOutboxRows(db: Database): OutboxRows {
  const insertEvent = db
    .prepare<[string, number, string], number>(
      'INSERT INTO outbox_events (id, at, event) VALUES (?, ?, ?) RETURNING number',
    )
    .pluck();
  const insert = db.prepare<[string, number, string, number]>(`
    INSERT INTO outbox_deliveries (sink, event, lane, state, since) VALUES (?, ?, ?, 'waiting', ?)
    ON CONFLICT DO UPDATE SET state = 'waiting', since = excluded.since, tries = 0, refusals = 0 WHERE state <> 'waiting'`);
  const openLane = db.prepare<[string, string, number]>(
    'INSERT INTO outbox_lanes (sink, lane, not_before) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const dueLanes = db
    .prepare<[string, number, number], string>(
      'SELECT lane FROM outbox_lanes WHERE sink = ? AND not_before <= ? ORDER BY not_before, lane LIMIT ?',
    )
    .pluck();
  const farLanes = db
    .prepare<[string, number, number], string>(
      'SELECT lane FROM outbox_lanes WHERE sink = ? AND not_before > ? ORDER BY not_before, lane LIMIT ?',
    )
    .pluck();
  const first = db.prepare<[string, string], DeliveryRow>(`
    SELECT ${deliveryColumns} FROM outbox_deliveries d JOIN outbox_events e ON e.number = d.event
    WHERE d.sink = ? AND d.lane = ? AND d.state = 'waiting' ORDER BY d.event LIMIT 1`);
  const next = db
    .prepare<[string, number], number>(
      'SELECT not_before FROM outbox_lanes WHERE sink = ? AND not_before > ? ORDER BY not_before LIMIT 1',
    )
    .pluck();
  const remove = db.prepare<[string, number]>(
    "DELETE FROM outbox_deliveries WHERE sink = ? AND event = ? AND state = 'waiting'",
  );
  const failed = db.prepare<[string, 0 | 1, string, number]>(
    'UPDATE outbox_deliveries SET reason = ?, tries = tries + 1, refusals = refusals + ? WHERE sink = ? AND event = ?',
  );
  const die = db.prepare<[number, string, string, number]>(`
    UPDATE outbox_deliveries SET state = 'dead', since = ?, reason = ?, tries = tries + 1
    WHERE sink = ? AND event = ? AND state = 'waiting'`);
  const holdLane = db.prepare<[number, string, string]>(
    'UPDATE outbox_lanes SET not_before = ? WHERE sink = ? AND lane = ?',
  );
  const closeLane = db.prepare<[string, string]>('DELETE FROM outbox_lanes WHERE sink = ? AND lane = ?');
  const hasWaiting = db
    .prepare<[string, string], number>(
      "SELECT EXISTS (SELECT 1 FROM outbox_deliveries WHERE sink = ? AND lane = ? AND state = 'waiting')",
    )
    .pluck();
  const dead = db.prepare<[string, number], { number: number; lane: string }>(
    "SELECT event AS number, lane FROM outbox_deliveries WHERE state = 'dead' AND sink = ? ORDER BY event LIMIT ?",
  );

  /** The first delivery of the lane is over: the next one is due, or the lane is empty. */
  function advance(sink: string, lane: string, now: number): void {
    if (hasWaiting.get(sink, lane) === 1) holdLane.run(now, sink, lane);
    else closeLane.run(sink, lane);
  }

  function wait(sink: string, number: number, lane: string, now: number): number {
    const { changes } = insert.run(sink, number, lane, now);
    openLane.run(sink, lane, now);
    return changes;
  }

  const replayEvents = db.transaction(
    (sink: string, events: readonly { number: number; lane: string }[], now: number) =>
      events.reduce((sum, { number, lane }) => sum + wait(sink, number, lane, now), 0),
  );

  return {
    ...createDeliveryLists(db),
    ...createOutboxCut(db, advance),
    ...createQueueRows(db, advance),
    addEvent: db.transaction((event: OutboxEvent, sinks: readonly string[], now: number) => {
      const number = insertEvent.get(randomUUID(), now, JSON.stringify(event)) ?? 0;
      for (const sink of sinks) wait(sink, number, laneOf(event), now);
    }),
    dueDeliveries(sink, now, limit) {
      const due = dueLanes.all(sink, now, limit);
      const far = due.length < limit ? farLanes.all(sink, now + longestWait, limit - due.length) : [];
      return [...due, ...far].flatMap((lane) => {
        const row = first.get(sink, lane);
        return row ? [asDelivery(row)] : [];
      });
    },
    nextLaneDue: (sink, now) => next.get(sink, now),
    endDelivery: db.transaction(({ sink, number, lane }: Key, now: number) => {
      remove.run(sink, number);
      advance(sink, lane, now);
    }),
    postponeDelivery: db.transaction(
      ({ sink, number, lane }: Key, reason: string, isRefusal: boolean, until: number) => {
        failed.run(reason, isRefusal ? 1 : 0, sink, number);
        holdLane.run(until, sink, lane);
      },
    ),
    buryDelivery: db.transaction(({ sink, number, lane }: Key, reason: string, now: number) => {
      die.run(now, reason, sink, number);
      advance(sink, lane, now);
    }),
    replayDead: (sink, now, limit) => replayEvents(sink, dead.all(sink, limit), now),
    replayEvents,
  };
}
