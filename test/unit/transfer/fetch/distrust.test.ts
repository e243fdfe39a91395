import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDistrustMemory } from '../../../../src/transfer/fetch/distrust.ts';
import { digestOf } from '../../../support/byte-source.ts';

const digest = digestOf(Buffer.from('a'));

describe('the memory of which endpoints gave wrong bytes', () => {
  it('is about one blob, and names first the endpoint whose turn was the longest ago', () => {
    const memory = createDistrustMemory();
    memory.add(digest, ['a', 'b', 'c']);
    memory.add(digest, ['a']);
    memory.add(digest, ['d', 'b']);
    assert.deepEqual([...memory.of(digest)], ['c', 'a', 'd', 'b']);
    assert.deepEqual([...memory.of(digestOf(Buffer.from('b')))], []);
  });

  it('changes no answer that it has given', () => {
    const memory = createDistrustMemory();
    memory.add(digest, ['a']);
    const told = memory.of(digest);
    memory.add(digest, ['b']);
    assert.deepEqual([...told], ['a']);
  });
});
