import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { generateBlob } from '../../support/byte-source.ts';
import { type FakeRegistryOptions, startFakeRegistry } from '../../support/fake-registry.ts';
import { get, json, measure, open } from '../../support/http-client.ts';
import { buildArtifact, buildImage, buildIndex } from '../../support/images.ts';
import type { Cleanup } from '../../support/temp-folder.ts';

async function start(t: Cleanup, options: FakeRegistryOptions = {}) {
  const registry = await startFakeRegistry(options);
  t.after(registry.stop);
  return registry;
}

test('a manifest is found by its tag and by its digest, and HEAD agrees with GET', async (t) => {
  const registry = await start(t);
  const image = buildImage();
  registry.putImage('team/app', 'v1', image);
  for (const reference of ['v1', image.digest]) {
    const url = `${registry.url}/v2/team/app/manifests/${reference}`;
    const answer = await get(url);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body, image.bytes);
    assert.equal(answer.headers['content-type'], image.mediaType);
    assert.equal(answer.headers['docker-content-digest'], image.digest);
    const head = await get(url, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.headers['content-length'], String(image.bytes.length));
    assert.equal(head.headers['docker-content-digest'], image.digest);
    assert.equal(head.body.length, 0);
  }
  const missing = await get(`${registry.url}/v2/team/app/manifests/v2`);
  assert.equal(missing.status, 404);
  assert.deepEqual(json(missing), { errors: [{ code: 'MANIFEST_UNKNOWN', message: 'manifest unknown' }] });
});

test('an index brings its images and their blobs', async (t) => {
  const registry = await start(t);
  const index = buildIndex();
  registry.putImage('team/app', 'latest', index);
  for (const image of index.images) {
    assert.equal((await get(`${registry.url}/v2/team/app/manifests/${image.digest}`)).status, 200);
  }
  for (const blob of index.blobs) {
    assert.deepEqual((await get(`${registry.url}/v2/team/app/blobs/${blob.digest}`)).body, blob.bytes());
  }
});

test('a removed tag is gone but its manifest stays; a removed manifest takes its tags along', async (t) => {
  const registry = await start(t);
  const image = buildImage();
  registry.putImage('a', 'v1', image);
  registry.removeManifest('a', 'v1');
  assert.equal((await get(`${registry.url}/v2/a/manifests/v1`)).status, 404);
  assert.equal((await get(`${registry.url}/v2/a/manifests/${image.digest}`)).status, 200);
  registry.putImage('a', 'v2', image);
  registry.removeManifest('a', image.digest);
  assert.equal((await get(`${registry.url}/v2/a/manifests/v2`)).status, 404);
});

test('a blob can be limited to some repositories, and removed', async (t) => {
  const registry = await start(t);
  const digest = registry.putBlob('secret', ['team/private']);
  assert.equal((await get(`${registry.url}/v2/team/private/blobs/${digest}`)).status, 200);
  assert.equal((await get(`${registry.url}/v2/team/other/blobs/${digest}`)).status, 404);
  registry.removeBlob(digest);
  assert.equal((await get(`${registry.url}/v2/team/private/blobs/${digest}`)).status, 404);
});

