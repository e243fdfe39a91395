/** What was pushed and has no other home: nothing takes it away but a command that says so, or the client that may delete it. */
import assert from 'node:assert/strict';
import fs, { existsSync, rmSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { describe, it } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { basic, bearer } from '../support/access.ts';
import { type AppFiles, startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { runCommand } from '../support/commands.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { runEntrepot } from '../support/processes.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { flipByte, storedFile } from '../support/stored-files.ts';

const push = (match: string, mode: string) => `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "${match}"
mode = "${mode}"
`;
const local: AppFiles = { registries: '', toml: push('images.local/**', 'local') };
const name = 'images.local/team/app';

/** An image of a config and a layer, under the tag 1. */
async function pushImage(url: string, to = name, headers: Record<string, string> = {}) {
  const client = pusher(url, to, headers);
  await client.blob('{}');
  const layer = (await client.blob('a layer')) as Digest;
  const json = imageManifest(['{}', 'a layer']);
  const { status } = await client.manifest('1', json);
  assert.equal(status, 201);
  return { client, layer, digest: sha256(JSON.stringify(json)) as Digest };
}

describe('a program with a token of "entrepot token create"', () => {
  it('pushes and pulls back what the token is for, until the token is revoked', async (t) => {
    const toml = `[access]\nanonymous = []\n[[push]]\nmatch = "images.local/**"\nmode = "local"\n`;
    const app = await startApp(t, { registries: '', toml });
    const flags = ['--match', 'images.local/team/*', '--may', 'pull,push', '--expires', '90d', '--json'];
    const { json } = await runCommand(app, 'token', 'create', 'ci', ...flags);
    for (const [to, headers] of [
      [name, basic('ci', json.token)],
      ['images.local/team/other', bearer(json.token)],
    ] as const) {
      const { client, digest } = await pushImage(app.url, to, headers);
      const pulled = await client.send('GET', 'manifests/1');
      assert.deepEqual([pulled.status, pulled.headers['docker-content-digest']], [200, digest]);
      assert.equal((await get(`${app.url}/v2/${to}/manifests/1`)).status, 401, 'others get nothing');
    }
    const elsewhere = pusher(app.url, 'images.local/private', basic('ci', json.token));
    assert.equal((await elsewhere.send('POST', 'blobs/uploads/', '')).status, 403);
    await runCommand(app, 'token', 'revoke', 'ci');
    const late = pusher(app.url, name, basic('ci', json.token));
    assert.equal((await late.send('POST', 'blobs/uploads/', '')).status, 401);
  });
});

describe('hosted content', () => {
  it('that is damaged is reported by each scrub, keeps its file and its names, and comes back by a push', async (t) => {
    const first = await startApp(t, local);
    const { client, layer } = await pushImage(first.url);
    const file = storedFile(first.data, layer);
    flipByte(file, 3);
    const report = await first.app.administration.scrub(undefined, {});
    assert.deepEqual(
      report.damaged.map(({ digest, repaired }) => ({ digest, repaired })),
      [{ digest: layer, repaired: false }],
    );
    assert.ok(existsSync(file), 'a person may save something from it');
    assert.equal((await client.send('HEAD', `blobs/${layer}`)).status, 404);
    await first.stop();

    const second = await startApp(t, { ...local, folder: first.folder });
    assert.equal((await second.app.administration.gc()).removed, 0);
    const again = await second.app.administration.scrub(undefined, {});
    assert.deepEqual(
      again.damaged.map(({ digest }) => digest),
      [layer],
    );
    assert.ok(existsSync(file));
    const here = pusher(second.url, name);
    await here.blob('a layer');
    assert.equal((await here.send('GET', `blobs/${layer}`)).body.toString(), 'a layer');
    assert.equal((await here.send('GET', 'manifests/1')).status, 200);
    assert.deepEqual((await second.app.administration.scrub(undefined, {})).damaged, []);
  });

  it('that a reader finds damaged keeps its tag, and no endpoint is asked for it', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const to = `${registry.host}/team/app`;
    const files = { registries: insecureRegistry(registry.host), toml: push(to, 'local') };
    const { url, data } = await startApp(t, files);
    const { client, layer } = await pushImage(url, to);
    flipByte(storedFile(data, layer), 3);
    await client.send('GET', `blobs/${layer}`).catch(() => undefined);
    assert.equal((await client.send('GET', `blobs/${layer}`)).status, 404);
    assert.equal((await client.send('HEAD', `blobs/${layer}`)).status, 404);
    assert.equal((await client.send('GET', 'manifests/1')).status, 200);
    assert.deepEqual(registry.requests, []);
  });

  it('of an overlay is repaired from an endpoint that has it', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putBlob('a layer');
    const to = `${registry.host}/team/app`;
    const files = { registries: insecureRegistry(registry.host), toml: push(to, 'overlay') };
    const { url, data, app } = await startApp(t, files);
    const { client, layer } = await pushImage(url, to);
    flipByte(storedFile(data, layer), 3);
    const { damaged } = await app.administration.scrub(undefined, {});
    assert.deepEqual(
      damaged.map(({ repaired }) => repaired),
      [true],
    );
    assert.equal((await client.send('GET', `blobs/${layer}`)).body.toString(), 'a layer');
    assert.equal((await app.administration.usage()).hosted.contents, 3);
  });

  it('stays when its repository is purged, which says so, and goes with --hosted', async (t) => {
    const { url, app } = await startApp(t, local);
    const { client } = await pushImage(url);
    const { administration } = app;
    await assert.rejects(administration.purge(name, { pinned: true, hosted: false }), /is hosted/);
    const [kept] = await administration.purge('**', { pinned: true, hosted: false });
    assert.deepEqual(kept?.hosted, [`${name}:1`]);
    assert.equal(kept?.removed, 0);
    assert.equal((await client.send('GET', 'manifests/1')).status, 200);
    const [gone] = await administration.purge(name, { pinned: false, hosted: true });
    assert.equal(gone?.removed, 3);
    assert.equal((await client.send('GET', 'manifests/1')).status, 404);
  });

  it('that no manifest lists is named by a purge, too, and goes with --hosted', async (t) => {
    const { url, data, app } = await startApp(t, local);
    await pusher(url, name).blob('a layer');
    const { stdout } = await runEntrepot(['purge', 'images.local/**', '--data', data]);
    assert.equal(
      stdout,
      `${name}: nothing is removed\n${name}: is hosted and stays: --hosted removes it too\n`,
    );
    const { administration } = app;
    await assert.rejects(administration.purge(name, { pinned: false, hosted: false }), /is hosted/);
    const [gone] = await administration.purge('images.local/**', { pinned: false, hosted: true });
    assert.deepEqual([gone?.removed, gone?.hosted], [1, []]);
    assert.deepEqual(await administration.purge('images.local/**', { pinned: false, hosted: false }), []);
  });

  it('is counted apart, with the uploads that are under way, and listed as such', async (t) => {
    const { url, app } = await startApp(t, local);
    const { client } = await pushImage(url);
    await client.send('PATCH', await client.begin(), '12345');
    const { hosted, uploads } = await app.administration.usage();
    assert.equal(hosted.contents, 3);
    assert.deepEqual(uploads, { uploads: 1, bytes: 5 });
    const listed = await Array.fromAsync(app.administration.list());
    assert.deepEqual(
      listed.map(({ hosted: isHosted, tag }) => [tag, isHosted]),
      [['1', true]],
    );
    const metrics = (await get(`${url}/metrics`)).body.toString();
    assert.match(metrics, new RegExp(`^entrepot_hosted_bytes ${hosted.bytes}$`, 'm'));
    assert.match(metrics, /^entrepot_uploads 1$/m);
    assert.match(metrics, /^entrepot_uploads_bytes 5$/m);
  });

  it('that no manifest lists goes with gc after a day, and not before', async (t) => {
    const clock = createManualClock();
    const { url, app } = await startApp(t, local, { clock });
    const { client, layer } = await pushImage(url);
    const left = await client.blob('no manifest came');
    await clock.advance(23 * 3_600_000);
    assert.equal((await app.administration.gc()).unlisted, 0);
    await clock.advance(2 * 3_600_000);
    assert.equal((await app.administration.gc()).unlisted, 1);
    assert.equal((await client.send('HEAD', `blobs/${left}`)).status, 404);
    assert.equal((await client.send('HEAD', `blobs/${layer}`)).status, 200);
  });

  it('leaves a full disk full no longer than it is: the next push is tried at once', async (t) => {
    const { url } = await startApp(t, local);
    const { client } = await pushImage(url);
    const original = fs.promises.open;
    const full = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    const location = await client.begin();
    fs.promises.open = (path, ...rest) =>
      String(path).includes('/uploads/') ? Promise.reject(full) : original(path, ...rest);
    syncBuiltinESMExports();
    try {
      assert.equal((await client.send('PATCH', location, 'bytes')).status, 403);
    } finally {
      fs.promises.open = original;
      syncBuiltinESMExports();
    }
    assert.equal((await client.send('PATCH', location, 'bytes')).status, 202);
  });

  it('that is mounted while its file is lost is not, and nothing waits for it under a quota', async (t) => {
    const quota = '[[cache.quota]]\nmatch = "images.local/**"\nmax_size = "1MiB"\n';
    const { url, data } = await startApp(t, {
      registries: '',
      toml: push('images.local/**', 'local') + quota,
    });
    const { client, layer } = await pushImage(url);
    rmSync(storedFile(data, layer));
    const other = pusher(url, 'images.local/team/other');
    assert.equal((await other.send('POST', `blobs/uploads/?mount=${layer}&from=${name}`, '')).status, 202);
    await client.blob('a layer');
    assert.equal((await client.send('GET', `blobs/${layer}`)).status, 200);
  });

  it('can be mounted without `from` from one repository that the client may pull among many that it may not', async (t) => {
    const toml = `
[access]
anonymous = ["push"]
[[access.rule]]
who = ["anonymous"]
match = "images.local/open/**"
may = ["pull"]
[[push]]
match = "images.local/**"
mode = "local"
`;
    const { url } = await startApp(t, { registries: '', toml });
    const layer = await pusher(url, 'images.local/open/app').blob('a layer');
    for (let n = 0; n < 120; n += 1) await pusher(url, `images.local/${n}/app`).blob('a layer');
    const mounted = await pusher(url, 'images.local/new/app').send(
      'POST',
      `blobs/uploads/?mount=${layer}`,
      '',
    );
    assert.equal(mounted.status, 201);
  });

  it('stays where it was when its rule is gone and the registry does not know it', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const to = `${registry.host}/team/app`;
    const toml = push(to, 'overlay');
    const clock = createManualClock();
    const app = await startApp(t, { registries: insecureRegistry(registry.host), toml }, { clock });
    const { client, digest } = await pushImage(app.url, to);
    await app.reload({ toml: '' });
    await clock.advance(3_600_000);
    assert.equal((await client.send('GET', 'manifests/1')).status, 404);
    await app.reload({ toml });
    assert.equal((await client.send('HEAD', 'manifests/1')).headers['docker-content-digest'], digest);
  });
});

