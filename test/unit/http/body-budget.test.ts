import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBodyBudget } from '../../../src/http/body-budget.ts';

const done = { status: 202, headers: {} } as const;

describe('a budget of bodies', () => {
  it('leaves room for others beside a client that holds its share', async () => {
    const budget = createBodyBudget({ most: 10, mostOfOne: 4 }, 'bodies');
    const { promise, resolve } = Promise.withResolvers<typeof done>();
    const held = budget.during(4, 'one', () => promise);
    assert.equal((await budget.during(1, 'one', async () => done)).status, 429);
    assert.equal((await budget.during(4, 'other', async () => done)).status, 202);
    resolve(done);
    assert.equal((await held).status, 202);
    assert.equal((await budget.during(4, 'one', async () => done)).status, 202);
  });

  it('is for all of them together', async () => {
    const budget = createBodyBudget({ most: 10, mostOfOne: 6 }, 'bodies');
    const { promise, resolve } = Promise.withResolvers<typeof done>();
    const held = budget.during(6, 'one', () => promise);
    const refused = await budget.during(6, 'other', async () => done);
    assert.equal(refused.status, 429);
    assert.equal(refused.headers['Retry-After'], '1');
    resolve(done);
    await held;
  });

  it('gives back what work that fails has held', async () => {
    const budget = createBodyBudget({ most: 1 }, 'bodies');
    await assert.rejects(
      budget.during(1, 'one', () => Promise.reject(new Error('broken'))),
      /broken/,
    );
    assert.equal((await budget.during(1, 'one', async () => done)).status, 202);
  });
});
