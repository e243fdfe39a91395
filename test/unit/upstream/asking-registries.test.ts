import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EntrepotError } from '../../../src/errors.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import { type Endpoint, endpointKey } from '../../../src/upstream/endpoint.ts';
import type { Attempt } from '../../../src/upstream/outcome.ts';
import { startFakeRegistry } from '../../support/fake-registry.ts';
import {
  corruptAt,
  gzipped,
  htmlPage,
  hugeHeaders,
  noContentLength,
  otherBody,
  rateLimited,
  status,
  withHeaders,
} from '../../support/fake-registry-faults.ts';
import { buildArtifact, buildImage, buildIndexOf } from '../../support/images.ts';
import { good, image, outline, readAll, reasons, stage } from './asking.ts';

const app = buildImage({ layers: [300_000] });
const layer = app.layers[0]!;

describe('asking registries', () => {
  const { start, ask, stops } = stage(app);

  it('gets a manifest by tag and by digest', async () => {
    const registry = await start();
    const upstream = ask([registry]);
    const byTag = good(await upstream.getManifest(image()));
    assert.equal(byTag.value.digest, app.digest);
    assert.equal(byTag.value.mediaType, app.mediaType);
    assert.deepEqual(Buffer.from(byTag.value.bytes), app.bytes);
    assert.equal(byTag.value.manifest.children.length, 2);
    assert.equal(byTag.endpoint.host, registry.host);
    assert.equal(good(await upstream.getManifest(image(app.digest))).value.digest, app.digest);
  });

  it('says which program asks, and that bytes are wanted as they are', async () => {
    const registry = await start();
    await ask([registry]).getManifest(image());
    const seen = registry.matching({ kind: 'manifest' })[0]!;
    assert.equal(seen.headers['user-agent'], 'entrepot/test');
    assert.equal(seen.headers['accept-encoding'], 'identity');
    assert.match(String(seen.headers.accept), /oci\.image\.index.*manifest\.list/);
  });

  it('goes on to the next endpoint when one has not got it', async () => {
    const [mirror, source] = [await startFakeRegistry(), await start()];
    stops.push(mirror.stop);
    const answer = await ask([mirror, source]).getManifest(image());
    assert.equal(outline(answer), 'mirror notFound, source ok');
    assert.deepEqual(reasons(answer), ['HTTP 404 (MANIFEST_UNKNOWN: manifest unknown)', '']);
  });

  it('says notFound only when every endpoint said so', async () => {
    const [mirror, source] = [await start(), await start()];
    const upstream = ask([mirror, source]);
    const missing = { ...image(), tag: '2' as never };
    const answer = await upstream.getManifest(missing);
    assert.deepEqual(answer.ok ? undefined : answer.verdict, { kind: 'notFound' });
    mirror.on({ kind: 'manifest' }, status(503));
    const half = await upstream.getManifest(missing);
    assert.deepEqual(half.ok ? undefined : half.verdict, { kind: 'unavailable' });
  });

  const wrongManifests = [
    ['a web page', [htmlPage()], /web page/],
    ['other bytes than its digest', [corruptAt(20)], /has not the digest/],
    [
      'bytes that are no manifest',
      [otherBody('{}'), withHeaders({ 'docker-content-digest': undefined })],
      /lacks the fields/,
    ],
    ['more than 4 MiB', [otherBody(Buffer.alloc((4 << 20) + 1, 32))], /larger than 4194304 bytes/],
    [
      'more than 4 MiB in chunks',
      [otherBody(Buffer.alloc((4 << 20) + 1, 32)), noContentLength()],
      /larger than/,
    ],
    ['an encoded body', [gzipped()], /encoded \(gzip\)/],
  ] as const;
  for (const [what, faults, reason] of wrongManifests) {
    it(`refuses a manifest answer with ${what}, and asks the next endpoint`, async () => {
      const [mirror, source] = [await start(), await start()];
      mirror.on({ kind: 'manifest' }, ...faults);
      const answer = await ask([mirror, source]).getManifest(image());
      assert.equal(outline(answer), 'mirror invalid, source ok');
      assert.match(reasons(answer)[0]!, reason);
    });
  }

  it('refuses a manifest of another digest than was asked for', async () => {
    const registry = await start();
    const other = buildImage({ seed: 'other' });
    registry.on(
      { kind: 'manifest' },
      otherBody(other.bytes),
      withHeaders({ 'docker-content-digest': other.digest }),
    );
    const answer = await ask([registry]).getManifest(image(app.digest));
    assert.equal(outline(answer), 'source invalid');
  });

  it('takes headers of up to 64 KiB, and no more', async () => {
    const registry = await start();
    registry.on({ kind: 'manifest', nth: 1 }, hugeHeaders(40 * 1024));
    registry.on({ kind: 'manifest' }, hugeHeaders(80 * 1024));
    const upstream = ask([registry]);
    good(await upstream.getManifest(image()));
    const answer = await upstream.getManifest(image());
    assert.deepEqual(
      [outline(answer), reasons(answer)[0]],
      ['source unreachable', 'headers larger than 64 KiB'],
    );
  });

  it('asks for the digest of a manifest with HEAD', async () => {
    const registry = await start();
    const answer = good(await ask([registry]).headManifest(image()));
    assert.deepEqual(answer.value, { digest: app.digest, fetched: undefined });
    assert.equal(registry.count({ method: 'GET', kind: 'manifest' }), 0);
  });

  it('gets the manifest if HEAD is refused or has no digest, and then asks the host with GET alone', async () => {
    for (const fault of [status(405), withHeaders({ 'docker-content-digest': undefined })]) {
      const registry = await start();
      const upstream = ask([registry]);
      registry.on({ method: 'HEAD' }, fault);
      for (let time = 0; time < 3; time += 1) {
        const { digest, fetched } = good(await upstream.headManifest(image())).value;
        assert.deepEqual([digest, fetched?.mediaType], [app.digest, app.mediaType]);
        assert.deepEqual(fetched?.bytes, app.bytes);
      }
      assert.equal(registry.count({ method: 'HEAD', kind: 'manifest' }), 1);
      assert.equal(registry.count({ method: 'GET', kind: 'manifest' }), 3);
    }
  });

  it('keeps its connection after a HEAD', async () => {
    const registry = await start();
    const upstream = ask([registry]);
    good(await upstream.headManifest(image()));
    const used = registry.matching({ method: 'HEAD' })[0]!;
    assert.equal(await used.ended, 'complete');
    assert.equal(used.headers.connection, 'keep-alive');
  });

  it('joins the pages of a tag list', async () => {
    const registry = await start({ tagsPerPage: 2 });
    for (const tag of ['2', '3', 'a', 'b']) registry.putManifest('team/app', tag, app);
    const answer = good(await ask([registry]).listTags(image()));
    assert.deepEqual(answer.value, ['1', '2', '3', 'a', 'b']);
    assert.equal(registry.count({ kind: 'tags' }), 3);
  });

  it('ends a tag list that links to itself, and keeps tags that are none out', async () => {
    const registry = await start();
    registry.on({ kind: 'tags', nth: 1 }, otherBody('{"tags":["ok","-bad","a b",7,"ok"]}'));
    registry.on({ kind: 'tags' }, withHeaders({ link: '</v2/team/app/tags/list?last=1>; rel="next"' }));
    const upstream = ask([registry]);
    assert.deepEqual(good(await upstream.listTags(image())).value, ['ok']);
    const { length } = registry.matching({ kind: 'tags' });
    assert.deepEqual(good(await upstream.listTags(image())).value, ['1'], 'the page after the last is empty');
    assert.equal(registry.count({ kind: 'tags' }) - length, 3);
  });

  it('lists referrers, and falls back to the tag schema where the API is missing', async () => {
    const sbom = buildArtifact(app);
    const modern = await start();
    modern.putImage('team/app', undefined, sbom);
    const listed = JSON.parse(
      Buffer.from(good(await ask([modern]).listReferrers(image(), app.digest)).value).toString(),
    );
    assert.deepEqual(
      listed.manifests.map((one: { digest: string }) => one.digest),
      [sbom.digest],
    );

    const old = await start({ referrers: false });
    const index = buildIndexOf([sbom]);
    old.putManifest('team/app', app.digest.replace(':', '-'), index);
    assert.deepEqual(
      Buffer.from(good(await ask([old]).listReferrers(image(), app.digest)).value),
      index.bytes,
    );

    const none = await ask([await start({ referrers: false })]).listReferrers(image(), app.digest);
    assert.deepEqual(none.ok ? undefined : none.verdict, { kind: 'notFound' });
  });

  it('lists referrers by the hundred thousand', async () => {
    const registry = await start();
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const descriptor = { mediaType: app.mediaType, digest: app.digest, size: app.bytes.length };
    const index = { schemaVersion: 2, mediaType, manifests: Array(150_000).fill(descriptor) };
    registry.on(
      { kind: 'referrers' },
      otherBody(JSON.stringify(index)),
      withHeaders({ 'content-type': mediaType }),
    );
    const answer = good(await ask([registry]).listReferrers(image(), app.digest));
    assert.equal(Buffer.from(answer.value).toString(), JSON.stringify(index));
  });

  it('refuses referrers that are called an index and are none', async () => {
    const registry = await start();
    const index = { 'content-type': mediaTypes.ociIndex };
    registry.on({ kind: 'referrers' }, otherBody(app.bytes), withHeaders(index));
    assert.match(
      reasons(await ask([registry]).listReferrers(image(), app.digest))[0]!,
      /answer to referrers/,
    );
  });

  it('takes referrers of another type for a registry without that API, as clients do', async () => {
    const registry = await start();
    const index = buildIndexOf([buildArtifact(app)]);
    registry.putManifest('team/app', app.digest.replace(':', '-'), index);
    for (const [type, body] of [
      ['application/json', '{"status":"ok"}'],
      [app.mediaType, app.bytes],
      ['text/html', '<html></html>'],
    ] as const) {
      registry.on({ kind: 'referrers', nth: 1 }, otherBody(body), withHeaders({ 'content-type': type }));
      const answer = good(await ask([registry]).listReferrers(image(), app.digest));
      assert.deepEqual(Buffer.from(answer.value), index.bytes, type);
    }
  });

  it('does not ask a rate-limited host again until it may, and says until when', async () => {
    const [mirror, source] = [await start(), await start()];
    mirror.on(
      { kind: 'manifest' },
      rateLimited(120, { 'ratelimit-remaining': '0;w=21600', 'ratelimit-limit': '100;w=21600' }),
    );
    const upstream = ask([mirror, source]);
    const before = Date.now();
    assert.equal(outline(await upstream.getManifest(image())), 'mirror rateLimited, source ok');
    const again = await upstream.getManifest(image());
    assert.equal(outline(again), 'mirror rateLimited, source ok');
    assert.match(reasons(again)[0]!, /^not asked: HTTP 429 until \d{4}-\d\d-\d\dT/);
    assert.equal(mirror.count({ kind: 'manifest' }), 1);
    const until = again.trail[0]!.until!;
    assert.ok(until >= before + 120_000 && until <= Date.now() + 120_000);
    const health = upstream.health().find(({ host }) => host === mirror.host);
    assert.equal(health?.coolingUntil, until);
    assert.deepEqual(health?.allowance, { limit: 100, remaining: 0 });
    source.on({ kind: 'manifest' }, status(404));
    const verdict = await upstream.getManifest(image());
    assert.deepEqual(verdict.ok ? undefined : verdict.verdict, { kind: 'rateLimited', until });
  });

  it('contacts no host when offline, and no blocked endpoint ever', async () => {
    const registry = await start();
    const offline = await ask([registry], { upstream: { offline: true } }).getManifest(image());
    assert.deepEqual(offline.ok ? undefined : offline.verdict, { kind: 'offline' });
    const blocked = await ask([{ host: registry.host, blockedBy: 'ex.io' }]).getManifest(image());
    assert.equal(outline(blocked), 'source blocked');
    assert.deepEqual(blocked.ok ? undefined : blocked.verdict, { kind: 'unavailable' });
    assert.equal(registry.accepted(), 0);
  });

  it('sends the namespace to an endpoint that is a proxy, and its own repository name', async () => {
    const registry = await start();
    registry.putImage('cache/app', '1', app);
    const upstream = ask([{ host: registry.host, repository: 'cache/app', namespaceProxy: 'docker.io' }]);
    good(await upstream.getManifest(image()));
    const seen = registry.matching({ kind: 'manifest' })[0]!;
    assert.equal(seen.repository, 'cache/app');
    assert.equal(seen.query.get('ns'), 'docker.io');
  });

  it('keeps two namespaces of one proxy apart, but finds their credentials by host and repository', async () => {
    const registry = await start({ auth: { kind: 'basic', username: 'ci', password: 'right' } });
    const looked = new Set<string>();
    const authLookup = async (name: string) => {
      looked.add(name);
      return undefined;
    };
    const namespaces = ['docker.io', 'quay.io'].map((namespaceProxy) => ({
      host: registry.host,
      namespaceProxy,
    }));
    const upstream = ask(namespaces, { deps: { authLookup } });
    const [first] = upstream.endpoints(image());
    assert.ok(first);
    const answer = await upstream.getManifest(image(), { exclude: new Set([endpointKey(first)]) });
    assert.equal(outline(answer), 'mirror invalid, source unauthorized');
    assert.deepEqual(
      registry.matching({ kind: 'manifest' }).map(({ query }) => query.get('ns')),
      ['quay.io'],
    );
    assert.deepEqual([...looked], [`${registry.host}/team/app`]);
  });

  it('counts faults that show only later, and tells of each attempt', async () => {
    const [mirror, source] = [await start(), await start()];
    const attempts: string[] = [];
    const onAttempt = (endpoint: Endpoint, { outcome }: Attempt) =>
      attempts.push(`${endpoint.role} ${outcome}`);
    const upstream = ask([mirror, source], { deps: { onAttempt } });
    for (let time = 0; time < 3; time += 1) {
      const opened = good(await upstream.openBlob(image(), layer.digest, { start: 0 }));
      await readAll(opened.value);
      upstream.report(opened.endpoint, 'unreachable', 'broke off');
    }
    assert.deepEqual(attempts, ['mirror ok', 'mirror ok', 'mirror ok']);
    const health = upstream.health().find(({ host }) => host === mirror.host);
    assert.deepEqual([health?.breaker, health?.lastFailure], ['closed', 'broke off']);
    assert.equal(
      outline(await upstream.openBlob(image(), layer.digest, { start: 0 })),
      'mirror skipped, source ok',
    );
  });

  it('rejects when the configuration makes no valid name of the reference', async () => {
    const endpoints = () => {
      throw new EntrepotError('REWRITE_INVALID', 'no name');
    };
    await assert.rejects(ask([], { deps: { endpoints } }).getManifest(image()), { code: 'REWRITE_INVALID' });
  });
});
