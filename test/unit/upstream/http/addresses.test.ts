import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isWithinScope, scopeFrom } from '../../../../src/upstream/http/addresses.ts';

describe('how near an address is', () => {
  it('no host may send us nearer than its own address, and only the configuration to link-local', () => {
    const addressKinds = ['public', 'private', 'loopback', 'linkLocal'] as const;
    const nearness = { public: 0, private: 1, loopback: 2, linkLocal: 3 };
    fc.assert(
      fc.property(fc.constantFrom(...addressKinds), fc.constantFrom(...addressKinds), (from, to) => {
        const allowed = isWithinScope(to, scopeFrom(from, false));
        const expected =
          to !== 'linkLocal' && (from === 'linkLocal' ? to === 'public' : nearness[to] <= nearness[from]);
        assert.equal(allowed, expected, `${from} -> ${to}`);
        assert.equal(isWithinScope(to, 'any'), true);
      }),
    );
    assert.equal(scopeFrom('public', true), 'private');
    assert.equal(scopeFrom('loopback', true), 'loopback');
  });
});
