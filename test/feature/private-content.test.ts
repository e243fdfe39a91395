/**
 * What was cached with the proxy's credentials is served to whoever may reach the proxy; but a blob only where its
 * repository has answered for it. Elsewhere that repository's own endpoints are asked with a HEAD, and no bytes are fetched.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { stallAfter, status } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { settled } from '../support/mirrored-registry.ts';

const secret = buildImage({ seed: 'secret', layers: [300_000] });
const layer = secret.layers[0]?.digest;

/** `team/secret` is for joe; `team/app` and `team/other` are for everybody, and the layer is in `team/other`, too. */
async function setUp(t: TestContext) {
  const registry = await startRegistry(t, {
    auth: { kind: 'basic', username: 'joe', password: 'right' },
  });
  registry.putImage('team/secret', '1', secret);
  for (const blob of secret.blobs) registry.putBlob(blob, ['team/secret', 'team/other']);
  registry.putManifest('team/app', 'naming', secret);
  const clock = createManualClock();
  const auth = Buffer.from('joe:right').toString('base64');
  const authJson = JSON.stringify({ auths: { [registry.host]: { auth } } });
  const registries = entry('ex.test', { source: registry.host });
  const proxy = await startApp(t, { registries, authJson }, { clock });
  const at = (path: string) => `${proxy.url}/v2/ex.test/team/${path}`;
  return { registry, proxy, clock, at };
}

describe('a private image', () => {
  it('that was cached is served to whoever asks, without the registry', async (t) => {
    const { registry, at } = await setUp(t);
    assert.equal((await get(at('secret/manifests/1'))).status, 200);
    assert.equal((await get(at(`secret/blobs/${layer}`))).status, 200);
    await registry.stop();
    assert.equal((await get(at(`secret/blobs/${layer}`))).headers['x-entrepot-cache'], 'hit');
    assert.equal((await get(at(`secret/manifests/${secret.digest}`))).status, 200);
  });

  it('is in no other repository, whatever manifests name it there', async (t) => {
    const { registry, proxy, at } = await setUp(t);
    await get(at(`secret/blobs/${layer}`));
    assert.equal((await get(at('app/manifests/naming'))).status, 200, 'anybody can write such a manifest');
    // While it is on its way in, one more GET decides.
    await settled(proxy);
    registry.clear();
    const answer = readError(await get(at(`app/blobs/${layer}`)));
    assert.deepEqual([answer.status, answer.code], [404, 'BLOB_UNKNOWN']);
    assert.equal(registry.count({ kind: 'blob', repository: 'team/secret' }), 0);
    assert.deepEqual(
      registry.matching({ kind: 'blob' }).map(({ method, repository }) => [method, repository]),
      [
        ['HEAD', 'team/app'],
        ['GET', 'team/app'],
      ],
      'only GET decides that it is absent',
    );
    assert.equal((await get(at(`app/manifests/${buildImage().digest}`))).status, 404);
  });

  it('is in another repository once that one has agreed, and no byte is fetched again', async (t) => {
    const { registry, proxy, at } = await setUp(t);
    await get(at(`secret/blobs/${layer}`));
    registry.clear();
    const answer = await get(at(`other/blobs/${layer}`));
    assert.deepEqual([answer.status, answer.body.length], [200, 300_000]);
    assert.notEqual(answer.headers['x-entrepot-cache'], 'fetched');
    assert.equal(registry.bodyBytes({ kind: 'blob' }), 0);
    const asked = registry.matching({ kind: 'blob', when: ({ status }) => status === 200 });
    assert.deepEqual(
      asked.map(({ method, repository }) => [method, repository]),
      [['HEAD', 'team/other']],
    );
    await settled(proxy);
    registry.clear();
    assert.equal((await get(at(`other/blobs/${layer}`))).headers['x-entrepot-cache'], 'hit');
    assert.deepEqual(
      registry.requests.map(({ method, path }) => [method, path]),
      [],
      'the link is kept',
    );
  });

  it('is not in another repository while nobody can say whether it may be', async (t) => {
    const { registry, at } = await setUp(t);
    await get(at(`secret/blobs/${layer}`));
    registry.on({ repository: 'team/other' }, status(503));
    assert.equal((await get(at(`other/blobs/${layer}`))).status, 502);
    await registry.stop();
    assert.equal((await get(at(`other/blobs/${layer}`))).status, 502);
  });

  it('on its way in can be joined only from a repository that has agreed', async (t) => {
    const { registry, at } = await setUp(t);
    const hold = gate();
    registry.on({ kind: 'blob', method: 'GET', repository: 'team/secret' }, stallAfter(100_000, hold));
    const reading = await open(at(`secret/blobs/${layer}`));
    await hold.arrived;
    assert.equal((await get(at(`app/blobs/${layer}`))).status, 404);
    const joined = await open(at(`other/blobs/${layer}`));
    assert.deepEqual([joined.status, joined.headers['x-entrepot-cache']], [200, 'joined']);
    hold.release();
    for (const answer of [reading, joined]) {
      const { body, complete } = await answer.rest();
      assert.deepEqual([body.length, complete], [300_000, true]);
    }
    const gets = registry.matching({ kind: 'blob', method: 'GET', when: ({ status }) => status === 200 });
    assert.equal(gets.length, 1);
  });

  it('manifest is in no other repository either, by its digest', async (t) => {
    const { registry, at } = await setUp(t);
    await get(at('secret/manifests/1'));
    registry.clear();
    const answer = await get(at(`other/manifests/${secret.digest}`));
    assert.equal(answer.status, 404);
    assert.ok(
      registry.count({ kind: 'manifest', repository: 'team/other' }) > 0,
      'its own endpoint was asked',
    );
  });
});
