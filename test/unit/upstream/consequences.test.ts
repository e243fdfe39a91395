import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { consequence, verdict } from '../../../src/upstream/consequences.ts';
import type { Attempt, OutcomeKind } from '../../../src/upstream/outcome.ts';

const attempt = (outcome: Attempt['outcome'], until?: number): Attempt => ({
  endpoint: 'm.ex/app',
  role: 'mirror',
  outcome,
  ms: 1,
  ...(until !== undefined && { until }),
});

describe('the fallback table', () => {
  const rows: [OutcomeKind, boolean, string][] = [
    ['ok', false, 'answer'],
    ['notFound', true, 'answer'],
    ['unauthorized', true, 'answer'],
    ['denied', true, 'answer'],
    ['rateLimited', true, 'answer'],
    ['unreachable', true, 'failure'],
    ['unavailable', true, 'answer'],
    ['invalid', true, 'answer'],
    ['blocked', true, 'nothing'],
  ];
  for (const [kind, next, remembered] of rows) {
    it(`${kind}: ${next ? 'asks the next' : 'is the end'}, remembers ${remembered}`, () => {
      for (const role of ['mirror', 'source'] as const) {
        assert.deepEqual(consequence(kind, role), { next, remembered }, role);
      }
    });
  }

  it('takes a "not found" of a peer for that of all endpoints', () => {
    assert.deepEqual(consequence('notFound', 'peer'), { next: false, remembered: 'answer' });
  });

  it('holds what the endpoints of a peer do wrong against no peer', () => {
    for (const kind of ['unavailable', 'rateLimited'] as const) {
      assert.deepEqual(consequence(kind, 'peer'), { next: true, remembered: 'answer' }, kind);
    }
    assert.deepEqual(consequence('unreachable', 'peer'), { next: true, remembered: 'failure' });
  });
});

describe('the verdict of a trail', () => {
  it('is notFound when every endpoint that was asked said so', () => {
    const trail = [attempt('notFound'), attempt('blocked'), attempt('skipped'), attempt('notFound')];
    assert.deepEqual(verdict(trail), { kind: 'notFound' });
  });

  it('is unavailable when no endpoint was asked', () => {
    assert.deepEqual(verdict([]), { kind: 'unavailable' });
    assert.deepEqual(verdict([attempt('blocked'), attempt('skipped')]), { kind: 'unavailable' });
  });

  it('is rateLimited, until the first may be asked again, when waiting can help', () => {
    const trail = [attempt('rateLimited', 9000), attempt('notFound'), attempt('rateLimited', 5000)];
    assert.deepEqual(verdict(trail), { kind: 'rateLimited', until: 5000 });
  });

  it('takes what a peer has found from its own outcome', () => {
    const told = { ...attempt('unreachable'), by: 'e1:5000' };
    assert.deepEqual(verdict([attempt('notFound'), told]), { kind: 'notFound' });
    assert.deepEqual(verdict([attempt('unavailable'), { ...attempt('notFound'), by: 'e1:5000' }]), {
      kind: 'unavailable',
    });
  });

  it('is that of the registries, whatever peers and buckets fail at', () => {
    for (const role of ['peer', 'store'] as const) {
      for (const outcome of ['denied', 'unreachable', 'unavailable', 'overdue'] as const) {
        const failed = { ...attempt(outcome), role };
        assert.deepEqual(verdict([failed, attempt('notFound')]), { kind: 'notFound' }, outcome);
        assert.equal(verdict([failed, attempt('unreachable')]).kind, 'unavailable');
        assert.equal(verdict([failed]).kind, 'unavailable', 'no registry was asked');
      }
    }
  });

  it('is not notFound where a peer had begun to give the content', () => {
    const peer = { ...attempt('ok'), role: 'peer' } as const;
    const broke = { ...peer, outcome: 'unreachable' } as const;
    assert.deepEqual(verdict([peer, broke, attempt('notFound')]), { kind: 'unavailable' });
  });

  it('is never notFound while one could not say', () => {
    const kinds = [
      'notFound',
      'unauthorized',
      'denied',
      'unreachable',
      'invalid',
      'blocked',
      'skipped',
    ] as const;
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...kinds)), (outcomes) => {
        const said = outcomes.filter((outcome) => outcome !== 'blocked' && outcome !== 'skipped');
        const all = said.length > 0 && said.every((outcome) => outcome === 'notFound');
        assert.equal(verdict(outcomes.map((outcome) => attempt(outcome))).kind === 'notFound', all);
      }),
    );
  });
});
