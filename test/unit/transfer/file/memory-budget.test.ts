import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryBudget } from '../../../../src/transfer/file/memory-budget.ts';

/** A budget of 100 bytes with one member, and what the member was told. */
function budget() {
  const told: string[] = [];
  const made = new MemoryBudget(100, 20);
  made.join({ shed: () => told.push('shed'), resume: () => told.push('resume') });
  return { made, told };
}

describe('a memory budget', () => {
  it('asks for a pause above its limit, and lets all go on when one step of it is free', () => {
    const { made, told } = budget();
    assert.equal(made.take(100), true);
    assert.equal(made.take(1), false);
    made.give(20);
    assert.deepEqual(told, ['shed']);
    made.give(1);
    assert.deepEqual(told, ['shed', 'resume']);
  });

  it('of another size lets those go on that fit in it now', () => {
    const { made, told } = budget();
    made.take(101);
    made.resize(202);
    assert.deepEqual([told, made.take(101)], [['shed', 'resume'], true]);
  });

  it('of a smaller size asks for a pause with the next byte', () => {
    const { made, told } = budget();
    made.take(60);
    made.resize(50);
    assert.deepEqual([made.take(1), told], [false, ['shed']]);
  });
});
