import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { it } from 'node:test';
import { unlessAborted } from '../../../../src/lib/flow/unless-aborted.ts';

const never = () => new Promise<never>(() => {});
const over = () => new Error('over');

it('gives what was asked, and leaves nothing behind on the signal', async () => {
  const { signal } = new AbortController();
  assert.equal(await unlessAborted(Promise.resolve(1), signal, over), 1);
  await assert.rejects(unlessAborted(Promise.reject(new Error('no')), signal, over), /no/);
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
});

it('gives up once the signal is aborted, also before', async () => {
  const stopping = new AbortController();
  const asked = unlessAborted(never(), stopping.signal, over);
  stopping.abort();
  await assert.rejects(asked, /over/);
  await assert.rejects(unlessAborted(never(), stopping.signal, over), /over/);
});
