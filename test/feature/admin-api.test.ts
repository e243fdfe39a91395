/** What the admin API answers about a server at work, each answer against src/http/admin/openapi.json. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { stallAfter, status } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { buildArtifact, buildImage, buildIndex } from '../support/images.ts';
import { eventually, type MirroredOptions, settled, startMirrored } from '../support/mirrored-registry.ts';

const document = JSON.parse(
  readFileSync(new URL('../../src/http/admin/openapi.json', import.meta.url), 'utf8'),
);
const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema(document, 'api');

/** Throws if the value does not fit what the document has at this place. */
function assertFits(place: readonly string[], value: unknown): void {
  const names = place.map((name) => name.replaceAll('~', '~0').replaceAll('/', '~1'));
  const check = ajv.compile({ $ref: `api#/${names.join('/')}` });
  check(value);
  assert.deepEqual(check.errors ?? [], [], place.join(' '));
}

function assertDescribed(path: string, value: unknown): void {
  assertFits(['paths', path, 'get', 'responses', '200', 'content', 'application/json', 'schema'], value);
}

const toml = `
[cache]
max_size = "10MiB"
[[cache.quota]]
match = "**/team/*"
max_size = "5MiB"
[[cache.pin]]
match = "**/pinned"
`;
const index = buildIndex({ seed: 'index', layers: [30_000], platforms: ['linux/amd64', 'linux/arm64'] });
const [amd64] = index.images;
const sibling = buildImage({ seed: 'sibling', layers: [amd64!.layers[0]!] });
const signature = buildArtifact(index, { artifactType: 'application/vnd.sig.v1', content: 'signed' });

async function start(t: TestContext, options: MirroredOptions = {}) {
  const mirrored = await startMirrored(t, { toml, ...options });
  const { proxy } = mirrored;
  const ask = async (path: string) => {
    const answer = await get(`${proxy.url}/api/v1/${path}`);
    const value = JSON.parse(answer.body.toString());
    if (answer.status === 200) assertDescribed(`/${path.split('?', 1)}`, value);
    return { status: answer.status, value };
  };
  return { ...mirrored, ask, name: `${mirrored.registry.host}/team/app` };
}

/** An image of two platforms with a signature, and one in another repository that has one of its layers. */
async function pulled(t: TestContext) {
  const started = await start(t);
  const { registry, get: pull, proxy } = started;
  registry.putImage('team/app', '1', index);
  registry.putImage('team/app', undefined, signature);
  registry.putImage('other', '2', sibling);
  await pull('team/app', 'manifests/1');
  await pull('team/app', `manifests/${amd64!.digest}`);
  for (const { digest } of amd64!.blobs) await pull('team/app', `blobs/${digest}`);
  await pull('team/app', `referrers/${index.digest}`);
  await pull('team/app', `manifests/${signature.digest}`);
  await pull('other', 'manifests/2');
  for (const { digest } of sibling.blobs) await pull('other', `blobs/${digest}`);
  await settled(proxy);
  return started;
}

describe('the admin API', () => {
  it('answers each reading as its document says', async (t) => {
    const { ask, name } = await pulled(t);
    const paths = Object.entries<object>(document.paths).filter(([, operations]) => 'get' in operations);
    const queries: Readonly<Record<string, string>> = {
      '/image': `?reference=${name}:1`,
      '/explain': `?reference=${name}:1`,
    };
    for (const [path] of paths) {
      if (path === '/changes' || path === '/jobs/{id}') continue;
      assert.equal((await ask(path.slice(1) + (queries[path] ?? ''))).status, 200, path);
    }
  });

  it('tells wrong questions apart from what is not there', async (t) => {
    const { ask, name } = await pulled(t);
    const asked = {
      [`image?reference=${name}:9`]: [404, 'NOT_CACHED'],
      'image?reference=ex.test/none': [404, 'NOT_CACHED'],
      'image?reference=A+b': [400, 'REFERENCE_INVALID'],
      image: [400, 'USAGE'],
      'requests?limit=many': [400, 'USAGE'],
      'jobs?state=lost': [400, 'USAGE'],
      'jobs/7': [400, 'USAGE'],
      'explain?reference=A+b': [400, 'REFERENCE_INVALID'],
      nothing: [404, 'USAGE'],
    };
    for (const [path, [code, reason]] of Object.entries(asked)) {
      const { status: found, value } = await ask(path);
      assert.deepEqual([found, value.error?.code], [code, reason], path);
      assertFits(['components', 'schemas', 'Error'], value);
    }
  });
});

