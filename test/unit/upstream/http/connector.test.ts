import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { Pool } from 'undici';
import { createReadBlocks } from '../../../../src/lib/bytes/read-blocks.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { createConnector } from '../../../../src/upstream/http/connector.ts';
import { createLookups } from '../../../../src/upstream/http/lookups.ts';
import { selfSigned } from '../../../support/certificates.ts';

it('a connection over TLS reads into the blocks that are used again, too', async (t) => {
  const size = 4 * 1024 * 1024;
  const server = createServer(selfSigned(), (_, response) => response.end(Buffer.alloc(size)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const blocks = createReadBlocks({ size: 256 * 1024, sockets: 64, keep: 4, lend: 4 });
  const connect = createConnector({
    lookups: createLookups({ clock: systemClock }),
    clock: systemClock,
    lookupTimeout: 10_000,
    timeout: 60_000,
    addressScope: 'any',
    onread: blocks.onread,
    tls: { rejectUnauthorized: false },
  });
  const pool = new Pool(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, { connect });
  const seen = new Set<number>();
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    pool.dispatch(
      { path: '/', method: 'GET' },
      {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData(_, chunk) {
          bytes += chunk.length;
          seen.add(chunk.buffer.byteLength);
        },
        onResponseEnd: () => resolve(),
        onResponseError: (_, error) => reject(error),
      },
    );
  });
  assert.equal(bytes, size);
  assert.ok(seen.has(256 * 1024), `chunks of buffers of ${[...seen].join(', ')} bytes`);
  await pool.destroy();
});