test('single ranges are honoured as RFC 9110 says', async (t) => {
  const registry = await start(t);
  const digest = registry.putBlob('0123456789');
  const url = `${registry.url}/v2/a/blobs/${digest}`;
  const cases = [
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=7-99', 206, '789', 'bytes 7-9/10'],
    ['bytes=-3', 206, '789', 'bytes 7-9/10'],
    ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['bytes=4-2', 200, '0123456789', undefined],
    ['bytes=0-1,4-5', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
  ] as const;
  for (const [range, status, body, contentRange] of cases) {
    const answer = await get(url, { headers: { range } });
    assert.deepEqual(
      [range, answer.status, answer.body.toString(), answer.headers['content-range']],
      [range, status, body, contentRange],
    );
  }
});

test('ranges can be switched off', async (t) => {
  const registry = await start(t, { ranges: false });
  const digest = registry.putBlob('0123456789');
  const answer = await get(`${registry.url}/v2/a/blobs/${digest}`, { headers: { range: 'bytes=2-4' } });
  assert.equal(answer.status, 200);
  assert.equal(answer.body.toString(), '0123456789');
  assert.equal(answer.headers['accept-ranges'], undefined);
});

test('tags come in pages that link to the next one', async (t) => {
  const registry = await start(t, { tagsPerPage: 2 });
  for (const tag of ['e', 'b', 'a', 'd', 'c']) registry.putImage('team/app', tag, buildImage());
  const pages: unknown[] = [];
  let path: string | undefined = '/v2/team/app/tags/list';
  while (path !== undefined) {
    const answer = await get(`${registry.url}${path}`);
    pages.push(json(answer));
    path = /<(.+)>; rel="next"/.exec(String(answer.headers.link))?.[1];
  }
  assert.deepEqual(pages, [
    { name: 'team/app', tags: ['a', 'b'] },
    { name: 'team/app', tags: ['c', 'd'] },
    { name: 'team/app', tags: ['e'] },
  ]);
  const one = await get(`${registry.url}/v2/team/app/tags/list?n=1&last=c`);
  assert.deepEqual(json(one), { name: 'team/app', tags: ['d'] });
  assert.equal((await get(`${registry.url}/v2/team/none/tags/list`)).status, 404);
});

test('referrers are listed, filtered by type, and can be switched off', async (t) => {
  const image = buildImage();
  const sbom = buildArtifact(image, { artifactType: 'application/vnd.test.sbom' });
  const signature = buildArtifact(image, { artifactType: 'application/vnd.test.signature' });
  const registry = await start(t);
  for (const each of [image, sbom, signature]) registry.putImage('a', undefined, each);
  const url = `${registry.url}/v2/a/referrers/${image.digest}`;
  const all = json(await get(url)) as { manifests: { digest: string }[] };
  assert.deepEqual(
    all.manifests.map((one) => one.digest),
    [sbom.digest, signature.digest],
  );
  const filtered = await get(`${url}?artifactType=application/vnd.test.sbom`);
  assert.equal(filtered.headers['oci-filters-applied'], 'artifactType');
  assert.equal((json(filtered) as typeof all).manifests.length, 1);
  const old = await start(t, { referrers: false });
  old.putImage('a', undefined, image);
  assert.equal((await get(`${old.url}/v2/a/referrers/${image.digest}`)).status, 404);
});

test('every request is remembered, with the connection it came on and the bytes that went out', async (t) => {
  const registry = await start(t);
  const digest = registry.putBlob('0123456789');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const url = `${registry.url}/v2/team/app/blobs/${digest}`;
  await get(`${url}?ns=x`, { agent, headers: { range: 'bytes=0-3' } });
  await get(url, { agent, method: 'HEAD' });
  await get(url);
  const [ranged, head, whole] = registry.requests;
  assert.equal(ranged?.query.get('ns'), 'x');
  assert.equal(ranged?.headers.range, 'bytes=0-3');
  assert.equal(ranged?.repository, 'team/app');
  assert.equal(ranged?.digest, digest);
  assert.equal(await ranged?.ended, 'complete');
  assert.deepEqual(
    registry.requests.map((one) => [one.method, one.kind, one.status, one.sent, one.connection]),
    [
      ['GET', 'blob', 206, 4, 1],
      ['HEAD', 'blob', 200, 0, 1],
      ['GET', 'blob', 200, 10, 2],
    ],
  );
  assert.equal(head?.method, 'HEAD');
  assert.equal(await whole?.ended, 'complete');
  assert.equal(registry.bodyBytes(digest), 14);
  assert.equal(registry.count({ method: 'GET', kind: 'blob' }), 2);
  assert.deepEqual([registry.accepted(), registry.peakConnections()], [2, 2]);
  registry.clear();
  assert.equal(registry.count(), 0);
});

test('requests can be awaited: the next one, or the n-th one, past or to come', async (t) => {
  const registry = await start(t);
  const next = registry.next({ kind: 'tags' });
  await get(`${registry.url}/v2/`);
  await get(`${registry.url}/v2/a/tags/list`);
  assert.equal((await next).path, '/v2/a/tags/list');
  assert.equal((await registry.seen({ kind: 'tags' })).path, '/v2/a/tags/list');
  const third = registry.seen({}, 3);
  await get(`${registry.url}/v2/b/tags/list`);
  assert.equal((await third).repository, 'b');
});

test('a client that leaves is noticed, and the bytes it got are counted', async (t) => {
  const registry = await start(t);
  const digest = registry.putGeneratedBlob(256 * 1024 * 1024);
  const answer = await open(`${registry.url}/v2/a/blobs/${digest}`);
  assert.equal((await answer.read(1000)).length, 1000);
  answer.destroy();
  const seen = await registry.seen({ digest });
  assert.equal(await seen.ended, 'cut');
  assert.ok(seen.sent < 64 * 1024 * 1024, `${seen.sent} bytes were sent`);
});

test('it dies, refuses, and comes back on its port with all that it had', async (t) => {
  const registry = await start(t);
  registry.putImage('a', 'v1', buildImage());
  const digest = registry.putGeneratedBlob(64 * 1024 * 1024);
  const url = `${registry.url}/v2/a/manifests/v1`;
  const reader = await open(`${registry.url}/v2/a/blobs/${digest}`);
  await registry.refuse();
  assert.equal((await reader.rest()).complete, false);
  await assert.rejects(get(url), { code: 'ECONNREFUSED' });
  await registry.restart();
  assert.equal((await get(url)).status, 200);
});

test('a plain file lies outside the API, answers ranges, and may refuse credentials', async (t) => {
  const registry = await start(t);
  const url = registry.putFile('/cdn/layer', generateBlob(100), { refusesAuthorization: true });
  assert.equal((await get(`${url}?signature=x`, { headers: { range: 'bytes=90-' } })).body.length, 10);
  assert.equal((await get(url, { headers: { authorization: 'Bearer x' } })).status, 400);
  assert.equal(registry.count({ kind: 'file' }), 2);
});

test('a large blob arrives whole', async (t) => {
  const registry = await start(t);
  const blob = generateBlob(64 * 1024 * 1024 + 1);
  registry.putBlob(blob);
  let at = 0;
  const result = await measure(`${registry.url}/v2/a/blobs/${blob.digest}`, {
    onData(part) {
      if (!part.equals(blob.bytes(at, at + part.length))) assert.fail(`other bytes at ${at}`);
      at += part.length;
    },
  });
  assert.deepEqual([result.bytes, result.complete], [blob.size, true]);
  assert.equal(registry.bodyBytes(blob.digest), blob.size);
});