it('an image is shown with its platforms, layers, origins, referrers, and what shares its layers', async (t) => {
  const { ask, name, registry } = await pulled(t);
  const { value } = await ask(`image?reference=${name}:1`);
  assert.equal(value.manifest.digest, index.digest);
  assert.equal(value.manifest.from, `${registry.host}/team/app`);
  assert.deepEqual(
    value.platforms.map(({ platform, isHere }: { platform: string; isHere: boolean }) => [platform, isHere]),
    [
      ['linux/amd64', true],
      ['linux/arm64', false],
    ],
  );
  const [config, layer] = value.platforms[0].contents;
  assert.equal(config.digest, amd64!.blobs[0]!.digest);
  assert.deepEqual(
    [layer.digest, layer.size, layer.isHere, layer.sharedWith, layer.sharedBy],
    [amd64!.layers[0]!.digest, 30_000, true, [`${registry.host}/other`], 1],
  );
  assert.deepEqual(value.platforms[1].contents, []);
  assert.deepEqual(
    value.referrers.map(({ digest }: { digest: string }) => digest),
    [signature.digest],
  );
  const whole = await ask(`image?reference=${name}`);
  assert.deepEqual([whole.value.manifest, whole.value.platforms], [null, []]);
  assert.ok(whole.value.tags.some(({ tag }: { tag: string | null }) => tag === '1'));
  const single = await ask(`image?reference=${registry.host}/other:2`);
  assert.deepEqual([single.value.platforms.length, single.value.platforms[0].platform], [1, null]);
});

it('evictions are those that happen, in their order, without what is pinned', async (t) => {
  const { ask, get: pull, registry, proxy, clock } = await start(t);
  const images = ['a', 'pinned', 'b', 'c'].map((repository, n) => {
    const image = buildImage({ seed: repository, layers: [1_000_000 + n] });
    registry.putImage(repository, '1', image);
    return { repository, image };
  });
  for (const { repository, image } of images) {
    await pull(repository, 'manifests/1');
    for (const { digest } of image.blobs) await pull(repository, `blobs/${digest}`);
    await settled(proxy);
    await clock.advance(60_000);
  }
  const { value } = await ask('evictions');
  const tags = (name: string) => [`${registry.host}/${name}:1`];
  assert.deepEqual(
    value.map((one: { tags: string[] }) => one.tags),
    ['a', 'b', 'c'].map(tags),
  );
  assert.deepEqual([value[0].contents, value[0].bytes > 1_000_000], [3, true]);
  assert.equal((await ask('evictions?limit=1')).value.length, 1);
  const listed = async () => (await ask('images')).value.map(({ image }: { image: string }) => image);
  assert.equal((await listed()).length, 4, 'a look changes nothing');
  await proxy.reload({ toml: toml.replace('10MiB', '3MiB') });
  await eventually(async () => {
    await get(`${proxy.url}/v2/`);
    assert.deepEqual(
      await listed(),
      ['b', 'c', 'pinned'].map((one) => `${registry.host}/${one}`),
    );
  }, 2000);
});

it('a transfer is shown with its bytes, readers and endpoint while it lasts', async (t) => {
  const { ask, registry, at, name, clock } = await start(t);
  const image = buildImage({ seed: 'slow', layers: [3_000_000] });
  registry.putImage('team/app', '1', image);
  const { digest } = image.layers[0]!;
  const hold = gate();
  registry.on({ kind: 'blob' }, stallAfter(2_000_000, hold));
  const readers = [
    await open(at('team/app', `blobs/${digest}`)),
    await open(at('team/app', `blobs/${digest}`)),
  ];
  for (const reader of readers) await reader.read(2_000_000);
  await clock.advance(2000);
  const { value } = await ask('transfers');
  const [{ began: _, bytesPerSecond, ...shown }, ...others] = value;
  assert.deepEqual([others, bytesPerSecond], [[], 1_000_000]);
  assert.deepEqual(shown, {
    ...{ digest, images: [name], state: 'filling', size: 3_000_000, present: 2_000_000, readers: 2 },
    endpoints: [registry.host],
  });
  for (const reader of readers) reader.destroy();
  hold.release();
  await eventually(async () => assert.deepEqual((await ask('transfers')).value, []));
});

