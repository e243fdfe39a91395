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

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a memory budget', () => {
  it('asks for a pause above its limit, and lets all go on when one step of it is free', async () => {
    const { made, told } = budget();
    assert.equal(made.take(100), true);
    assert.equal(made.take(1), false);
    made.give(20);
    await turn();
    assert.deepEqual(told, ['shed']);
    made.give(1);
    await turn();
    assert.deepEqual(told, ['shed', 'resume']);
  });

  it('of another size lets those go on that fit in it now', async () => {
    const { made, told } = budget();
    made.take(101);
    made.resize(202);
    await turn();
    assert.deepEqual([told, made.take(101)], [['shed', 'resume'], true]);
  });

  it('lets none go on while one still takes bytes, as its body is in the HTTP parser then', async () => {
    const made = new MemoryBudget(100, 20);
    const told: string[] = [];
    made.join({ shed: () => made.give(60), resume: () => told.push('resume') });
    assert.equal(made.take(101), true, 'what is on disk already leaves memory at once');
    assert.deepEqual(told, []);
    await turn();
    assert.deepEqual(told, ['resume']);
  });

  it('lets none go on where memory is short again by then', async () => {
    const { made, told } = budget();
    made.take(101);
    made.give(50);
    made.take(60);
    await turn();
    assert.deepEqual(told, ['shed', 'shed']);
    made.give(60);
    await turn();
    assert.deepEqual(told, ['shed', 'shed', 'resume']);
  });

  it('of a smaller size asks for a pause with the next byte', () => {
    const { made, told } = budget();
    made.take(60);
    made.resize(50);
    assert.deepEqual([made.take(1), told], [false, ['shed']]);
  });
});
