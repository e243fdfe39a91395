import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRecentRequests } from '../../../../src/admin/status/recent-requests.ts';
import type { Overview, StatusChange, TransferStatus } from '../../../../src/admin/status/status.ts';
import { createStatusChanges } from '../../../../src/admin/status/status-changes.ts';
import { createManualClock } from '../../../support/clock.ts';

/** Changes of a server whose transfers the test sets; `looks` counts how often they were asked for. */
function watched() {
  const clock = createManualClock();
  const recent = createRecentRequests();
  const state = { transfers: [] as TransferStatus[], looks: 0, overviews: 0, errors: [] as object[] };
  const changes = createStatusChanges({
    clock,
    recent,
    samples: [],
    log: { error: (fields) => state.errors.push(fields) },
    transfers() {
      state.looks += 1;
      return state.transfers;
    },
    endpoints: async () => [],
    async overview() {
      state.overviews += 1;
      return { transfers: state.transfers.length } as Overview;
    },
    conditions: async () => [],
  });
  const stop = new AbortController();
  const view = (signal = stop.signal) => changes.watch(signal)[Symbol.asyncIterator]();
  const add = (id: string) => {
    const seen = {
      id,
      at: clock.now(),
      method: 'GET',
      path: '/v2/',
      status: 200,
      bytes: 0,
      ms: 1,
      client: '',
    };
    const none = { target: undefined, cache: undefined, agent: undefined, principal: undefined };
    recent.add({
      ...seen,
      ...none,
      endpoint: undefined,
      reason: undefined,
      trail: undefined,
      end: 'complete',
    });
  };
  return { clock, state, changes, view, stop, add };
}

const transfer = (present: number) => ({ digest: 'sha256:a', present }) as TransferStatus;

async function take(view: AsyncIterator<StatusChange>, count: number): Promise<StatusChange[]> {
  const taken: StatusChange[] = [];
  while (taken.length < count) taken.push((await view.next()).value);
  return taken;
}

test('a viewer first gets what is true, then what changes, and nothing that stays the same', async () => {
  const { clock, state, view } = watched();
  const one = view();
  const kinds = (await take(one, 5)).map(({ kind }) => kind);
  assert.deepEqual(kinds, ['requests', 'transfers', 'endpoints', 'overview', 'conditions']);
  const next = one.next();
  await clock.advance(3000);
  state.transfers = [transfer(1)];
  await clock.advance(1000);
  assert.deepEqual((await next).value, { kind: 'transfers', transfers: [transfer(1)] });
});

test('fifty viewers cost no more looks than one, and none costs none', async () => {
  const { clock, state, view, stop } = watched();
  await clock.advance(10_000);
  assert.equal(state.looks, 0);
  const views = Array.from({ length: 50 }, () => view());
  await Promise.all(views.map((one) => take(one, 5)));
  const waiting = views.map((one) => one.next());
  await clock.advance(10_000);
  assert.deepEqual([state.looks, state.overviews], [11, 3]);
  stop.abort();
  await Promise.all(waiting);
  await clock.advance(2000);
  const { looks } = state;
  await clock.advance(60_000);
  assert.equal(state.looks, looks);
});

test('a viewer that does not read gets the newest of each kind, and the requests of the meantime', async () => {
  const { clock, state, view, add } = watched();
  const slow = view();
  await take(slow, 5);
  for (let n = 1; n <= 200; n += 1) {
    state.transfers = [transfer(n)];
    add(`request ${n}`);
    await clock.advance(1000);
  }
  const [first, second] = await take(slow, 2);
  const transfers = [first, second].find((one) => one?.kind === 'transfers');
  assert.deepEqual(transfers, { kind: 'transfers', transfers: [transfer(200)] });
  const requests = [first, second].find((one) => one?.kind === 'requests');
  const ids = requests?.kind === 'requests' ? requests.requests.map(({ id }) => id) : [];
  assert.deepEqual([ids.length, ids[0], ids.at(-1)], [100, 'request 200', 'request 101']);
});

test('a viewer is sent away after five minutes, for its right to be judged again', async () => {
  const { clock, view } = watched();
  const one = view();
  await take(one, 5);
  const next = one.next();
  await clock.advance(299_999);
  assert.deepEqual(clock.pending.includes(1), true);
  await clock.advance(1);
  assert.equal((await next).done, true);
});

test('each viewer gets a request once, whenever it comes', async () => {
  const { clock, view, add } = watched();
  const first = view();
  await take(first, 5);
  add('a');
  const second = view();
  await take(second, 5);
  add('b');
  await clock.advance(1000);
  const told = (changes: readonly StatusChange[]) =>
    changes.flatMap((one) => (one.kind === 'requests' ? one.requests.map(({ id }) => id) : []));
  assert.deepEqual(told(await take(first, 1)), ['b', 'a']);
  assert.deepEqual(told(await take(second, 1)), ['b']);
});

test('viewers beyond 500 are refused, and all end when the server stops', async () => {
  const { changes, view } = watched();
  const views = Array.from({ length: 500 }, () => view());
  await Promise.all(views.map((one) => one.next()));
  await assert.rejects(async () => view().next(), { code: 'BUSY' });
  changes.stop();
  for (const one of views) {
    while (!(await one.next()).done);
  }
  assert.equal((await view().next()).done, true);
});

test('a look that fails is logged, and the next one goes on', async () => {
  const { clock, state, view } = watched();
  const one = view();
  await take(one, 5);
  Object.defineProperty(state, 'transfers', { get: () => assert.fail('no index'), configurable: true });
  await clock.advance(1000);
  assert.equal(state.errors.length, 1);
  Object.defineProperty(state, 'transfers', { value: [transfer(2)] });
  const next = one.next();
  await clock.advance(1000);
  assert.deepEqual((await next).value, { kind: 'transfers', transfers: [transfer(2)] });
});
