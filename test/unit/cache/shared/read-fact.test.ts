import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LoggedFact } from '../../../../src/cache/shared/facts.ts';
import { largestList, readFact } from '../../../../src/cache/shared/read-fact.ts';
import { replicaChange } from '../../../../src/cache/shared/state-facts.ts';
import { replica } from '../../../contract/replica-store.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const known = replica('quay.io/team/app', 'latest', { reason: 'HTTP 503', failedAt: 7, nextAttempt: 9 });
const image = 'docker.io/library/alpine';
const state = { state: 'done', attempts: 0, bytes: 7, seconds: 0.5 } as const;
const tagged = { digest, endpoint: 'm1.corp/library/alpine', checkedAt: 5 };

function row(changes: Partial<LoggedFact>): LoggedFact {
  return { seq: 1, kind: 'tag', image, key: 'latest', value: tagged, stamp: 7, origin: 'one', ...changes };
}

describe('the fact of a state', () => {
  it('tells a reason that the database takes, and no endless one', () => {
    const reason = `\0${'x'.repeat(4094)}\u{1f600}`;
    const told = replicaChange(known, { ...known, reason }).value?.reason ?? '';
    assert.ok(told.isWellFormed() && told.length <= 4096 && !told.includes('\0'));
    const { value } = replicaChange(known, { ...known, reason });
    assert.ok(readFact(row({ kind: 'replica', key: 'team latest', value })));
  });
});

describe('a fact of the log', () => {
  for (const good of [
    row({}),
    row({ kind: 'hostedTag', value: { ...tagged, endpoint: 'push' } }),
    row({ kind: 'link', key: digest, value: { origin: 'm1.corp/x', mediaType: 'a/b' } }),
    row({ kind: 'hostedLink', key: digest, value: { origin: 'push', size: 0 } }),
    row({ kind: 'list', key: 'tags ', value: { bytes: 'W10=', checkedAt: 1 } }),
    row({ kind: 'list', key: `referrers ${digest}`, value: { bytes: '', checkedAt: 1 } }),
    row({ kind: 'pin', image: '', key: 'docker.io/**', value: {} }),
    row({ kind: 'replica', key: 'team latest', value: replicaChange(known, known).value }),
    row({ kind: 'selection', key: 'team latest', value: { digest, gone: { since: 5, listings: 2 } } }),
    row({ kind: 'selection', key: `team ${digest}`, value: { digest, gone: undefined } }),
  ]) {
    it(`is taken, there or gone: ${good.kind}`, () => {
      const { seq: _, ...fact } = good;
      assert.deepEqual(readFact(good), fact);
      assert.deepEqual(readFact({ ...good, value: null }), { ...fact, value: undefined });
    });
  }

  it('has what this version knows of, and no more', () => {
    const more = row({ value: { ...tagged, more: '<script>' } });
    assert.deepEqual(readFact(more)?.value, tagged);
  });

  const bad: readonly Partial<LoggedFact>[] = [
    { kind: 'kind of the future' },
    { image: 'docker.io/../etc' },
    { image: 'alpine' },
    { image: `docker.io/${'a'.repeat(300)}` },
    { key: '../x' },
    { key: 'a'.repeat(129) },
    { stamp: -1 },
    { stamp: 1.5 },
    { stamp: Number.NaN },
    { stamp: Number.MAX_SAFE_INTEGER },
    { origin: '' },
    { value: { ...tagged, endpoint: 'push' } },
    { kind: 'hostedTag', value: tagged },
    { kind: 'link', key: digest, value: { origin: 'bundle' } },
    { kind: 'hostedLink', key: digest, value: { origin: 'm1.corp/x', size: 1 } },
    { value: [] },
    { value: 'text' },
    { value: { ...tagged, digest: 'sha256:zz' } },
    { value: { ...tagged, checkedAt: -1 } },
    { value: { ...tagged, checkedAt: 2 ** 60 } },
    { value: { ...tagged, endpoint: 'a\nb' } },
    { kind: 'link', key: 'latest', value: { origin: 'm1.corp/x' } },
    { kind: 'link', key: digest, value: { origin: 7 } },
    { kind: 'hostedLink', key: digest, value: { origin: 'push', size: -1 } },
    { kind: 'hostedLink', key: digest, value: { origin: 'push', mediaType: 'x'.repeat(300) } },
    { kind: 'list', key: 'others x', value: { bytes: '', checkedAt: 1 } },
    { kind: 'list', key: 'tags ', value: { bytes: '%', checkedAt: 1 } },
    { kind: 'list', key: 'tags ', value: { bytes: 'A'.repeat(largestList * 2), checkedAt: 1 } },
    { kind: 'pin', key: 'docker.io/**', value: {} },
    { kind: 'pin', image: '', key: 'a\nb', value: {} },
    { kind: 'replica', key: 'latest', value: state },
    { kind: 'replica', key: 'team ../x', value: state },
    { kind: 'replica', key: '../team latest', value: state },
    { kind: 'replica', key: 'team latest', value: { ...state, state: 'gone' } },
    { kind: 'replica', key: 'team latest', value: { ...state, here: 'sha256:zz' } },
    { kind: 'replica', key: 'team latest', value: { ...state, bytes: -1 } },
    { kind: 'replica', key: 'team latest', value: { ...state, seconds: 'long' } },
    { kind: 'replica', key: 'team latest', value: { ...state, reason: 'x'.repeat(5000) } },
    { kind: 'replica', key: 'team latest', value: { ...state, failedAt: 'now' } },
    { kind: 'selection', key: 'team latest', value: {} },
    { kind: 'selection', key: 'team latest', value: { digest, gone: 5 } },
    { kind: 'selection', key: 'team latest', value: { digest, gone: { since: 5, listings: -1 } } },
  ];
  for (const changes of bad) {
    it(`is left out: ${JSON.stringify(changes).slice(0, 90)}`, () => {
      assert.equal(readFact(row(changes)), undefined);
    });
  }
});