describe('pushes beside endpoints', () => {
  it('into overlay: hosted tags come first, the rest is pulled through, and lists are united', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const theirs = buildImage();
    for (const tag of ['1', '2']) registry.putImage('team/app', tag, theirs);
    const to = `${registry.host}/team/app`;
    const files = { registries: insecureRegistry(registry.host), toml: push(to, 'overlay') };
    const { url } = await startApp(t, files);
    const { client, digest } = await pushImage(url, to);
    await client.manifest('0', imageManifest(['{}', 'a layer']));
    const digestOf = async (tag: string) =>
      (await client.send('HEAD', `manifests/${tag}`)).headers['docker-content-digest'];
    assert.equal(await digestOf('1'), digest);
    assert.equal(await digestOf('2'), theirs.digest);
    const list = await client.send('GET', 'tags/list');
    assert.deepEqual(JSON.parse(list.body.toString()).tags, ['0', '1', '2']);
    const page = await client.send('GET', 'tags/list?n=1&last=0');
    assert.deepEqual(JSON.parse(page.body.toString()).tags, ['1']);
  });

  it('into fill: a tag follows the endpoint when it answers, and is stale, never absent, when none does', async (t) => {
    const registry = await startFakeRegistry();
    const theirs = buildImage();
    registry.putImage('team/app', '1', theirs);
    const to = `${registry.host}/team/app`;
    const files = { registries: insecureRegistry(registry.host), toml: push(to, 'fill') };
    const clock = createManualClock();
    const { url, app } = await startApp(t, files, { clock });
    const { client, digest } = await pushImage(url, to);
    const digestOf = async (tag: string) =>
      (await client.send('HEAD', `manifests/${tag}`)).headers['docker-content-digest'];
    await client.manifest('only-here', imageManifest(['{}', 'a layer']));
    assert.equal(await digestOf('1'), digest);
    await clock.advance(3_600_000);
    assert.equal(await digestOf('1'), theirs.digest);
    await registry.stop();
    await clock.advance(3_600_000);
    const stale = await client.send('GET', 'manifests/only-here');
    assert.equal(stale.headers['x-entrepot-cache'], 'stale');
    assert.equal(stale.headers['docker-content-digest'], digest);
    assert.equal((await app.administration.usage()).hosted.contents, 0, 'ordinary cache');
  });

  it('into fill, of a pinned digest: when the source registry is gone, nodes pull it by that digest', async (t) => {
    const registry = await startFakeRegistry();
    const to = `${registry.host}/ubi8/ubi-minimal`;
    const files = { registries: insecureRegistry(registry.host), toml: push(to, 'fill') };
    const first = await startApp(t, files);
    const pushed = await pushImage(first.url, to);
    const pinned = await pushed.client.manifest(pushed.digest, imageManifest(['{}', 'a layer']));
    assert.equal(pinned.status, 201);
    await registry.stop();
    await first.stop();
    const { url } = await startApp(t, { ...files, folder: first.folder });
    const node = (path: string) => get(`${url}/v2/ubi8/ubi-minimal/${path}?ns=${registry.host}`);
    const manifest = await node(`manifests/${pushed.digest}`);
    assert.equal(manifest.status, 200);
    for (const { digest } of JSON.parse(manifest.body.toString()).layers) {
      const blob = await node(`blobs/${digest}`);
      assert.equal(sha256(blob.body), digest);
    }
  });

  it('into overlay and fill: what was pushed can be deleted, what only the registry has cannot', async (t) => {
    for (const mode of ['overlay', 'fill']) {
      const registry = await startFakeRegistry();
      t.after(() => registry.stop());
      const theirs = buildImage();
      for (const tag of ['1', '2']) registry.putImage('team/app', tag, theirs);
      const to = `${registry.host}/team/app`;
      const toml = `${push(to, mode)}delete = true\n`;
      const { url } = await startApp(t, { registries: insecureRegistry(registry.host), toml });
      const { client, digest, layer } = await pushImage(url, to);
      const remove = async (path: string) => (await client.send('DELETE', path)).status;
      const digestOf = async (tag: string) =>
        (await client.send('HEAD', `manifests/${tag}`)).headers['docker-content-digest'];
      assert.equal(await remove('manifests/2'), 404, 'this server knows nothing of it');
      assert.equal(await digestOf('2'), theirs.digest);
      assert.equal(await remove('manifests/2'), 405);
      assert.equal(await remove(`manifests/${theirs.digest}`), 405);
      assert.equal(await digestOf('2'), theirs.digest);

      assert.equal(await digestOf('1'), digest);
      assert.equal(await remove('manifests/1'), 202);
      assert.equal(await digestOf('1'), theirs.digest, 'it was hidden by the pushed one');
      assert.equal(await remove(`manifests/${digest}`), 202);
      registry.putBlob('a layer');
      assert.equal(await remove(`blobs/${layer}`), 202);
      assert.equal((await client.send('HEAD', `blobs/${layer}`)).status, 200, 'the registry has it');
    }
  });

  it('into fill: a tag that every endpoint answers 404 for goes once it is no longer fresh, its digest stays', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const to = `${registry.host}/team/app`;
    for (const onMissing of ['drop', 'keep']) {
      const toml = `${push(to, 'fill')}[freshness]\non_missing = "${onMissing}"\n`;
      const clock = createManualClock();
      const { url } = await startApp(t, { registries: insecureRegistry(registry.host), toml }, { clock });
      const { client, digest } = await pushImage(url, to);
      assert.equal((await client.send('GET', 'manifests/1')).status, 200, 'fresh');
      await clock.advance(3_600_000);
      const { status, headers } = await client.send('GET', 'manifests/1');
      assert.deepEqual(
        [status, headers['x-entrepot-cache']],
        onMissing === 'keep' ? [200, 'stale'] : [404, undefined],
      );
      assert.equal((await client.send('GET', `manifests/${digest}`)).status, 200);
    }
  });

  it('take what an endpoint has for granted, and warn of one platform of a known index', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putBlob('a base layer');
    const to = `${registry.host}/team/app`;
    const files = { registries: insecureRegistry(registry.host), toml: push(to, 'overlay') };
    const { url } = await startApp(t, files);
    const client = pusher(url, to);
    await client.blob('{}');
    const json = imageManifest(['{}', 'a base layer']);
    const digest = sha256(JSON.stringify(json));
    const child = await client.manifest(digest, json);
    assert.equal(child.status, 201);
    assert.equal(child.headers.warning, undefined);
    const index = {
      schemaVersion: 2,
      manifests: [{ mediaType: json.mediaType, digest, size: JSON.stringify(json).length }],
    };
    assert.equal((await client.manifest('all', index)).status, 201);
    const single = await client.manifest('one', json);
    assert.match(String(single.headers.warning), /^299 - ".*skopeo copy --all --preserve-digests"$/);
  });
});
