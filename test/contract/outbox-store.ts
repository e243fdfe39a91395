/** What every `OutboxStore` does (`src/cache/index/outbox/outbox-store.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { OutboxEvent } from '../../src/cache/index/outbox/outbox-event.ts';
import {
  type Delivery,
  longestWait,
  type OutboxBounds,
  type OutboxStore,
  tooManyWaited,
  waitedTooLong,
} from '../../src/cache/index/outbox/outbox-store.ts';
import { named } from './index-fixture.ts';

const now = 1_700_000_000_000;
const refusal = { reason: 'HTTP 400', isRefusal: true };
const failure = { reason: 'HTTP 500', isRefusal: false };

const endless: OutboxBounds = {
  waitingSince: 0,
  mostWaiting: 1000,
  deadSince: 0,
  mostDead: 1000,
  eventsSince: 0,
  mostEvents: 1000,
};

/** A push of this tag. */
export function pushOf(image: string, tag: string): OutboxEvent {
  const cause = { actor: 'ci', address: '', host: '', isTls: false, method: 'PUT', userAgent: '' };
  return { kind: 'push', image, tag, digest: named(tag), mediaType: 'm', size: 7, cause };
}

function tagsOf(deliveries: readonly Delivery[]): unknown[] {
  return deliveries.map(({ event }) => 'tag' in event && event.tag);
}

