/** What becomes of events: order, retries, and what is given up. The store is in memory, and each answer of a sink is scripted. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { OutboxEvent, StoredEvent } from '../../../../src/cache/index/outbox/outbox-event.ts';
import type { EventSink } from '../../../../src/config/event-sink.ts';
import { createDeliverer } from '../../../../src/replication/outbox/deliverer.ts';
import type { Sent } from '../../../../src/replication/outbox/send-event.ts';
import { createSinks } from '../../../../src/replication/outbox/sinks.ts';
import { named } from '../../../contract/index-fixture.ts';
import { createManualClock } from '../../../support/clock.ts';
import { createMemoryOutbox } from '../../../support/memory-outbox.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const cause = { actor: 'ci', address: '', host: '', isTls: false, method: 'PUT', userAgent: '' };

function sink(name: string): EventSink {
  const url = `https://${name}.test`;
  return {
    name,
    url,
    format: 'cloudevents',
    on: ['push'],
    match: '**',
    timeout: second,
    secretFile: undefined,
  };
}

function pushOf(image: string, tag: string): OutboxEvent {
  return { kind: 'push', image, tag, digest: named(tag), mediaType: 'm', size: 1, cause };
}

const failed = (more: Partial<Extract<Sent, { kind: 'failed' }>> = {}): Sent => ({
  kind: 'failed',
  reason: 'HTTP 500',
  isAnswered: true,
  ...more,
});
const silent = failed({ reason: 'connection refused', isAnswered: false });
const delivered: Sent = { kind: 'delivered' };

interface Try {
  readonly sink: string;
  /** `image:tag`. */
  readonly about: string;
  readonly id: string;
  /** ms since the start. */
  readonly at: number;
}

/** A deliverer of sinks that answer what `answer` says. The wait before a retry is the longest one that chance allows. */
async function start(t: TestContext, names: readonly string[] = ['s'], store = createMemoryOutbox()) {
  const clock = createManualClock();
  const began = clock.now();
  const sinks = createSinks(names.map(sink));
  const tries: Try[] = [];
  const outcomes: string[] = [];
  const log: Record<string, unknown>[] = [];
  const write = (fields: Record<string, unknown>) => void log.push(fields);
  const state = { answer: (_one: Try, _signal: AbortSignal): Sent | Promise<Sent> => delivered };
  const deliverer = createDeliverer({
    store,
    sinks,
    clock,
    random: () => 1,
    log: { debug: write, warn: write, error: write },
    tried: (name, outcome, events = 1) => void outcomes.push(`${name} ${outcome} ${events}`),
    async send({ name }, { id, event }: StoredEvent, signal) {
      const about = 'tag' in event ? `${event.image}:${event.tag}` : event.kind;
      const one = { sink: name, about, id, at: clock.now() - began };
      tries.push(one);
      return state.answer(one, signal);
    },
  });
  t.after(() => deliverer.stop());
  deliverer.start();
  await clock.advance(0);
  return {
    clock,
    store,
    sinks,
    deliverer,
    tries,
    outcomes,
    log,
    abouts: () => tries.map(({ about }) => about),
    answer(next: (typeof state)['answer']) {
      state.answer = next;
    },
    async push(image: string, ...tags: readonly string[]) {
      for (const tag of tags) {
        const event = pushOf(image, tag);
        await store.add(event, sinks.wantedBy('push', [image]), clock.now());
      }
      await clock.advance(0);
    },
  };
}

