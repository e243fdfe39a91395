import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { startBlackHole } from '../../support/black-hole.ts';
import { get } from '../../support/http-client.ts';

test('an accepting hole takes the request and stays silent until it is stopped', async () => {
  const hole = await startBlackHole();
  const leaving = new AbortController();
  const socket = connect(hole.port, '127.0.0.1');
  await once(socket, 'connect');
  const answer = get(hole.url, { signal: leaving.signal });
  leaving.abort();
  await assert.rejects(answer);
  const closed = once(socket, 'close');
  await hole.stop();
  await closed;
});

test('a deaf hole never completes a connection', { skip: process.platform !== 'linux' }, async (t) => {
  const hole = await startBlackHole({ accepts: false });
  t.after(hole.stop);
  const socket = connect(hole.port, '127.0.0.1');
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => 'connected'),
    once(AbortSignal.timeout(300), 'abort').then(() => 'silent'),
  ]);
  socket.destroy();
  assert.equal(outcome, 'silent');
});
