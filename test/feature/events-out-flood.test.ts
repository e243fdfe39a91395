/** A sink that is dead while very much is pushed. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openIndex } from '../../src/cache/index/open-index.ts';
import { createSqliteOutbox } from '../../src/cache/index/outbox/sqlite-outbox.ts';
import type { EventSink } from '../../src/config/event-sink.ts';
import { createDeliverer } from '../../src/replication/outbox/deliverer.ts';
import type { Sent } from '../../src/replication/outbox/send-event.ts';
import { createSinks } from '../../src/replication/outbox/sinks.ts';
import { named } from '../contract/index-fixture.ts';
import { createManualClock } from '../support/clock.ts';
import { startWithSink } from '../support/sink-app.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { usedMemory } from '../support/used-memory.ts';

const events = process.env.LONG ? 30_000 : 10_000;
const MiB = 1024 * 1024;
const cause = { actor: 'ci', address: '', host: '', isTls: false, method: 'PUT', userAgent: '' };

const usedBytes = () => usedMemory().heapUsed;

describe('a dead sink', () => {
  it(`costs no memory and loses nothing while ${events} events come, which all arrive once it is back`, async (t) => {
    const { index } = openIndex(join(tempFolder(t), 'index'), 0);
    t.after(() => index.close());
    const clock = createManualClock();
    const store = createSqliteOutbox(index);
    const sink: EventSink = {
      name: 's',
      url: 'https://s.test',
      format: 'cloudevents',
      on: ['push'],
      match: '**',
      timeout: 1000,
      secretFile: undefined,
    };
    const silent: Sent = { kind: 'failed', reason: 'connection refused', isAnswered: false };
    let answer: Sent = silent;
    let tries = 0;
    const arrived: string[] = [];
    const log = { debug() {}, warn() {}, error() {} };
    const deliverer = createDeliverer({
      store,
      sinks: createSinks([sink]),
      clock,
      random: () => 1,
      log,
      tried() {},
      async send(_, { event }) {
        tries += 1;
        if (answer.kind === 'delivered') arrived.push('tag' in event ? `${event.image}:${event.tag}` : '');
        return answer;
      },
    });
    t.after(() => deliverer.stop());
    deliverer.start();
    await clock.advance(0);
    const before = usedBytes();
    for (let number = 0; number < events; number += 1) {
      const image = `images.local/team/${number % 100}`;
      const tag = String(number).padStart(6, '0');
      const push = { kind: 'push', image, tag, digest: named('x'), mediaType: 'm', size: 1, cause } as const;
      await store.add(push, ['s'], clock.now());
      if (number % 100 === 0) await clock.advance(1000);
    }
    await clock.advance(3_600_000);
    const grown = usedBytes() - before;
    assert.ok(grown < 8 * MiB, `${grown} bytes`);
    assert.ok(tries < 2000, `${tries} tries`);
    const [{ waiting, dead } = assert.fail()] = await store.counts();
    assert.deepEqual([waiting, dead], [events, 0]);

    answer = { kind: 'delivered' };
    while ((await store.counts())[0]?.waiting) await clock.advance(60_000);
    assert.equal(arrived.length, waiting);
    for (const [, tags] of Map.groupBy(arrived, (name) => name.split(':')[0]))
      assert.deepEqual(tags, tags.toSorted(), 'in order for each image');
  });

  it('does not fail or change a push', async (t) => {
    const { receiver, push, client } = await startWithSink(t);
    await receiver.close();
    for (let tag = 0; tag < 50; tag += 1) {
      const digest = await push(`t${tag}`, 'config');
      assert.equal((await client.send('GET', `manifests/t${tag}`)).headers['docker-content-digest'], digest);
    }
    await receiver.reopen();
  });
});