/** Registers the tests. `open` gives an empty store; undefined where it skips the test. */
export function testOutboxStore(open: (t: TestContext) => Promise<OutboxStore | undefined>): void {
  /** A store with pushes to images `a` (tags 1, 2) and `b` (tag 3), for the sinks. */
  async function filled(t: TestContext, sinks: readonly string[] = ['s']): Promise<OutboxStore | undefined> {
    const store = await open(t);
    if (!store) return undefined;
    await store.add(pushOf('a', '1'), sinks, now);
    await store.add(pushOf('a', '2'), sinks, now + 1);
    await store.add(pushOf('b', '3'), sinks, now + 2);
    return store;
  }

  async function first(store: OutboxStore, sink = 's', at = now + 10): Promise<Delivery> {
    const [one] = await store.due(sink, at, 1);
    return one ?? assert.fail('nothing is due');
  }

  const countsOf = async (store: OutboxStore) =>
    (await store.counts()).map(({ sink, waiting, dead }) => [sink, waiting, dead]);

  describe('an outbox', () => {
    it('keeps an event with all that was said of it, for each sink', async (t) => {
      const store = await open(t);
      if (!store) return;
      const event = pushOf('a', '1');
      await store.add(event, ['s', 'other'], now);
      const one = await first(store);
      assert.match(one.id, /^[0-9a-f-]{36}$/);
      assert.deepEqual(one, {
        number: one.number,
        id: one.id,
        at: now,
        event,
        sink: 's',
        lane: 'a',
        since: now,
        tries: 0,
        refusals: 0,
      });
      assert.equal((await first(store, 'other')).id, one.id);
      assert.deepEqual(await store.due('unknown', now, 9), []);
      assert.deepEqual(await store.counts(), [
        { sink: 'other', waiting: 1, dead: 0, oldest: now },
        { sink: 's', waiting: 1, dead: 0, oldest: now },
      ]);
    });

    it('keeps nothing that no sink wants', async (t) => {
      const store = await open(t);
      if (!store) return;
      await store.add(pushOf('a', '1'), [], now);
      assert.deepEqual(await store.counts(), []);
      const all = { sink: 's', since: 0, wants: () => true };
      assert.equal(await store.replay(all, now), 0);
    });

    it('calls the listener after an event was added, when it can be read', async (t) => {
      const store = await open(t);
      if (!store) return;
      const { promise: called, resolve } = Promise.withResolvers<Promise<readonly Delivery[]>>();
      store.whenAdded(() => resolve(store.due('s', now, 9)));
      await store.add(pushOf('a', '1'), ['s'], now);
      assert.deepEqual(tagsOf(await await called), ['1']);
    });

    it('gives the first event of each image, and the next one once that is delivered', async (t) => {
      const store = await filled(t);
      if (!store) return;
      const due = await store.due('s', now + 10, 9);
      assert.deepEqual(tagsOf(due), ['1', '3']);
      for (const one of due) await store.delivered(one, now + 10);
      assert.deepEqual(tagsOf(await store.due('s', now + 10, 9)), ['2']);
      await store.delivered(await first(store), now + 10);
      assert.deepEqual(await store.due('s', now + 99, 9), []);
      assert.deepEqual(await store.counts(), []);
    });

    it('holds up the image of an event that did not arrive, and no other', async (t) => {
      const store = await filled(t);
      if (!store) return;
      await store.postpone(await first(store), failure, now + 500);
      assert.deepEqual(tagsOf(await store.due('s', now + 499, 9)), ['3']);
      assert.equal(await store.nextDue('s', now + 10), now + 500);
      const again = (await store.due('s', now + 500, 9)).find(({ lane }) => lane === 'a')!;
      await store.postpone(again, refusal, now + 900);
      const { tries, refusals } = (await store.due('s', now + 900, 9)).find(({ lane }) => lane === 'a')!;
      assert.deepEqual([tries, refusals], [2, 1]);
      const listed = await store.list({ state: 'waiting', limit: 9 });
      assert.equal(listed[0]?.reason, 'HTTP 400');
      const dueOf = new Map(listed.map((one) => [tagsOf([one])[0], one.due]));
      assert.deepEqual(
        [dueOf.get('1'), dueOf.get('2')],
        [now + 900, undefined],
        'the second waits for the first',
      );
      assert.ok((dueOf.get('3') ?? now + 900) < now + 500, 'of another image');
    });

    it('gives an image that would wait for more than an hour, since the clock was set back', async (t) => {
      const store = await filled(t);
      if (!store) return;
      await store.postpone(await first(store), failure, now + longestWait);
      assert.deepEqual(tagsOf(await store.due('s', now, 9)), []);
      assert.deepEqual(tagsOf(await store.due('s', now - 1, 9)), ['1']);
    });

    it('gives the image that has been due the longest first', async (t) => {
      const store = await filled(t);
      if (!store) return;
      await store.postpone(await first(store), failure, now + 100);
      assert.deepEqual(tagsOf(await store.due('s', now + 100, 9)), ['3', '1']);
    });

    it('does not hold up one sink for another', async (t) => {
      const store = await filled(t, ['s', 'other']);
      if (!store) return;
      await store.postpone(await first(store), failure, now + 500);
      await store.delivered(await first(store, 'other'), now + 10);
      assert.deepEqual(tagsOf(await store.due('other', now + 10, 9)), ['3', '2']);
    });

    it('goes on with the image of an event that is dead, which can be replayed in its place', async (t) => {
      const store = await filled(t);
      if (!store) return;
      await store.bury(await first(store), 'HTTP 400', now + 20);
      assert.deepEqual(tagsOf(await store.due('s', now + 20, 9)), ['3', '2']);
      const [dead] = await store.list({ state: 'dead', limit: 9 });
      assert.deepEqual(
        [dead?.reason, dead?.since, dead?.tries, dead?.due],
        ['HTTP 400', now + 20, 1, undefined],
      );
      assert.deepEqual(await countsOf(store), [['s', 2, 1]]);
      assert.equal(await store.replay({ dead: true, sink: 'other' }, now + 30), 0);
      assert.equal(await store.replay({ dead: true }, now + 30), 1);
      const again = await store.due('s', now + 30, 9);
      assert.deepEqual(tagsOf(again).toSorted(), ['1', '3']);
      const one = again.find(({ lane }) => lane === 'a')!;
      assert.deepEqual([one.id, one.tries, one.refusals, one.since], [dead?.id, 0, 0, now + 30]);
    });

    it('replays what was delivered since a time, if the sink wants it', async (t) => {
      const store = await filled(t);
      if (!store) return;
      for (let one = await store.due('s', now + 10, 1); one[0]; one = await store.due('s', now + 10, 1))
        await store.delivered(one[0], now + 10);
      const wants = (event: OutboxEvent) => 'image' in event && event.image === 'a';
      assert.equal(await store.replay({ sink: 'new', since: now + 1, wants }, now + 50), 1);
      const one = await first(store, 'new', now + 50);
      assert.deepEqual([tagsOf([one]), one.at, one.since], [['2'], now + 1, now + 50]);
      assert.equal(
        await store.replay({ sink: 'new', since: now, wants }, now + 60),
        1,
        'what waits counts not',
      );
      assert.deepEqual(tagsOf(await store.due('new', now + 60, 9)), ['1']);
    });

    it('lists by sink and event, page by page', async (t) => {
      const store = await filled(t, ['s', 'other']);
      if (!store) return;
      const page = await store.list({ state: 'waiting', limit: 4 });
      assert.deepEqual(
        page.map(({ sink }) => sink),
        ['other', 'other', 'other', 's'],
      );
      const rest = await store.list({ state: 'waiting', after: page[3], limit: 9 });
      assert.deepEqual(tagsOf(rest), ['2', '3']);
      assert.deepEqual(tagsOf(await store.list({ state: 'waiting', sink: 's', after: page[3], limit: 1 })), [
        '2',
      ]);
    });

    it('gives up what has waited too long', async (t) => {
      const store = await filled(t);
      if (!store) return;
      await store.postpone(await first(store), failure, now + 500);
      const bounds = { ...endless, waitingSince: now + 2 };
      assert.deepEqual(await store.tidy(bounds, now + 100, 9), {
        died: [{ sink: 's', events: 2 }],
        isDone: true,
      });
      const dead = await store.list({ state: 'dead', limit: 9 });
      assert.deepEqual(
        dead.map(({ reason, since }) => [reason, since]),
        [
          [`${waitedTooLong}: HTTP 500`, now + 100],
          [waitedTooLong, now + 100],
        ],
      );
      assert.deepEqual(tagsOf(await store.due('s', now + 999, 9)), ['3']);
    });

    it('gives up the oldest of too many that wait', async (t) => {
      const store = await filled(t);
      if (!store) return;
      const { died } = await store.tidy({ ...endless, mostWaiting: 1 }, now + 100, 9);
      assert.deepEqual(died, [{ sink: 's', events: 2 }]);
      const dead = await store.list({ state: 'dead', limit: 9 });
      assert.deepEqual([tagsOf(dead), dead[0]?.reason], [['1', '2'], tooManyWaited]);
      assert.deepEqual(tagsOf(await store.due('s', now + 999, 9)), ['3']);
    });

    it('forgets old dead ones, and the oldest of too many', async (t) => {
      const store = await filled(t);
      if (!store) return;
      for (const at of [now + 10, now + 20, now + 30]) await store.bury(await first(store), 'no', at);
      await store.tidy({ ...endless, deadSince: now + 15 }, now + 100, 9);
      assert.equal((await store.list({ state: 'dead', limit: 9 })).length, 2);
      await store.tidy({ ...endless, mostDead: 1 }, now + 100, 9);
      assert.deepEqual(
        (await store.list({ state: 'dead', limit: 9 })).map(({ since }) => since),
        [now + 30],
      );
    });

    it('forgets old events and the oldest of too many, unless a sink still waits for them', async (t) => {
      const store = await filled(t);
      if (!store) return;
      const all = { since: 0, wants: () => true };
      await store.delivered(await first(store), now + 10);
      assert.equal(await store.replay({ sink: 'x', ...all }, now), 3);
      await store.tidy({ ...endless, waitingSince: now + 1, deadSince: now + 1000 }, now + 10, 99);
      await store.tidy({ ...endless, deadSince: now + 1000, mostEvents: 1 }, now + 10, 99);
      assert.equal(await store.replay({ sink: 'y', ...all }, now), 2, 'of the first one nothing waits');
      await store.tidy({ ...endless, eventsSince: now + 1000 }, now + 10, 99);
      assert.equal(await store.replay({ sink: 'z', ...all }, now), 2);
    });

    it('tidies in slices', async (t) => {
      const store = await filled(t);
      if (!store) return;
      const bounds = { ...endless, waitingSince: now + 1000 };
      assert.deepEqual(await store.tidy(bounds, now, 2), { died: [{ sink: 's', events: 2 }], isDone: false });
      assert.deepEqual(await store.tidy(bounds, now, 2), { died: [{ sink: 's', events: 1 }], isDone: true });
    });
  });
}
