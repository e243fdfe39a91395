/** Requests that a client sends on one connection before it has the answer to an earlier one (RFC 9112, section 9.3.2). */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { entry } from '../support/endpoints.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { holdHeaders } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { raw } from '../support/raw-http.ts';

async function start(t: TestContext) {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  for (const tag of ['slow', 'next', 'other']) registry.putImage('team/app', tag, buildImage());
  const hold = gate();
  registry.on({ kind: 'manifest', reference: 'slow' }, holdHeaders(hold));
  const proxy = await startApp(t, { registries: entry('listed.test', { source: registry.host }) });
  const pathOf = (tag: string) => `/v2/listed.test/team/app/manifests/${tag}`;
  const requestOf = (tag: string, more = '') => `GET ${pathOf(tag)} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
  return { registry, hold, proxy, requestOf, pathOf };
}

describe('a client that sends requests in a row', () => {
  it('has each answered once the earlier ones are, so that no more than one answer waits for it', async (t) => {
    const { registry, hold, proxy, requestOf, pathOf } = await start(t);
    const answers = raw(proxy.url, requestOf('slow') + requestOf('next', 'Connection: close\r\n'));
    await hold.arrived;
    assert.equal((await get(`${proxy.url}${pathOf('other')}`)).status, 200);
    assert.equal(registry.count({ reference: 'next' }), 0);
    hold.release();
    assert.equal((await answers).match(/HTTP\/1\.1 200 OK/g)?.length, 2);
    assert.equal(registry.count({ reference: 'next' }), 1);
  });

  it('is cut off if it sends more than twenty ahead', async (t) => {
    const { hold, proxy, requestOf } = await start(t);
    // The connection may be reset.
    const answers = raw(proxy.url, requestOf('slow') + requestOf('next').repeat(50)).catch(() => '');
    await hold.arrived;
    assert.equal(await answers, '');
  });
});
