import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createRobots } from '../../../src/access/accounts/robots.ts';
import { createSharedTokens } from '../../../src/app/shared-tokens.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { testTokenStore } from '../../contract/token-store.ts';
import { createManualClock } from '../../support/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { createMemoryTokens, type MemoryTokens } from '../../support/memory-tokens.ts';
import { tempFolder } from '../../support/temp-folder.ts';

testTokenStore(async () => createMemoryTokens());

const ci = { name: 'ci', match: ['**'], may: ['pull'], expires: undefined } as const;

function replica(t: TestContext, store: MemoryTokens, clock: Clock = systemClock) {
  const file = join(tempFolder(t), 'robots.json');
  const robots = createRobots({ clock: systemClock, onProblem: ({ message }) => assert.fail(message) }, file);
  const events: string[] = [];
  const write = ({ event }: { event: string }) => void events.push(event);
  let heard = 0;
  const tokens = createSharedTokens({
    store,
    robots,
    clock,
    log: { warn: write, error: write } as never,
    async heard() {
      heard += 1;
    },
  });
  t.after(() => tokens.stop());
  return { robots, tokens, events, heard: () => heard };
}

describe('the tokens of replicas', () => {
  it('are told once they are made, and when they end', async (t) => {
    const store = createMemoryTokens();
    const [a, b] = [replica(t, store), replica(t, store)];
    const token = a.robots.create(ci);
    await a.tokens.tell();
    await eventually('it is known', () => b.robots.verify(token)?.name === 'ci');
    assert.equal(b.heard(), 1);
    b.robots.revoke('ci');
    await b.tokens.tell();
    await eventually('it is refused', () => a.robots.verify(token) === undefined);
    assert.deepEqual([...a.events, ...b.events], []);
  });

  it('wait for a store that is gone, and the log says so', async (t) => {
    const store = createMemoryTokens();
    const [a, b] = [replica(t, store), replica(t, store)];
    const token = a.robots.create(ci);
    await a.tokens.tell();
    await eventually('it is known', () => b.robots.verify(token) !== undefined);
    store.isThere(false);
    a.robots.revoke('ci');
    await a.tokens.tell();
    assert.deepEqual(a.events, ['access.tokenWaits']);
    assert.equal(b.robots.verify(token)?.name, 'ci', 'what was known last counts');
    store.isThere(true);
    await eventually('it is refused', () => b.robots.verify(token) === undefined);
  });

  it('hold up no stop for a store that does not answer', async (t) => {
    const clock = createManualClock();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const all = () => {
      ask();
      return new Promise<never>(() => {});
    };
    const { tokens, events } = replica(t, { ...createMemoryTokens(), all }, clock);
    await asked;
    const stopped = tokens.stop();
    await clock.advance(2000);
    await stopped;
    assert.deepEqual([clock.pending, events], [[], []]);
  });

  it('leave out rows that are none, and say so once', async (t) => {
    const store = createMemoryTokens();
    await store.put([{ hash: 'f'.repeat(64), robot: '{"may":["administer"]}', revoked: undefined }]);
    const a = replica(t, store);
    await a.tokens.tell();
    await a.tokens.tell();
    assert.deepEqual(a.robots.list(), []);
    assert.deepEqual(a.events, ['access.tokenIgnored']);
  });
});