describe('deliveries', () => {
  it('are made at once, and in order for each image', async (t) => {
    const { push, clock, abouts, store } = await start(t);
    await push('a', '1', '2', '3');
    await push('b', '4');
    await clock.advance(1);
    assert.deepEqual(
      abouts().filter((about) => about.startsWith('a')),
      ['a:1', 'a:2', 'a:3'],
    );
    assert.ok(abouts().includes('b:4'));
    assert.deepEqual(await store.counts(), []);
  });

  it('are not made twice by a store that answers late what was due before', async (t) => {
    const store = createMemoryOutbox();
    const late: (() => void)[] = [];
    let isSlow = false;
    const slow: typeof store = {
      ...store,
      async due(...asked) {
        const due = await store.due(...asked);
        if (isSlow) await new Promise<void>((resolve) => void late.push(resolve));
        return due;
      },
    };
    const { push, clock, abouts, answer } = await start(t, ['s'], slow);
    const answers: (() => void)[] = [];
    answer(
      (_, signal) =>
        new Promise((resolve) => {
          answers.push(() => resolve(delivered));
          signal.addEventListener('abort', () => resolve(silent));
        }),
    );
    await push('a', '1');
    isSlow = true;
    await push('b', '1');
    assert.deepEqual([abouts(), late.length], [['a:1'], 1]);
    answers.shift()?.();
    await clock.advance(1);
    isSlow = false;
    late.shift()?.();
    await clock.advance(1);
    assert.deepEqual(abouts(), ['a:1', 'b:1']);
  });

  it('are tried again after 1 s, 2 s, 4 s and so on, five minutes at most, with the same id', async (t) => {
    const { push, clock, tries, answer } = await start(t);
    answer(() => failed());
    await push('a', '1');
    await clock.advance(30 * minute);
    const waits = tries.slice(1).map(({ at }, index) => (at - tries[index]!.at) / second);
    assert.deepEqual(waits.slice(0, 12), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    assert.equal(new Set(tries.map(({ id }) => id)).size, 1);
  });

  it('of one image that is stuck hold up no other image', async (t) => {
    const { push, clock, abouts, answer } = await start(t);
    answer(({ about }) => (about.startsWith('a') ? failed() : delivered));
    await push('a', '1', '2');
    await push('b', '1', '2');
    await clock.advance(minute);
    assert.deepEqual(
      abouts().filter((about) => about.startsWith('b')),
      ['b:1', 'b:2'],
    );
    assert.ok(!abouts().includes('a:2'));
    answer(() => delivered);
    await clock.advance(5 * minute);
    assert.equal(abouts().at(-1), 'a:2');
  });

  it('that get no answer for some images hold up no other one either', async (t) => {
    const { push, clock, abouts, answer } = await start(t);
    answer(({ about }) => (about.startsWith('a') ? silent : delivered));
    await push('a', '1');
    await clock.advance(10 * minute);
    await push('b', '1');
    await clock.advance(0);
    assert.equal(abouts().at(-1), 'b:1');
  });

  it('to a sink that hangs are a few at once, and other sinks get theirs', async (t) => {
    const { push, clock, tries, answer } = await start(t, ['s', 'other']);
    const hanging = Promise.withResolvers<Sent>();
    answer((one) => (one.sink === 's' ? hanging.promise : delivered));
    for (let image = 0; image < 20; image += 1) await push(`i${image}`, '1');
    await clock.advance(hour);
    assert.equal(tries.filter((one) => one.sink === 's').length, 4);
    assert.equal(tries.filter((one) => one.sink === 'other').length, 20);
    hanging.resolve(silent);
    await clock.advance(0);
  });

  it('to a sink that is away for long are few, and memory and order stay', async (t) => {
    const { push, clock, tries, answer, store } = await start(t);
    answer(() => silent);
    for (let image = 0; image < 100; image += 1) await push(`i${image}`, '1', '2');
    await clock.advance(hour);
    assert.ok(tries.length < 600, `${tries.length} tries in an hour`);
    assert.equal((await store.counts())[0]?.waiting, 200);
    const before = tries.length;
    answer(() => delivered);
    await clock.advance(10 * minute);
    const after = tries.slice(before).map(({ about }) => about);
    assert.equal(after.length, 200);
    for (let image = 0; image < 100; image += 1)
      assert.ok(after.indexOf(`i${image}:1`) < after.indexOf(`i${image}:2`));
  });

  it('wait as long as Retry-After says, all of this sink, but not longer than an hour', async (t) => {
    const { push, clock, tries, answer } = await start(t);
    answer(() => failed({ retryAfter: 10 * minute }));
    await push('a', '1');
    await push('b', '1');
    await clock.advance(10 * minute - 1);
    assert.equal(tries.length, 1);
    answer(() => failed({ retryAfter: 100 * hour }));
    await clock.advance(1);
    const before = tries.length;
    answer(() => delivered);
    await clock.advance(hour - 1);
    assert.equal(tries.length, before);
    await clock.advance(5 * minute);
    assert.ok(tries.length > before);
  });

  it('that are refused three times are dead, and the next event of the image goes out', async (t) => {
    const { push, clock, abouts, answer, store, outcomes, log } = await start(t);
    answer(({ about }) => (about === 'a:1' ? { kind: 'refused', reason: 'HTTP 400' } : delivered));
    await push('a', '1', '2');
    await clock.advance(minute);
    assert.deepEqual(abouts(), ['a:1', 'a:1', 'a:1', 'a:2']);
    const [dead] = await store.list({ state: 'dead', limit: 9 });
    assert.deepEqual([dead?.tries, dead?.reason], [3, 'HTTP 400']);
    assert.deepEqual(outcomes, ['s failed 1', 's failed 1', 's dead 1', 's delivered 1']);
    assert.equal(log.filter(({ event }) => event === 'events.dead').length, 1);
    answer(() => delivered);
    assert.equal(await store.replay({ dead: true }, clock.now()), 1);
    await clock.advance(1);
    assert.equal(abouts().at(-1), 'a:1');
  });

  it('end with 410 until the configuration is read again', async (t) => {
    const { push, clock, tries, answer, deliverer, store, log } = await start(t);
    answer(() => ({ kind: 'gone' }));
    await push('a', '1');
    await push('a', '2');
    await clock.advance(hour);
    assert.equal(tries.length, 1);
    assert.deepEqual(deliverer.gone(), ['s']);
    assert.equal(log.filter(({ event }) => event === 'events.sinkGone').length, 1);
    answer(() => delivered);
    deliverer.changed();
    await clock.advance(1);
    assert.deepEqual([tries.length, deliverer.gone()], [3, []]);
    assert.deepEqual(await store.counts(), []);
  });

  it('that have waited for 72 hours are dead, of a sink that is gone as well', async (t) => {
    const { push, clock, answer, store, outcomes, sinks, deliverer } = await start(t);
    answer(() => failed());
    await push('a', '1', '2');
    await clock.advance(71 * hour);
    assert.deepEqual((await store.counts())[0]?.waiting, 2);
    sinks.configure([]);
    deliverer.changed();
    await clock.advance(3 * hour);
    assert.deepEqual(
      (await store.counts()).map(({ waiting, dead }) => [waiting, dead]),
      [[0, 2]],
    );
    assert.ok(outcomes.includes('s dead 2'));
    await clock.advance(31 * 24 * hour);
    assert.deepEqual(await store.counts(), []);
  });

  it('that a stop or a reload gives up are made again, and are no failures', async (t) => {
    const { push, clock, answer, tries, store, outcomes, sinks, deliverer } = await start(t);
    answer(
      (_, signal) => new Promise<Sent>((resolve) => signal.addEventListener('abort', () => resolve(silent))),
    );
    await push('a', '1');
    deliverer.changed();
    await clock.advance(1);
    assert.equal(tries.length, 1, 'a sink that is as before goes on');
    sinks.configure([{ ...sink('s'), timeout: 2 * second }]);
    deliverer.changed();
    await clock.advance(1);
    assert.equal(tries.length, 2);
    await deliverer.stop();
    assert.deepEqual(outcomes, []);
    assert.equal((await store.counts())[0]?.waiting, 1);
    assert.equal((await store.list({ state: 'waiting', limit: 1 }))[0]?.tries, 0);
  });

  it('need no timer once nothing waits and there is no sink', async (t) => {
    const { clock } = await start(t, []);
    await clock.advance(1);
    assert.deepEqual(clock.pending, []);
  });

  it('go on after the store failed', async (t) => {
    const { push, clock, store, log, abouts } = await start(t);
    const { due } = store;
    Object.assign(store, { due: () => Promise.reject(new Error('disk I/O error')) });
    await push('a', '1');
    assert.equal(log.filter(({ event }) => event === 'events.storeFailed').length, 1);
    Object.assign(store, { due });
    await clock.advance(minute);
    assert.deepEqual(abouts(), ['a:1']);
  });
});
