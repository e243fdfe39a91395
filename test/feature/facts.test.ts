/** Replicas of the whole program that share facts by a real PostgreSQL. */
import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { AppDeps } from '../../src/app.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { runCommand } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { createMemoryObjects } from '../support/memory-objects.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { storedFile } from '../support/stored-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const name = 'images.local/team/app';
const access = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
delete = true
`;

interface World {
  readonly server: PostgresServer;
  readonly registry: FakeRegistry;
  replica(options?: { folder?: string; deps?: Partial<AppDeps> }): Promise<RunningApp>;
}

async function world(t: TestContext): Promise<World | undefined> {
  const server = await startPostgres(t);
  if (!server) return undefined;
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  const urlFile = join(tempFolder(t), 'facts-url');
  writeFileSync(urlFile, `${server.url}\n`);
  const toml = `${access}[facts]\nurl_file = "${urlFile}"\n[freshness]\ntag = "1h"\n`;
  return {
    server,
    registry,
    replica({ folder, deps = {} } = {}) {
      const files = { registries: insecureRegistry(registry.host), toml };
      return startApp(
        t,
        { ...files, ...(folder !== undefined && { folder }) },
        { clock: systemClock, ...deps },
      );
    },
  };
}

async function pushImage(url: string, tag: string) {
  const client = pusher(url, name);
  await client.blob('{}');
  const layer = (await client.blob('a layer')) as Digest;
  const json = imageManifest(['{}', 'a layer']);
  assert.equal((await client.manifest(tag, json)).status, 201);
  return { client, layer, digest: sha256(JSON.stringify(json)) as Digest };
}

async function hostedTags({ url }: RunningApp): Promise<readonly string[] | undefined> {
  const { status, body } = await get(`${url}/v2/${name}/tags/list`);
  return status === 200 ? (JSON.parse(body.toString()) as { tags: string[] }).tags : undefined;
}

const metric = async ({ url }: RunningApp, wanted: string) => {
  const { body } = await get(`${url}/metrics`);
  return new RegExp(`^${wanted} (.+)$`, 'm').exec(body.toString())?.[1];
};

describe('two replicas with [facts]', () => {
  it('ask the registry once whether a tag is still what it was', async (t) => {
    const all = await world(t);
    if (!all) return;
    const { registry, replica } = all;
    const image = buildImage();
    registry.putImage('library/alpine', 'latest', image);
    let ahead = 0;
    const clock = { ...systemClock, now: () => Date.now() + ahead };
    const [one, other] = [await replica({ deps: { clock } }), await replica({ deps: { clock } })];
    const pull = async ({ url }: RunningApp) => {
      const { status, headers } = await get(`${url}/v2/library/alpine/manifests/latest?ns=${registry.host}`);
      assert.deepEqual([status, headers['docker-content-digest']], [200, image.digest]);
    };
    const asked = () => registry.requests.filter(({ path }) => path.endsWith('/manifests/latest')).length;
    await pull(one);
    await pull(other);
    ahead = 2 * 60 * 60 * 1000;
    const before = asked();
    await pull(one);
    assert.equal(asked(), before + 1);
    // What is told later is known later.
    await pushImage(one.url, 'marker');
    await eventually('the other one knows', async () => (await hostedTags(other))?.includes('marker'));
    await pull(other);
    assert.equal(asked(), before + 1);
  });

  it('list what was pushed to one of them, and forget what was deleted, with its file', async (t) => {
    const all = await world(t);
    if (!all) return;
    const [one, other] = [await all.replica(), await all.replica()];
    const { digest, layer } = await pushImage(one.url, 'v1');
    await eventually('the tag is listed', async () => (await hostedTags(other))?.includes('v1'));
    await pushImage(other.url, 'v2');
    await eventually('both are listed', async () => (await hostedTags(one))?.length === 2);
    assert.ok(existsSync(storedFile(one.data, layer)));
    const { status } = await pusher(other.url, name).send('DELETE', `manifests/${digest}`);
    assert.equal(status, 202);
    await eventually('the tags are gone', async () => ((await hostedTags(one)) ?? []).length === 0);
    await eventually('its file is gone', () => !existsSync(storedFile(one.data, digest)));
    assert.equal((await get(`${one.url}/v2/${name}/manifests/v1`)).status, 404);
  });

  it('start, serve and take pushes without PostgreSQL, and tell all when it comes', async (t) => {
    const all = await world(t);
    if (!all) return;
    const { server, replica } = all;
    await server.signal('SIGKILL');
    const [one, other] = [await replica(), await replica()];
    const { digest } = await pushImage(one.url, 'v1');
    const pulled = await get(`${one.url}/v2/${name}/manifests/v1`);
    assert.equal(pulled.headers['docker-content-digest'], digest);
    assert.ok(Number(await metric(one, 'entrepot_facts_waiting')) >= 4);
    assert.equal(await metric(one, 'entrepot_facts_connected'), '0');
    assert.equal(await hostedTags(other), undefined);
    await server.start();
    await eventually('the tag is listed', async () => (await hostedTags(other))?.includes('v1'));
    await eventually('nothing waits', async () => (await metric(one, 'entrepot_facts_waiting')) === '0');
    assert.equal(await metric(one, 'entrepot_facts_connected'), '1');
    assert.ok(Number(await metric(other, 'entrepot_facts_last_contact_timestamp_seconds')) > 0);
    assert.ok(Number(await metric(other, 'entrepot_facts_behind_seconds')) >= 0);
  });

  it('share pins', async (t) => {
    const all = await world(t);
    if (!all) return;
    const [one, other] = [await all.replica(), await all.replica()];
    await runCommand(one, 'pin', 'docker.io/library/*');
    await eventually(
      'the pin is there',
      async () => (await other.app.administration.pins()).added.length === 1,
    );
    await runCommand(other, 'unpin', 'docker.io/library/*');
    await eventually('the pin is gone', async () => (await one.app.administration.pins()).added.length === 0);
  });
});

describe('a replica with [facts]', () => {
  it('knows all that was pushed before its first answer, on an empty disk, and serves it from the bucket', async (t) => {
    const all = await world(t);
    if (!all) return;
    const { store } = createMemoryObjects('eu');
    const bucket = { store, match: [], uploadRate: undefined, redirect: undefined, sweep: undefined };
    const one = await all.replica({ deps: { buckets: [bucket] } });
    const { digest, layer } = await pushImage(one.url, 'v1');
    await eventually('nothing waits', async () => (await metric(one, 'entrepot_facts_waiting')) === '0');
    const late = await all.replica({ deps: { buckets: [bucket] } });
    assert.deepEqual(await hostedTags(late), ['v1']);
    const manifest = await get(`${late.url}/v2/${name}/manifests/v1`);
    assert.deepEqual([manifest.status, manifest.headers['docker-content-digest']], [200, digest]);
    const blob = await get(`${late.url}/v2/${name}/blobs/${layer}`);
    assert.deepEqual([blob.status, blob.body.toString()], [200, 'a layer']);
    const scrubbed = await late.app.administration.scrub(undefined, {});
    assert.deepEqual(scrubbed.damaged, [], 'what is elsewhere is not lost');
  });

  it('gets back from the others what a lost index knew', async (t) => {
    const all = await world(t);
    if (!all) return;
    const one = await all.replica();
    await pushImage(one.url, 'v1');
    await eventually('nothing waits', async () => (await metric(one, 'entrepot_facts_waiting')) === '0');
    await one.stop();
    for (const file of ['index-v1.sqlite', 'index-v1.sqlite-wal', 'index-v1.sqlite-shm', 'hosted-v1.sqlite'])
      rmSync(join(one.data, file), { force: true });
    const again = await all.replica({ folder: one.folder });
    assert.deepEqual(await hostedTags(again), ['v1']);
    await again.app.administration.gc();
    assert.equal((await get(`${again.url}/v2/${name}/manifests/v1`)).status, 200);
  });

  it('tells what it knew before facts were shared', async (t) => {
    const all = await world(t);
    if (!all) return;
    const before = await startApp(t, { registries: insecureRegistry(all.registry.host), toml: access });
    await pushImage(before.url, 'v1');
    await before.stop();
    const one = await all.replica({ folder: before.folder });
    const other = await all.replica();
    await eventually('the tag is listed', async () => (await hostedTags(other))?.includes('v1'));
    assert.deepEqual(await hostedTags(one), ['v1']);
  });

  it('does not start with a URL that is none, and says which file is wrong', async (t) => {
    const urlFile = join(tempFolder(t), 'facts-url');
    writeFileSync(urlFile, 'mysql://entrepot:hunter2@db/x');
    const starting = startApp(t, { registries: '', toml: `[facts]\nurl_file = "${urlFile}"\n` });
    await assert.rejects(starting, (error: Error & { file?: string }) => {
      assert.equal(error.file, urlFile);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
  });
});