it('requests are shown with what was asked for them, newest first', async (t) => {
  const { ask, registry, get: pull, name } = await start(t);
  registry.putImage('team/app', '1', sibling);
  await pull('team/app', 'manifests/1');
  registry.on({ kind: 'manifest' }, status(500));
  await pull('team/app', 'manifests/2?password=hidden');
  const { value } = await ask('requests');
  assert.deepEqual(
    value.map((one: { reference: string; status: number; cache: string | null }) => [
      one.reference,
      one.status,
      one.cache,
    ]),
    [
      ['2', 502, null],
      ['1', 200, 'fetched'],
    ],
  );
  const [failed] = value;
  assert.deepEqual([failed.image, failed.client, failed.principal.name], [name, '127.0.0.1', 'anonymous']);
  assert.deepEqual([failed.trail[0].endpoint, failed.trail[0].outcome], [name, 'unreachable']);
  assert.ok(!JSON.stringify(value).includes('hidden'));
  assert.equal((await ask('requests?failed=true')).value.length, 1);
  assert.equal((await ask('requests?text=manifests/1')).value.length, 1);
  assert.equal((await ask('requests?limit=1')).value[0].reference, '2');
  for (let n = 0; n < 600; n += 1) await pull('team/app', 'manifests/1');
  assert.equal((await ask('requests')).value.length, 500);
});

describe('conditions', () => {
  const conditionsOf = async (ask: Awaited<ReturnType<typeof start>>['ask']) => {
    const { value } = await ask('status');
    return new Map<string, { status: string; reason: string; lastTransitionTime: string }>(
      value.conditions.map((one: { type: string }) => [one.type, one]),
    );
  };

  it('are all true on a server that has nothing to complain of', async (t) => {
    const { ask } = await start(t);
    const found = await conditionsOf(ask);
    const types = ['Ready', 'Cache', 'Upstreams', 'Sync', 'Facts', 'Cluster', 'Buckets', 'Configuration'];
    assert.deepEqual([...found.keys()], types);
    assert.deepEqual(new Set([...found.values()].map(({ status: one }) => one)), new Set(['True']));
  });

  it('tell a host that limits us, and a configuration that was refused, and since when', async (t) => {
    const { ask, registry, get: pull, clock, proxy } = await start(t);
    await conditionsOf(ask);
    registry.on({ kind: 'manifest' }, status(429, { 'retry-after': '60' }));
    await pull('team/app', 'manifests/1');
    proxy.app.reloadRefused();
    await clock.advance(1000);
    const found = await conditionsOf(ask);
    const upstreams = found.get('Upstreams');
    assert.deepEqual([upstreams?.status, upstreams?.reason], ['False', 'RateLimited']);
    assert.equal(found.get('Configuration')?.reason, 'Refused');
    const changed = new Date(clock.now()).toISOString();
    assert.equal(upstreams?.lastTransitionTime, changed);
    await clock.advance(61_000);
    await proxy.reload({});
    const after = await conditionsOf(ask);
    assert.deepEqual([after.get('Upstreams')?.status, after.get('Configuration')?.status], ['True', 'True']);
    const [endpoint] = (await ask('endpoints')).value;
    assert.deepEqual([endpoint.requests.rateLimited, endpoint.roles], [1, ['source']]);
  });
});

it('a minute that has passed is a sample', async (t) => {
  const { ask, registry, get: pull, clock, proxy } = await start(t);
  registry.putImage('team/app', '1', sibling);
  await pull('team/app', 'manifests/1');
  await pull('team/app', 'manifests/1');
  await settled(proxy);
  assert.deepEqual((await ask('series')).value, []);
  await clock.advance(60_000);
  await eventually(async () => {
    const [sample] = (await ask('series')).value;
    assert.deepEqual([sample?.requests, sample?.hits, sample?.errors], [2, 1, 0]);
  }, 1000);
  const { value } = await ask('overview');
  assert.deepEqual([value.pulls, value.requests.hitRatio], [2, 0.5]);
});

it('takes the arguments of a command in a body of no told length', async (t) => {
  const { proxy } = await startMirrored(t);
  const asked = request({
    socketPath: join(proxy.data, 'entrepot.sock'),
    method: 'POST',
    path: '/api/v1/gc',
    headers: { 'transfer-encoding': 'chunked' },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  asked.on('error', reject);
  asked.on('response', (answer) => {
    answer.resume();
    resolve(answer.statusCode);
  });
  asked.end('{}');
  assert.equal(await promise, 200);
});
