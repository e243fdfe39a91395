/** What every `FactLog` does (`src/cache/shared/facts.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Fact, FactLog } from '../../src/cache/shared/facts.ts';
import { mostAhead, stampOf } from '../../src/cache/shared/hybrid-clock.ts';
import { eventually } from '../support/eventually.ts';
import { named } from './index-fixture.ts';

const image = 'docker.io/library/alpine';

function tag(key: string, stamp: number, changes: Partial<Fact> = {}): Fact {
  const value = { digest: named(`${key} ${stamp}`), endpoint: 'docker.io/library/alpine', checkedAt: 1 };
  return { kind: 'tag', image, key, stamp, origin: 'one', value, ...changes } as Fact;
}

const gone = (key: string, stamp: number): Fact => tag(key, stamp, { value: undefined });

/** Registers the tests. `open` gives an empty log; undefined where it skips the test. `now`: of its server, epoch ms. */
export function testFactLog(
  open: (t: TestContext) => Promise<FactLog | undefined>,
  now: () => number = Date.now,
): void {
  async function all(log: FactLog, from = 0, limit = 100) {
    const rows = await log.after(from, limit);
    return rows.map(({ key, stamp }) => [key, stamp]);
  }

  function opened(test: (log: FactLog, t: TestContext) => Promise<void>) {
    return async (t: TestContext) => {
      const log = await open(t);
      if (log) await test(log, t);
    };
  }

  describe('a log of facts', () => {
    it(
      'gives each fact back as it was',
      opened(async (log) => {
        const facts: Fact[] = [
          tag('latest', 5),
          {
            kind: 'hostedLink',
            image,
            key: named('a'),
            stamp: 6,
            origin: 'two',
            value: { origin: 'push', size: 7 },
          },
          { kind: 'pin', image: '', key: 'docker.io/**', stamp: 7, origin: 'one', value: {} },
          gone('old', 8),
        ];
        assert.deepEqual(await log.append(facts), [5, 6, 7, 8]);
        const rows = await log.after(0, 10);
        assert.deepEqual(
          rows.map(({ kind, image: its, key, stamp, origin, value }) => ({
            kind,
            image: its,
            key,
            stamp,
            origin,
            value,
          })),
          facts.map((fact) => ({ ...fact, value: fact.value ?? null })),
        );
      }),
    );

    it(
      'has one fact for each name, the latest, at the end of the order',
      opened(async (log) => {
        await log.append([tag('a', 1), tag('b', 2)]);
        await log.append([tag('a', 3)]);
        assert.deepEqual(await all(log), [
          ['b', 2],
          ['a', 3],
        ]);
      }),
    );

    it(
      'takes none that is earlier than what it has, and says so',
      opened(async (log) => {
        await log.append([tag('a', 5, { origin: 'b' })]);
        assert.deepEqual(await log.append([tag('a', 4), tag('x', 1)]), [undefined, 1]);
        assert.deepEqual(await log.append([tag('a', 5, { origin: 'a' })]), [undefined]);
        assert.deepEqual(
          await log.append([tag('a', 5, { origin: 'c' })]),
          [5],
          'of equal stamps the later origin counts',
        );
      }),
    );

    it(
      'takes a fact twice without a change',
      opened(async (log) => {
        const far = stampOf(now() + 10 * mostAhead);
        const [first] = await log.append([tag('a', far)]);
        const before = await log.after(0, 10);
        assert.deepEqual(await log.append([tag('a', far), tag('b', 1)]), [first, 1]);
        assert.deepEqual((await log.after(0, 10))[0], before[0]);
      }),
    );

    it(
      'lets no stamp be far ahead of its own time, and keeps the order of facts that are',
      opened(async (log) => {
        const far = stampOf(now() + 365 * 24 * 60 * 60 * 1000);
        const [first] = await log.append([tag('a', far)]);
        assert.ok(first !== undefined && first <= stampOf(now() + mostAhead) + 1024);
        const [second] = await log.append([tag('a', far + 1)]);
        assert.ok(second !== undefined && second > first);
        const soon = stampOf(now() + 2 * mostAhead);
        assert.ok(
          (await log.append([tag('a', soon, { origin: 'two' })]))[0],
          'a year ahead wins for a minute',
        );
      }),
    );

    it(
      'is read in parts',
      opened(async (log) => {
        await log.append(Array.from({ length: 25 }, (_, n) => tag(`t${n}`, n + 1)));
        const keys: string[] = [];
        for (let from = 0; ; ) {
          const some = await log.after(from, 10);
          assert.ok(some.length <= 10);
          if (some.length === 0) break;
          keys.push(...some.map(({ key }) => key));
          from = some.at(-1)!.seq;
        }
        assert.deepEqual(
          keys,
          Array.from({ length: 25 }, (_, n) => `t${n}`),
        );
      }),
    );

    it(
      'hides no fact from a reader that has read further, whatever is appended at the same time',
      opened(async (log) => {
        const written = Array.from({ length: 8 }, (_, writer) => writer);
        let isOver = false;
        const found = new Set<string>();
        let position = 0;
        const read = async () => {
          for (;;) {
            const last = isOver;
            const some = await log.after(position, 7);
            for (const { key } of some) found.add(key);
            position = some.at(-1)?.seq ?? position;
            if (last && some.length === 0) return;
          }
        };
        const reading = read();
        await Promise.all(
          written.map(async (writer) => {
            for (let n = 0; n < 15; n += 1)
              await log.append(
                Array.from({ length: 1 + (n % 5) * 10 }, (_, i) => tag(`w${writer}-${n}-${i}`, n + 1)),
              );
          }),
        );
        isOver = true;
        await reading;
        assert.equal(found.size, 8 * 3 * (1 + 11 + 21 + 31 + 41));
      }),
    );

    it(
      'tells when there is more',
      opened(async (log) => {
        let calls = 0;
        const end = log.changed(() => {
          calls += 1;
        });
        await log.append([tag('a', 1)]);
        await eventually('the listener is called', () => calls > 0);
        end();
      }),
    );

    it(
      'forgets what is gone, and what no endpoint has said for long, and remembers up to where',
      opened(async (log) => {
        const pushed = { kind: 'hostedTag' } as Partial<Fact>;
        await log.append([gone('a', 10), tag('b', 10), tag('c', 10, pushed), gone('d', 30), tag('e', 15)]);
        const [{ seq } = { seq: 0 }] = await log.after(0, 1);
        assert.equal((await log.state()).forgotten, 0);
        let forgotten = 0;
        for (let some = -1; some !== 0; forgotten += some) some = await log.forget({ gone: 20, heard: 12 });
        assert.equal(forgotten, 2);
        assert.deepEqual(await all(log), [
          ['c', 10],
          ['d', 30],
          ['e', 15],
        ]);
        const state = await log.state();
        assert.deepEqual([state.forgotten, state.newest >= seq], [seq, true]);
      }),
    );

    it(
      'gives large facts a few at a time',
      opened(async (log) => {
        const list = (key: string, stamp: number): Fact => {
          const value = { bytes: 'A'.repeat(1_300_000), checkedAt: 1 };
          return { kind: 'list', image, key, stamp, origin: 'one', value };
        };
        for (let n = 1; n <= 6; n += 1) await log.append([list(`tags ${n}`, n)]);
        let found = 0;
        for (let from = 0; found < 6; ) {
          const some = await log.after(from, 100);
          assert.notEqual(some.length, 0);
          found += some.length;
          from = some.at(-1)!.seq;
        }
        assert.equal(found, 6);
      }),
    );
  });
}
