import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import { laneOf, type OutboxEvent } from '../../src/cache/index/outbox/outbox-event.ts';
import type { OutboxStore, QueuedEvent } from '../../src/cache/index/outbox/outbox-store.ts';
import type { Postgres } from '../../src/cache/shared/postgres/connection.ts';
import {
  createPostgresOutbox,
  type SharedOutboxStore,
} from '../../src/cache/shared/postgres/outbox/postgres-outbox.ts';
import { createSinkLeases } from '../../src/cache/shared/postgres/outbox/sink-leases.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { pushOf, testOutboxStore } from '../contract/outbox-store.ts';
import { createManualClock } from '../support/clock.ts';
import { postgresDatabases } from '../support/postgres-database.ts';

const database = postgresDatabases();
const now = 1_700_000_000_000;

function queued(
  event: OutboxEvent,
  sinks: readonly string[],
  at: number,
  id: string = randomUUID(),
): QueuedEvent {
  const delivery = { lane: laneOf(event), state: 'waiting', since: at, tries: 0, refusals: 0 } as const;
  const deliveries = sinks.map((sink) => ({ sink, ...delivery, reason: undefined }));
  return { number: 0, id, at, event, deliveries };
}

interface Sender extends SharedOutboxStore {
  readonly lines: readonly Record<string, unknown>[];
}

function sender(t: TestContext, postgres: Postgres, clock = systemClock): Sender {
  const leases = createSinkLeases(postgres, clock, randomUUID());
  t.after(() => leases.stop());
  const lines: Record<string, unknown>[] = [];
  const log = { warn: (line: Record<string, unknown>) => void lines.push(line) };
  return { ...createPostgresOutbox(postgres, leases, log), lines };
}

testOutboxStore(async (t) => {
  const postgres = await database(t);
  if (!postgres) return undefined;
  const store = sender(t, postgres);
  let added = () => {};
  const whole: OutboxStore = {
    ...store,
    async add(event, sinks, at) {
      if (sinks.length === 0) return;
      await store.take([queued(event, sinks, at)]);
      queueMicrotask(added);
    },
    whenAdded(listener) {
      added = listener;
    },
  };
  return whole;
});

