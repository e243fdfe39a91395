/** Behind another proxy: another Entrepot, by path or by `ns`, and one that keeps the hub under a prefix, as Harbor does. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { redirect } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildIndex } from '../support/images.ts';

const image = buildIndex({ layers: [100_000, 50_000] });

/** Pulls the index, its images and all their blobs, as a client would. */
async function pullAll(base: string): Promise<void> {
  const index = await get(`${base}/manifests/1`);
  assert.equal(index.status, 200, index.body.toString());
  assert.deepEqual(index.body, image.bytes);
  for (const child of image.children) {
    const manifest = await get(`${base}/manifests/${child.digest}`);
    assert.deepEqual(manifest.body, child.bytes);
  }
  for (const blob of image.blobs) {
    const answer = await get(`${base}/blobs/${blob.digest}`);
    assert.deepEqual([answer.status, answer.body.length, answer.complete], [200, blob.size, true]);
    assert.equal(answer.headers.location, undefined);
  }
}

async function hub(t: TestContext) {
  const registry = await startRegistry(t);
  registry.putImage('library/app', '1', image);
  return registry;
}

const hostOf = (app: { url: string }) => new URL(app.url).host;

describe('chaining', () => {
  it('behind another Entrepot works by its path', async (t) => {
    const registry = await hub(t);
    const inner = await startApp(t, { registries: entry('docker.io', { source: registry.host }) });
    const registries = entry('docker.io', { source: `${hostOf(inner)}/docker.io` });
    const outer = await startApp(t, { registries });
    await pullAll(`${outer.url}/v2/docker.io/library/app`);
    const layer = image.layers[0] ?? image.blobs[0];
    assert.equal(
      registry.count({ kind: 'blob', method: 'GET' }),
      new Set(image.blobs.map(({ digest }) => digest)).size,
    );
    assert.notEqual(layer, undefined);
    await registry.stop();
    await inner.stop();
    await pullAll(`${outer.url}/v2/docker.io/library/app`);
  });

  it('behind another Entrepot works by namespace-proxy, which says ns', async (t) => {
    const registry = await hub(t);
    const inner = await startApp(t, { registries: entry('quay.io', { source: registry.host }) });
    const mirror = `[[registry]]
prefix = "quay.io"
location = "nowhere.invalid"
[[registry.mirror]]
location = "${hostOf(inner)}"
insecure = true
namespace-proxy = "quay.io"
`;
    const outer = await startApp(t, { registries: mirror });
    await pullAll(`${outer.url}/v2/quay.io/library/app`);
  });

  it('behind another Entrepot tells what that one was told', async (t) => {
    const registry = await hub(t);
    const inner = await startApp(t, { registries: entry('docker.io', { source: registry.host }) });
    const registries = entry('docker.io', { source: `${hostOf(inner)}/docker.io` });
    const outer = await startApp(t, { registries });
    const ask = async (path: string) => readError(await get(`${outer.url}/v2/docker.io/library/${path}`));
    assert.equal((await ask('app/manifests/none')).status, 404);
    await registry.stop();
    const answer = await ask('app/manifests/other');
    assert.equal(answer.status, 502);
    assert.match(answer.trail[0]?.reason ?? '', /^HTTP 502 \(UNAVAILABLE: .+connection refused/);
  });

  it('behind a prefix of another registry works, and its redirects stay inside', async (t) => {
    const harbor = await startRegistry(t);
    harbor.putImage('hub-cache/library/app', '1', image);
    const storage = await startRegistry(t);
    for (const blob of image.blobs) storage.putFile(`/store/${blob.digest}`, blob);
    harbor.on(
      { kind: 'blob' },
      redirect(({ digest }) => `${storage.url}/store/${digest}`),
    );
    const outer = await startApp(t, {
      registries: entry('docker.io', { source: `${harbor.host}/hub-cache` }),
    });
    await pullAll(`${outer.url}/v2/library/app`);
    const asked = new Set(harbor.requests.map(({ repository }) => repository).filter(Boolean));
    assert.deepEqual(asked, new Set(['hub-cache/library/app']));
    const list = await get(`${outer.url}/v2/library/app/tags/list`);
    assert.deepEqual(JSON.parse(list.body.toString()), { name: 'library/app', tags: ['1'] });
  });

  it('falls from one to the next when the first has no such image', async (t) => {
    const registry = await hub(t);
    const empty = await startRegistry(t);
    const first = await startApp(t, { registries: entry('docker.io', { source: empty.host }) });
    const registries = entry('docker.io', {
      mirrors: [`${hostOf(first)}/docker.io`],
      source: registry.host,
    });
    const outer = await startApp(t, { registries });
    await pullAll(`${outer.url}/v2/docker.io/library/app`);
  });
});
