import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { bytesSource } from '../../../src/stores/object-store.ts';
import { bytesOf, isFault, objectStoreContract } from '../../contract/object-store.ts';
import { createMemoryObjects } from '../../support/memory-objects.ts';

objectStoreContract('memory', async () => createMemoryObjects(), { partSize: 100_000 });

describe('a bucket in memory', () => {
  it('fails as it is told, and works again after that', async () => {
    const { store, fail } = createMemoryObjects();
    for (const kind of ['unreachable', 'throttled', 'refused'] as const) {
      fail(kind);
      await assert.rejects(store.head('any'), isFault(kind));
      await assert.rejects(store.put('any', bytesSource(Buffer.from('x'))), isFault(kind));
    }
    fail(undefined);
    assert.equal(await store.head('any'), undefined);
  });

  it('is silent until the signal aborts', async () => {
    const { store, fail } = createMemoryObjects();
    fail('silent');
    const caller = new AbortController();
    const waiting = store.head('any', caller.signal);
    const reason = new Error('given up');
    caller.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
  });

  it('gives other bytes, or too few of them', async () => {
    const { store, fail } = createMemoryObjects();
    const bytes = randomBytes(1000);
    await store.put('any', bytesSource(bytes));
    fail('wrong bytes');
    const wrong = await bytesOf((await store.get('any', { start: 0 }))!);
    assert.equal(wrong.length, 1000);
    assert.ok(!wrong.equals(bytes));
    fail({ cutAt: 10 });
    await assert.rejects(bytesOf((await store.get('any', { start: 0 }))!), /connection closed/);
  });
});