describe('an outbox in PostgreSQL', () => {
  it('takes an event once, whatever answer was lost, and in the order of its sender', async (t) => {
    const postgres = await database(t);
    if (!postgres) return;
    const store = sender(t, postgres);
    const events = Array.from({ length: 60 }, (_, n) => queued(pushOf('a', `${n}`), ['s'], now + n));
    await store.take(events.slice(0, 40));
    await store.take(events);
    for (const { id } of events) {
      const [one, ...more] = await store.due('s', now + 99, 9);
      assert.deepEqual([one?.id, more.length], [id, 0]);
      await store.delivered(one!, now + 99);
    }
    await store.take(events);
    assert.deepEqual(await store.counts(), []);
  });

  it('keeps what is known of an event that has been tried, or is dead', async (t) => {
    const postgres = await database(t);
    if (!postgres) return;
    const store = sender(t, postgres);
    const [
      {
        deliveries: [delivery],
      } = assert.fail(),
      event,
    ] = [queued(pushOf('a', '1'), ['s'], now), queued(pushOf('b', '2'), ['s'], now)];
    const dead = { ...delivery!, state: 'dead', tries: 3, refusals: 3, reason: 'HTTP 400\0\ud800' } as const;
    await store.take([{ ...event, deliveries: [dead] }]);
    assert.deepEqual(await store.due('s', now, 9), []);
    const [one] = await store.list({ state: 'dead', limit: 9 });
    assert.deepEqual([one?.tries, one?.refusals, one?.reason], [3, 3, 'HTTP 400\u{fffd}\u{fffd}']);
    assert.equal(await store.replay({ dead: true }, now), 1);
    assert.equal((await store.due('s', now, 9)).length, 1);
  });

  it('leaves out rows that are no events, and goes on with those after them', async (t) => {
    const postgres = await database(t);
    if (!postgres) return;
    const store = sender(t, postgres);
    const bad = [
      'no JSON',
      'null',
      '{}',
      '{"kind":"kind of the future"}',
      JSON.stringify({ ...pushOf('a', '1'), digest: 'sha256:zz' }),
      JSON.stringify({ ...pushOf('a', '1'), cause: 'somebody' }),
      JSON.stringify({ ...pushOf('a', '1'), image: 'x'.repeat(10_000) }),
    ];
    await store.take([
      ...bad.map(() => queued(pushOf('a', '1'), ['s'], now)),
      queued(pushOf('a', '2'), ['s'], now),
    ]);
    for (const [at, text] of bad.entries())
      await postgres.query(
        'update outbox_events set event = $1 where number = (select min(number) + $2 from outbox_events)',
        [text, at],
      );
    assert.equal((await store.list({ state: 'waiting', limit: 99 })).length, 1);
    const due = await store.due('s', now, 9);
    assert.deepEqual(
      due.map(({ event }) => event),
      [pushOf('a', '2')],
    );
    assert.equal(store.lines.filter(({ event }) => event === 'events.rowIgnored').length, bad.length);
    assert.equal(await store.replay({ sink: 'x', since: 0, wants: () => true }, now), 1);
  });

  it('gives a sink to one replica, until that leaves it', async (t) => {
    const postgres = await database(t);
    if (!postgres) return;
    const [one, other] = [sender(t, postgres), sender(t, postgres)];
    await one.take([queued(pushOf('a', '1'), ['s', 'x'], now)]);
    const both = await Promise.all([one.due('s', now, 9), other.due('s', now, 9)]);
    assert.deepEqual(both.map(({ length }) => length).toSorted(), [0, 1]);
    const [mine, its] = both[0].length > 0 ? [one, other] : [other, one];
    assert.equal((await its.due('x', now, 9)).length, 1, 'another sink is free');
    await its.leave('s');
    assert.equal((await its.due('s', now, 9)).length, 0, 'it was not its own');
    await mine.leave('s');
    assert.equal((await its.due('s', now, 9)).length, 1);
    assert.equal((await mine.due('s', now, 9)).length, 0);
  });

  it('takes a sink from a replica that is gone, and not from one that has nothing to send', async (t) => {
    const postgres = await database(t);
    if (!postgres) return;
    const clock = createManualClock();
    const [one, other] = [sender(t, postgres, clock), sender(t, postgres)];
    const age = (seconds: number) =>
      postgres.query(`update outbox_senders set expires = expires - interval '${seconds} s'`);
    await one.take([queued(pushOf('a', '1'), ['s'], now)]);
    assert.equal((await one.due('s', now, 9)).length, 1);
    await age(44);
    await clock.advance(15_000);
    await other.leave('no sink of it');
    await age(44);
    assert.equal((await other.due('s', now, 9)).length, 0, 'it was renewed');
    await age(2);
    assert.equal((await other.due('s', now, 9)).length, 1);
    await clock.advance(15_000);
    await other.leave('no sink of it');
    assert.equal((await one.due('s', now, 9)).length, 0, 'what it had it has not any more');
  });

  it('loses no event while some are added, delivered, given up and replayed at once', async (t) => {
    const postgres = await database(t);
    if (!postgres) return;
    const store = sender(t, postgres);
    const images = ['a', 'b', 'c'];
    const sinks = ['s', 'x'];
    const count = 60;
    let isOver = false;
    const got = new Map(sinks.map((sink) => [sink, new Set<string>()]));
    const adding = async (writer: number) => {
      for (let n = 0; n < count; n += 1)
        await store.take([queued(pushOf(images[n % 3]!, `${writer} ${n}`), sinks, now)]);
    };
    const sending = async (sink: string) => {
      for (;;) {
        const last = isOver;
        const due = await store.due(sink, now, 4);
        for (const [at, one] of due.entries()) {
          const isDead = at % 2 === 1 && !last;
          if (isDead) await store.bury(one, 'no', now);
          else await store.delivered(one, now);
          if (!isDead) got.get(sink)?.add(one.id);
        }
        await store.replay({ dead: true, sink }, now);
        if (last && due.length === 0) return;
      }
    };
    const bounds = {
      waitingSince: 0,
      mostWaiting: 1e6,
      deadSince: 0,
      mostDead: 1e6,
      eventsSince: 0,
      mostEvents: 1e6,
    };
    const tidying = async () => {
      while (!isOver) await store.tidy(bounds, now, 100);
    };
    const all = Promise.all([...sinks.map(sending), tidying()]);
    await Promise.all([adding(0), adding(1), adding(2)]);
    isOver = true;
    await all;
    assert.deepEqual(
      [...got.values()].map(({ size }) => size),
      [3 * count, 3 * count],
    );
    assert.deepEqual(await postgres.query('select lane from outbox_lanes where waiting <> 0'), []);
  });
});
