import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import type { OutboxStore, QueuedEvent } from '../../../../src/cache/index/outbox/outbox-store.ts';
import { createSqliteOutbox } from '../../../../src/cache/index/outbox/sqlite-outbox.ts';
import { createSharedOutbox } from '../../../../src/cache/shared/shared-outbox.ts';
import { Unavailable } from '../../../../src/cache/shared/unavailable.ts';
import { type Clock, systemClock } from '../../../../src/lib/clock.ts';
import { pushOf, testOutboxStore } from '../../../contract/outbox-store.ts';
import { createManualClock } from '../../../support/clock.ts';
import { eventually } from '../../../support/eventually.ts';
import { createMemoryOutbox } from '../../../support/memory-outbox.ts';

const now = 1_700_000_000_000;

interface Network {
  isGone: boolean;
  /** Calls that do not come back. */
  isFrozen: boolean;
  /** Answers that get lost after the work was done. */
  loses: number;
  /** Ids of events that the database refuses for their values. */
  readonly refuses: Set<string>;
}

/** An outbox whose shared part is in memory, behind a network. */
function open(t: TestContext, clock: Clock = systemClock) {
  const { index } = openIndex(':memory:', 0);
  const local = createSqliteOutbox(index);
  const network: Network = { isGone: false, isFrozen: false, loses: 0, refuses: new Set() };
  const kept = createMemoryOutbox();
  const known = new Set<string>();
  const target = {
    ...kept,
    async take(events: readonly QueuedEvent[]) {
      const refused = events.find(({ id }) => network.refuses.has(id));
      if (refused) throw Object.assign(new Error('invalid byte sequence'), { code: '22021' });
      for (const { id, at, event, deliveries } of events) {
        if (known.has(id)) continue;
        known.add(id);
        await kept.add(
          event,
          deliveries.map(({ sink }) => sink),
          at,
        );
      }
    },
  };
  const shared = new Proxy(target, {
    get(all, name) {
      const method = Reflect.get(all, name) as (...given: unknown[]) => Promise<unknown>;
      return async (...given: unknown[]) => {
        if (network.isGone) throw new Unavailable('it is gone');
        if (network.isFrozen) return new Promise(() => {});
        const result = await method(...given);
        if (network.loses-- > 0) throw new Unavailable('its answer is lost');
        return result;
      };
    },
  });
  let ring = () => {};
  const lines: Record<string, unknown>[] = [];
  const write = (line: Record<string, unknown>) => void lines.push(line);
  const made = createSharedOutbox({
    local,
    queue: local,
    shared,
    listen(onChange) {
      ring = onChange;
      return () => {};
    },
    clock,
    log: { info: write, warn: write, error: write },
  });
  t.after(async () => {
    network.isFrozen = false;
    await made.stop();
    index.close();
  });
  const isEmpty = async () => (await local.queued(1)).length === 0;
  return {
    ...made,
    local,
    kept,
    network,
    lines,
    back() {
      network.isGone = false;
      ring();
    },
    moved: () => eventually('all is moved', isEmpty),
  };
}

testOutboxStore(async (t) => {
  const { outbox, moved } = open(t);
  const whole: OutboxStore = {
    ...outbox,
    async add(...event) {
      await outbox.add(...event);
      await moved();
    },
  };
  return whole;
});

describe('the outbox of a cluster', () => {
  it('keeps events while PostgreSQL is gone, and moves each of them once and in order', async (t) => {
    const after: Clock['after'] = (ms, run) => systemClock.after(ms / 50, run);
    const { outbox, network, kept, back, moved, local } = open(t, { ...systemClock, after });
    network.isGone = true;
    for (let n = 0; n < 250; n += 1) await outbox.add(pushOf('a', `${n}`), ['s'], now + n);
    assert.deepEqual(await outbox.due('s', now + 999, 9), []);
    assert.equal(await outbox.nextDue('s', now), undefined);
    assert.deepEqual(await outbox.counts(), [{ sink: 's', waiting: 250, dead: 0, oldest: now }]);
    await assert.rejects(outbox.list({ state: 'waiting', limit: 9 }), { code: 'FACTS_UNAVAILABLE' });
    await assert.rejects(outbox.replay({ dead: true }, now), { code: 'FACTS_UNAVAILABLE' });
    network.loses = 2;
    back();
    await moved();
    const shared = await kept.list({ state: 'waiting', limit: 999 });
    assert.deepEqual(
      shared.map(({ event }) => 'tag' in event && event.tag),
      Array.from({ length: 250 }, (_, n) => `${n}`),
    );
    assert.deepEqual(await local.counts(), []);
  });

  it('writes what a sink has said once PostgreSQL answers, before it gives more', async (t) => {
    const { outbox, network, moved, back } = open(t);
    for (const image of ['a', 'b', 'c']) await outbox.add(pushOf(image, '1'), ['s'], now);
    await moved();
    const [a, b, c] = await outbox.due('s', now, 9);
    assert.ok(a && b && c);
    network.isGone = true;
    await outbox.delivered(a, now);
    await outbox.bury(b, 'HTTP 400', now);
    await outbox.postpone(c, { reason: 'HTTP 503', isRefusal: false }, now + 500);
    back();
    assert.deepEqual(await outbox.due('s', now, 9), []);
    assert.deepEqual(
      (await outbox.list({ state: 'dead', limit: 9 })).map(({ id, reason }) => [id, reason]),
      [[b.id, 'HTTP 400']],
    );
    assert.deepEqual(
      (await outbox.due('s', now + 500, 9)).map(({ id, tries }) => [id, tries]),
      [[c.id, 1]],
    );
  });

  it('goes on without an event that the database does not take', async (t) => {
    const { outbox, network, kept, lines, back, moved, local } = open(t);
    network.isGone = true;
    for (const tag of ['1', '2', '3']) await outbox.add(pushOf('a', tag), ['s'], now);
    const [, bad] = await local.queued(9);
    network.refuses.add(bad?.id ?? '');
    back();
    await moved();
    const shared = await kept.list({ state: 'waiting', limit: 9 });
    assert.deepEqual(
      shared.map(({ event }) => 'tag' in event && event.tag),
      ['1', '3'],
    );
    assert.deepEqual(
      lines.map(({ event, id }) => [event, id]),
      [['events.notMoved', bad?.id]],
    );
  });

  it('holds up no stop for a server that is frozen', async (t) => {
    const clock = createManualClock();
    const { outbox, network, stop, moved } = open(t, clock);
    await outbox.add(pushOf('a', '1'), ['s'], now);
    await moved();
    network.isFrozen = true;
    await outbox.add(pushOf('a', '2'), ['s'], now);
    const due = outbox.due('s', now, 9);
    const left = outbox.leave('s');
    await clock.advance(5000);
    assert.deepEqual(await due, []);
    await left;
    await stop();
  });
});
