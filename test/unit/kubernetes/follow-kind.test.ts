/** The loop of one kind, with time that the test moves and a client that says what it is told to. */
import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import type { ApiAnswer, ApiClient, WatchEnd, WatchOptions } from '../../../src/kubernetes/api-client.ts';
import { followKind } from '../../../src/kubernetes/follow-kind.ts';
import { createObjectTable, watchedKinds } from '../../../src/kubernetes/object-table.ts';
import { createManualClock } from '../../support/clock.ts';

type Step = ApiAnswer | ((options: WatchOptions) => WatchEnd | Promise<WatchEnd>);

const [kind] = watchedKinds;
const object = (name: string, resourceVersion = '5') => ({ metadata: { name, resourceVersion }, spec: {} });
const list = (names: readonly string[], resourceVersion: string, more?: string): ApiAnswer => ({
  ok: true,
  status: 200,
  value: { metadata: { resourceVersion, continue: more }, items: names.map((name) => object(name)) },
});
const status = (code: number, value: unknown = { message: `said ${code}` }): ApiAnswer => ({
  ok: true,
  status: code,
  value,
});
const version = status(200, { major: '1', minor: '37', gitVersion: 'v1.37.2' });
const line = (type: string, name: string, version: string) => ({ type, object: object(name, version) });
const ended: WatchEnd = { kind: 'ended' };

/** Each request takes the next step; the last one stays open until the test is over. */
function follow(t: TestContext, steps: readonly Step[]) {
  const clock = createManualClock();
  const stop = new AbortController();
  const asked: string[] = [];
  const states: string[] = [];
  const { promise: isOver, resolve: over } = Promise.withResolvers<void>();
  let at = 0;
  const wait = (signal: AbortSignal) =>
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Error('over'))));
  const next = async (path: string, signal: AbortSignal) => {
    asked.push(
      path
        .replace(/^\/apis\/config.openshift.io\/v1\/imagedigestmirrorsets/, '')
        .replace(/&timeoutSeconds=\d+/, ''),
    );
    const step = steps[at];
    at += 1;
    if (step !== undefined) return step;
    over();
    return await wait(signal);
  };
  const client: ApiClient = {
    async get(path, signal) {
      const step = await next(path, signal);
      assert.ok(typeof step !== 'function', `${path} is no watch`);
      return step;
    },
    async watch(path, options) {
      const step = await next(path, options.signal);
      assert.ok(typeof step === 'function', `${path} is a watch`);
      options.opened();
      return await step(options);
    },
    close: async () => {},
  };
  const table = createObjectTable(kind!, ({ state, reason }) => states.push(reason ?? state));
  const running = followKind(table, { client, clock, random: () => 1, signal: stop.signal }).catch((error) =>
    assert.equal(error.message, 'over'),
  );
  t.after(async () => {
    stop.abort();
    await running;
  });
  const names = () => table.objects?.map((text) => JSON.parse(text).metadata.name);
  /** Moves time on until all steps were taken; gives the ms that passed. */
  const finish = async () => {
    const from = clock.monotonic();
    for (let isDone = false; !isDone; ) {
      isDone = await Promise.race([isOver.then(() => true), clock.advance(100).then(() => false)]);
    }
    return clock.monotonic() - from;
  };
  return { asked, states, table, names, finish };
}

it('a list is read page by page, and watched from its version, with bookmarks', async (t) => {
  const { asked, names, finish } = follow(t, [list(['b'], '7', 'c&1'), list(['a'], '7')]);
  await finish();
  assert.deepEqual(asked, [
    '?limit=100',
    '?limit=100&continue=c%261',
    '?watch=1&allowWatchBookmarks=true&resourceVersion=7',
  ]);
  assert.deepEqual(names(), ['a', 'b']);
});

it("events change the objects, and the next watch begins at the last version, a bookmark's too", async (t) => {
  const { asked, names, finish } = follow(t, [
    list(['a', 'b'], '7'),
    ({ onLine }) => {
      assert.ok(onLine(line('ADDED', 'c', '8')));
      assert.ok(onLine(line('DELETED', 'a', '9')));
      assert.ok(onLine({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '12' } } }));
      return ended;
    },
  ]);
  await finish();
  assert.deepEqual(names(), ['b', 'c']);
  assert.match(asked[2] ?? '', /resourceVersion=12$/);
});

