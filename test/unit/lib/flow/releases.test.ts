import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createReleases } from '../../../../src/lib/flow/releases.ts';

describe('a stack of releases', () => {
  it('releases the last part first, one after the other', async () => {
    const done: string[] = [];
    const releases = createReleases();
    const slow = releases.add('slow', async (name) => {
      await new Promise((resolve) => setImmediate(resolve));
      done.push(name);
    });
    releases.add('first', (name) => done.push(`${name} after ${slow}`));
    releases.add('last', async (name) => {
      await Promise.resolve();
      done.push(name);
    });
    await releases.unwind();
    assert.deepEqual(done, ['last', 'first after slow', 'slow']);
  });

  it('releases the others where one fails, and tells of it at the end', async () => {
    const done: string[] = [];
    const releases = createReleases();
    releases.add('lock', (name) => done.push(name));
    releases.add('connections', () => {
      throw new Error('they hang');
    });
    await assert.rejects(releases.unwind(), /^Error: they hang$/);
    assert.deepEqual(done, ['lock']);
    releases.add('one', () => Promise.reject(new Error('1')));
    releases.add('other', () => Promise.reject(new Error('2')));
    await assert.rejects(releases.unwind(), AggregateError);
  });

  it('releases nothing twice', async () => {
    let times = 0;
    const releases = createReleases();
    releases.add(undefined, () => {
      times += 1;
    });
    await releases.unwind();
    await releases.unwind();
    assert.equal(times, 1);
  });
});
