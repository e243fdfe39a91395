/** Gates by a scanner: what it finds decides, its verdicts are kept, and `fail` holds where it gives none. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import { get, json } from '../support/http-client.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import { listen } from '../support/listener.ts';
import { startMirrored } from '../support/mirrored-registry.ts';
import { tempFolder } from '../support/temp-folder.ts';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Record<string, unknown>;
}

type Answering = (asked: Asked, response: ServerResponse) => void;

const image = buildImage();
const other = buildImage({ seed: 1 });
const index = buildIndex();
const day = 24 * 3_600_000;

function says(value: unknown, status = 200): Answering {
  return (_, response) => void response.writeHead(status).end(JSON.stringify(value));
}

const high = says({
  vulnerabilities: [
    { id: 'CVE-1', severity: 'High' },
    { id: 'CVE-2', severity: 'low' },
  ],
});

async function world(t: TestContext, gate: string, upstreamToml = '') {
  const asked: Asked[] = [];
  let answer: Answering = says({ verdict: 'allow' });
  const scanner = await listen({}, async (incoming: IncomingMessage, response) => {
    const body = await text(incoming);
    const { method = '', url: path = '', headers } = incoming;
    const one = { method, path, authorization: headers.authorization, body: JSON.parse(body || '{}') };
    asked.push(one);
    answer(one, response);
  });
  t.after(() => scanner.close());
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'secret'), 'Bearer s3cret\n');
  const common = `[[gate]]\nname = "scan"\nkind = "scanner"\nurl = "${scanner.url}/scan"\nsecret_file = "secret"\n`;
  const toml = `${common}${gate}\n${upstreamToml}`;
  const mirrored = await startMirrored(t, { toml, folder });
  const { registry } = mirrored;
  registry.putImage('app', '1', image);
  registry.putImage('app', '2', other);
  registry.putImage('app', 'multi', index);
  const pull = async (path = 'manifests/1') => {
    const got = await mirrored.get('app', path);
    if (got.status === 200) return 'answered';
    const [error] = (json(got) as { errors: { code: string; message: string }[] }).errors;
    return `${got.status} ${error!.code} ${error!.message.replace(/^.*gate "scan" /, '')}`;
  };
  const on = (next: Answering): void => {
    answer = next;
  };
  return { ...mirrored, scanner, asked, pull, toml, on };
}

describe('a scanner gate', () => {
  it('asks once for a name and digest, and not again after a reload', async (t) => {
    const { asked, pull, registry, proxy, clock } = await world(t, 'fail = "closed"');
    const pulls = await Promise.all([pull(), pull(`manifests/${image.digest}`), pull()]);
    assert.deepEqual(new Set(pulls), new Set(['answered']));
    await proxy.reload({});
    assert.equal(await pull(), 'answered');
    assert.equal(asked.length, 1);
    const [{ method, path, authorization, body }] = asked as [Asked];
    assert.deepEqual([method, path, authorization], ['POST', '/scan', 'Bearer s3cret']);
    assert.deepEqual(body, {
      image: `${registry.host}/app`,
      digest: image.digest,
      mediaType: image.mediaType,
      manifest: image.bytes.toString(),
    });
    await clock.advance(day + 1);
    assert.equal(await pull(), 'answered');
    assert.equal(asked.length, 2);
  });

  it('refuses by the severity of what was found, apart from what is ignored', async (t) => {
    const { pull, on, proxy, toml } = await world(t, 'fail = "open"');
    on(high);
    assert.equal(await pull(), '403 DENIED (severity = "high"): it has CVE-1 (high)');
    await proxy.reload({ toml: `${toml}severity = "low"\n` });
    assert.equal(await pull(), '403 DENIED (severity = "low"): it has CVE-1 (high), CVE-2 (low)');
    await proxy.reload({ toml: `${toml}severity = "critical"\n` });
    assert.equal(await pull(), 'answered');
    await proxy.reload({ toml: `${toml}ignore = ["CVE-1"]\n` });
    assert.equal(await pull(), 'answered');
  });

  it('refuses what the scanner denies, with its reason in plain characters', async (t) => {
    const { pull, on } = await world(t, 'fail = "open"');
    on(says({ verdict: 'deny', reason: 'not\r\napproved\u0007' }));
    assert.equal(await pull(), '403 DENIED (verdict): the scanner denies it: not approved');
  });

  it('answers an index, and checks each image of it', async (t) => {
    const { pull, on, asked } = await world(t, 'fail = "closed"');
    on(high);
    assert.equal(await pull('manifests/multi'), 'answered');
    assert.equal(asked.length, 0);
    assert.match(await pull(`manifests/${index.images[0]!.digest}`), /^403 DENIED/);
  });

  const useless: readonly (readonly [string, Answering])[] = [
    ['an error', says({}, 500)],
    ['no verdict', says({})],
    ['no JSON', (_, response) => void response.end('<html>')],
    ['a redirect', (_, response) => void response.writeHead(302, { location: '/elsewhere' }).end()],
    ['a broken connection', (_, response) => void response.destroy()],
    ['too much', (_, response) => void response.end(Buffer.alloc(33 * 1024 * 1024, ' '))],
  ];
  for (const [what, answering] of useless) {
    it(`does as fail says for ${what}`, async (t) => {
      const { pull, on, proxy, toml, asked } = await world(t, 'fail = "closed"');
      on(answering);
      assert.match(await pull(), /^403 DENIED \(fail = "closed"\): /);
      await proxy.reload({ toml: toml.replace('closed', 'open') });
      assert.equal(await pull(), 'answered');
      assert.deepEqual(new Set(asked.map(({ path }) => path)), new Set(['/scan']));
    });
  }

  it('does as fail says for a scanner that says nothing in time', async (t) => {
    const { asked, on, clock, pull } = await world(t, 'fail = "closed"\ntimeout = "10s"');
    on(() => {});
    const pulled = pull();
    while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(10_000);
    assert.match(await pulled, /^403 DENIED \(.*\): .*(?:no answer|no verdict) within 10 s/);
  });

  it('asks a scanner once that needs long, over a kept connection too', async (t) => {
    const { asked, on, clock, pull, scanner } = await world(t, 'fail = "closed"\ntimeout = "30s"');
    assert.equal(await pull(), 'answered');
    const hold = Promise.withResolvers<void>();
    on((one, response) => {
      const held = one.path === '/scan' ? hold.promise : Promise.resolve();
      void held.then(() => says({ verdict: 'allow' })(one, response));
    });
    const slow = pull('manifests/2');
    while (asked.length === 1) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(20_000);
    // What was sent to the scanner by now is before this.
    await get(`${scanner.url}/unheld`);
    hold.resolve();
    assert.equal(await slow, 'answered');
    assert.deepEqual(
      asked.map(({ path }) => path),
      ['/scan', '/scan', '/unheld'],
    );
  });

  it('goes by its last verdict while the scanner gives none', async (t) => {
    const { pull, on, clock } = await world(t, 'fail = "closed"');
    assert.equal(await pull(), 'answered');
    await clock.advance(day + 1);
    on(says({}, 503));
    assert.equal(await pull(), 'answered');
    assert.match(await pull('manifests/2'), /^403 DENIED \(fail = "closed"\)/);
    await clock.advance(6000);
    on(high);
    assert.match(await pull(), /^403 DENIED \(severity/);
  });

  it('gives Clair the layers, and judges its report', async (t) => {
    const gate =
      'fail = "closed"\nformat = "clair"\ncontent_url = "http://entrepot.corp/"\ncontent_secret_file = "secret"';
    const { pull, on, asked, registry } = await world(t, gate);
    const report = { vulnerabilities: { 7: { id: '7', name: 'CVE-9', normalized_severity: 'Critical' } } };
    on(({ method }, response) =>
      (method === 'POST' ? says({ state: 'IndexFinished', success: true }, 201) : says(report))(
        asked[0]!,
        response,
      ),
    );
    assert.equal(await pull(), '403 DENIED (severity = "high"): it has CVE-9 (critical)');
    const [posted, matched] = asked as [Asked, Asked];
    assert.equal(posted.path, '/scan/indexer/api/v1/index_report');
    assert.deepEqual(posted.body, {
      hash: image.digest,
      layers: image.layers.map(({ digest }) => ({
        hash: digest,
        uri: `http://entrepot.corp/v2/${registry.host}/app/blobs/${digest}`,
        headers: { Authorization: ['Bearer s3cret'] },
      })),
    });
    assert.equal(matched.path, `/scan/matcher/api/v1/vulnerability_report/${image.digest}`);
    on(says({ state: 'IndexError', success: false, err: 'no layer' }, 201));
    assert.match(
      await pull('manifests/2'),
      /^403 DENIED \(fail = "closed"\): .*the image is not indexed: no layer$/,
    );
  });

  it('gives Clair every layer of what could run, and takes schema 1 for what it cannot check', async (t) => {
    const gate = 'fail = "closed"\nformat = "clair"\ncontent_url = "http://entrepot.corp"';
    const { pull, on, asked, registry } = await world(t, gate);
    on(says({ state: 'IndexFinished', success: true, vulnerabilities: {} }, 201));
    const manifest = JSON.parse(image.bytes.toString()) as { config: object; layers: object[] };
    const place = (value: object, mediaType: string) => {
      const bytes = Buffer.from(JSON.stringify(value));
      return registry.putManifest('app', undefined, { bytes, mediaType });
    };
    const layers = manifest.layers.map((layer) => ({ ...layer, mediaType: 'application/vnd.dev.unknown' }));
    const disguised = place({ ...manifest, layers }, image.mediaType);
    assert.equal(await pull(`manifests/${disguised}`), 'answered');
    assert.equal((asked[0]!.body.layers as object[]).length, layers.length);
    const artifact = {
      ...manifest,
      layers,
      config: { ...manifest.config, mediaType: 'application/vnd.dev.config' },
    };
    assert.equal(await pull(`manifests/${place(artifact, image.mediaType)}`), 'answered');
    assert.equal(asked.length, 2);
    const old = { schemaVersion: 1, name: 'app', tag: '1', architecture: 'amd64', fsLayers: [], history: [] };
    const schema1 = place(old, 'application/vnd.docker.distribution.manifest.v1+json');
    assert.match(
      await pull(`manifests/${schema1}`),
      /^403 DENIED \(fail = "closed"\): its manifest does not say/,
    );
  });

  it('gives Clair what Docker runs, whatever type its parts have, and no artifact', async (t) => {
    const gate = 'fail = "closed"\nformat = "clair"\ncontent_url = "http://entrepot.corp"';
    const { pull, on, asked, registry } = await world(t, gate);
    on(says({ state: 'IndexFinished', success: true, vulnerabilities: {} }, 201));
    const manifest = JSON.parse(image.bytes.toString()) as { config: object; layers: object[] };
    const place = (config: string | undefined, layer: string | undefined) => {
      const layers = manifest.layers.map((one) => ({ ...one, mediaType: layer }));
      const value = { ...manifest, config: { ...manifest.config, mediaType: config }, layers };
      const bytes = Buffer.from(JSON.stringify(value));
      return registry.putManifest('app', undefined, { bytes, mediaType: image.mediaType });
    };
    const odd = ['application/octet-stream', 'application/json', 'text/html', '', undefined];
    for (const type of [...odd, 'Application/Vnd.OCI.Image.Config.v1+json']) {
      asked.length = 0;
      assert.equal(await pull(`manifests/${place(type, type)}`), 'answered', type);
      assert.equal((asked[0]?.body.layers as object[] | undefined)?.length, manifest.layers.length, type);
    }
    asked.length = 0;
    for (const config of ['application/vnd.oci.empty.v1+json', 'application/vnd.unknown.config.v1+json']) {
      for (const layer of odd)
        assert.equal(await pull(`manifests/${place(config, layer)}`), 'answered', config);
    }
    assert.deepEqual(asked, []);
  });

  it('is not asked while the server is offline', async (t) => {
    const { asked, pull, proxy, toml } = await world(t, 'fail = "closed"');
    assert.equal(await pull(), 'answered');
    await proxy.reload({ toml: `${toml}[upstream]\noffline = true\n` });
    assert.equal(await pull(), 'answered');
    assert.equal(asked.length, 1);
  });
});