for (const [how, step] of [
  ['as a status', () => ({ kind: 'status', status: 410, reason: 'HTTP 410' })],
  [
    'as a line of an answer with 200',
    ({ onLine }: WatchOptions) => {
      assert.equal(onLine({ type: 'ERROR', object: { code: 410, message: 'too old' } }), false);
      return ended;
    },
  ],
] as const) {
  it(`"too old" ${how} leads to a new list, and is no failure`, async (t) => {
    const { asked, names, states, finish } = follow(t, [list(['a'], '7'), step as Step, list(['b'], '20')]);
    await finish();
    assert.match(asked[3] ?? '', /resourceVersion=20$/);
    assert.deepEqual(names(), ['b']);
    assert.deepEqual([...new Set(states)], ['listed']);
  });
}

it('a kind that the cluster does not have has no objects, and is looked at again after a minute', async (t) => {
  const { asked, table, names, finish } = follow(t, [status(404), version, list(['a'], '7')]);
  const waited = await finish();
  assert.ok(waited >= 60_000 && waited < 62_000, `${waited}`);
  assert.deepEqual(asked.slice(0, 3), ['?limit=100', '/version', '?limit=100']);
  assert.deepEqual([table.state, names()], ['listed', ['a']]);
});

it('404 of a server that is none of Kubernetes removes nothing', async (t) => {
  const { states, names, finish } = follow(t, [
    list(['a'], '7'),
    () => ({ kind: 'status', status: 404, reason: 'HTTP 404' }),
    status(404),
    status(404),
  ]);
  await finish();
  assert.deepEqual(names(), ['a']);
  assert.match(states.at(-1) ?? '', /HTTP 404, and \/version is not that of Kubernetes/);
});

it('a right that is missing keeps the objects, and the account is told by what the server said', async (t) => {
  const { table, names, finish } = follow(t, [
    list(['a'], '7'),
    () => ({ kind: 'status', status: 404, reason: '' }),
    status(403),
  ]);
  await finish();
  assert.deepEqual([table.state, table.reason, names()], ['forbidden', 'HTTP 403: said 403', ['a']]);
});

it('an account that may list and not watch is forbidden, and lists no more', async (t) => {
  const no = () => ({ kind: 'status', status: 403, reason: 'HTTP 403' }) as const;
  const { asked, table, finish } = follow(t, [list(['a'], '7'), no, no]);
  await finish();
  assert.equal(asked.filter((path) => path.startsWith('?limit')).length, 1);
  assert.deepEqual([table.state, table.reason], ['forbidden', 'watch: HTTP 403']);
});

it('a server that fails is asked later and later, and soon again once it has answered', async (t) => {
  const down: ApiAnswer = { ok: false, reason: 'connection refused' };
  const { finish } = follow(t, [down, down, down, down, down, down, down]);
  const waited = await finish();
  // 1 + 2 + 4 + 8 + 16 + 30 + 30 seconds.
  assert.ok(waited >= 91_000 && waited < 93_000, `${waited}`);
  const back = follow(t, [down, down, down, list([], '7'), () => ({ kind: 'failed', reason: 'reset' })]);
  const soon = await back.finish();
  assert.ok(soon >= 8000 && soon < 10_000, `${soon}`);
});

it('a line that is not understood is read again by a list', async (t) => {
  const { asked, states, finish } = follow(t, [
    list(['a'], '7'),
    ({ onLine }) => {
      assert.equal(onLine({ type: 'MODIFIED', object: { metadata: { resourceVersion: '8' } } }), false);
      return ended;
    },
  ]);
  await finish();
  assert.equal(asked[2], '?limit=100');
  assert.match(states.at(-1) ?? '', /an object of the kind ImageDigestMirrorSet has no name/);
});

it('a list without end is given up, and so are objects without number', async (t) => {
  const pages = Array.from({ length: 100 }, () => list([], '7', 'x'));
  const { table, finish } = follow(t, pages);
  await finish();
  assert.match(table.reason ?? '', /more than 100 pages/);
  const many = follow(t, [
    list(
      Array.from({ length: 5001 }, (_, n) => `o${n}`),
      '7',
    ),
  ]);
  await many.finish();
  assert.match(many.table.reason ?? '', /more than 5000 objects/);
  assert.equal(many.names(), undefined);
});

it('an answer that is no list of Kubernetes is a failure', async (t) => {
  for (const value of [
    [],
    { items: [] },
    { metadata: {}, items: [] },
    { metadata: { resourceVersion: '1' }, items: {} },
  ]) {
    const { table, finish } = follow(t, [status(200, value)]);
    await finish();
    assert.deepEqual([table.state, table.reason], ['unreachable', 'the answer is no list of Kubernetes']);
  }
});
