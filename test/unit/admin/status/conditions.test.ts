/** The conditions of one look: Configuration, where policies come from the cluster, and the buckets beside the upstreams. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createConditions, type JudgedStates } from '../../../../src/admin/status/conditions.ts';
import type { HostState, PlacementsState, PolicyKindState } from '../../../../src/telemetry/states.ts';
import { createManualClock } from '../../../support/clock.ts';

const calm: JudgedStates = {
  isStopping: false,
  problem: undefined,
  isOffline: false,
  cache: {
    ...{ bytes: 0, contents: 0, manifests: 0, hosted: { bytes: 0, contents: 0 }, reserved: 0 },
    ...{ maxSize: undefined, quotas: [] },
  },
  disk: { free: 2, size: 3, minFree: 1 },
  hosts: [],
  peers: new Set(),
  hasSyncs: false,
  replicas: { counts: [], oldestFailure: undefined },
  cluster: undefined,
  facts: undefined,
  placements: [],
  configIsGood: true,
  policies: [],
};

function kind(state: PolicyKindState['state'], reason?: string): PolicyKindState {
  return { kind: 'ImageTagMirrorSet', state, reason, objects: 0 };
}

it('Configuration says which objects of the cluster cannot be read, and why', async () => {
  const clock = createManualClock();
  const judge = createConditions(clock);
  const condition = (states: Partial<JudgedStates>) => {
    const found = judge({ ...calm, ...states }).find(({ type }) => type === 'Configuration');
    return [found?.status, found?.reason, found?.lastTransitionTime, found?.message];
  };
  const start = '2026-01-01T00:00:00.000Z';
  assert.deepEqual(condition({}).slice(0, 3), ['True', 'InForce', start]);
  assert.deepEqual(condition({ policies: [kind('listed'), kind('absent')] }).slice(0, 3), [
    'True',
    'InForce',
    start,
  ]);
  await clock.advance(60_000);
  const later = '2026-01-01T00:01:00.000Z';
  const policies = [kind('unreachable', 'connection refused'), kind('forbidden', 'HTTP 403: no')];
  const forbidden = condition({ policies });
  assert.deepEqual(forbidden.slice(0, 3), ['False', 'PoliciesForbidden', later]);
  assert.match(forbidden[3] ?? '', /ImageTagMirrorSet .* those known last are in force: HTTP 403: no$/);
  const unreachable = condition({ policies: policies.slice(0, 1) });
  assert.deepEqual(unreachable.slice(0, 2), ['Unknown', 'PoliciesUnreachable']);
  assert.match(unreachable[3] ?? '', /connection refused$/);
  assert.deepEqual(condition({ configIsGood: false, policies }).slice(0, 2), ['False', 'Refused']);
});

const host = (name: string, isOpen: boolean): HostState => ({
  ...{ host: name, isOpen, cooling: 0, limit: undefined, remaining: undefined },
});

it('a bucket that is skipped is told by Buckets, not by Upstreams', () => {
  const judge = createConditions(createManualClock());
  const told = (hosts: readonly HostState[]) =>
    judge({ ...calm, hosts })
      .filter(({ status }) => status === 'False')
      .map(({ type, reason, message }) => [type, reason, message]);
  const words = 'skipped after failures in a row';
  assert.deepEqual(told([host('quay.io', false), host('store:eu', true)]), [
    ['Buckets', 'BucketsSkipped', `${words}: eu`],
  ]);
  assert.deepEqual(told([host('store:5000', true), host('store:eu', false)]), [
    ['Upstreams', 'HostsSkipped', `${words}: store:5000`],
  ]);
});

it('Buckets tells where objects gave wrong bytes: what is missing is only uploaded', () => {
  const judge = createConditions(createManualClock());
  const buckets = (placements: readonly PlacementsState[]) => {
    const found = judge({ ...calm, placements }).find(({ type }) => type === 'Buckets');
    return [found?.status, found?.reason, found?.message];
  };
  const one = (store: string, state: string) => ({ store, state, contents: 1, bytes: 1 });
  assert.equal(buckets([one('eu', 'wanted'), one('eu', 'placed')])[1], 'NothingDoubted');
  assert.deepEqual(buckets([one('eu', 'doubted'), one('us', 'placed')]), [
    ...['False', 'ContentsDoubted', 'objects gave wrong bytes, and are to be looked at: eu'],
  ]);
});
