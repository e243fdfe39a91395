/** A thousand machines that come at once, as after a cluster's upgrade. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { startProgramOnBlobs } from '../support/entrepot-on-blobs.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { tempFolder } from '../support/temp-folder.ts';

const clients = 1000;

describe('a thousand clients that come while the server is busy', () => {
  const isLinux = process.platform === 'linux';
  const somaxconn = isLinux ? Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8')) : 0;
  it('are all let in, and need not try again', {
    skip: somaxconn >= clients ? false : 'the system lets fewer wait (net.core.somaxconn)',
  }, async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const { proxy, program } = await startProgramOnBlobs(t, tempFolder(t), [registry]);
    const { hostname, port } = new URL(proxy.url);
    // It accepts nobody: what gets in now waits in the kernel.
    process.kill(program.pid, 'SIGSTOP');
    const sockets: Socket[] = [];
    t.after(() => {
      for (const socket of sockets) socket.destroy();
    });
    await Promise.all(
      Array.from({ length: clients }, () => {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        sockets.push(connect(Number(port), hostname, resolve).on('error', reject));
        return promise;
      }),
    );
    process.kill(program.pid, 'SIGCONT');
    assert.equal((await get(`${proxy.url}/v2/`)).status, 200);
  });
});
