import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createContributorMemory } from '../../../../src/transfer/fetch/contributor-memory.ts';
import { endpointAt } from '../../../support/scripted-source.ts';

const contributors = new Map([['good.example/team/app', endpointAt('good.example')]]);

describe('the memory of which endpoints gave the bytes of a partial download', () => {
  it('tells them once, to the transfer that goes on with the bytes', () => {
    const memory = createContributorMemory();
    memory.keep('/incoming/a', contributors);
    assert.equal(memory.take('/incoming/a', 100), contributors);
    assert.equal(memory.take('/incoming/a', 100), undefined);
  });

  it('knows nothing of what another process left, and of no bytes that there are no contributors', () => {
    const memory = createContributorMemory();
    assert.equal(memory.take('/incoming/a', 100), undefined);
    assert.equal(memory.take('/incoming/a', 0)?.size, 0);
  });

  it('forgets those of a file that was removed meanwhile', () => {
    const memory = createContributorMemory();
    memory.keep('/incoming/a', contributors);
    assert.equal(memory.take('/incoming/a', 0)?.size, 0);
    assert.equal(memory.take('/incoming/a', 100), undefined);
  });
});
