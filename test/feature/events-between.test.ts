/** Servers of this program that tell each other: a second site, and one that would tell itself. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { imageManifest, imageType, pusher, sha256 } from '../support/pusher.ts';
import { tempFolder } from '../support/temp-folder.ts';

const name = 'images.local/team/app';
const pushes = `[access]\nanonymous = ["pull", "push"]\n[[push]]\nmatch = "images.local/**"\nmode = "local"\n`;

function folderWithSecret(t: TestContext): string {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'secret'), 'of both sites\n');
  return folder;
}

function sender(format: string, registry = 'images.local'): string {
  return `[[events.in]]\nname = "first"\nformat = "${format}"\nsecret_file = "secret"\nregistry = "${registry}"\n`;
}

/** Tells `to` of pushes. */
function sink(format: string, to: RunningApp): string {
  return `[[events.out]]\nname = "second"\nurl = "${to.url}/events/first"\nformat = "${format}"\nsecret_file = "secret"\n`;
}

async function push({ url }: RunningApp): Promise<string> {
  const client = pusher(url, name);
  for (const blob of ['config', 'layer']) await client.blob(blob);
  const json = imageManifest(['config', 'layer']);
  assert.equal((await client.manifest('v1', json)).status, 201);
  return sha256(JSON.stringify(json));
}

async function sample({ url }: RunningApp, metric: string): Promise<number> {
  const lines = (await get(`${url}/metrics`)).body.toString().split('\n');
  return Number(lines.find((line) => line.startsWith(`${metric} `))?.split(' ')[1] ?? 0);
}

for (const format of ['distribution', 'cloudevents']) {
  it(`a push to one server is done at another that it tells, as ${format}, and is served there alone`, async (t) => {
    const folder = folderWithSecret(t);
    const first = await startApp(t, { folder, registries: '', toml: pushes });
    const { host } = new URL(first.url);
    const second = await startApp(t, {
      folder: folderWithSecret(t),
      registries: `[[registry]]\nprefix = "images.local"\nlocation = "${host}/images.local"\ninsecure = true\n`,
      toml: `${sender(format)}[[sync]]\nname = "all"\nsource = "images.local/**"\n`,
    });
    await first.reload({ toml: `${pushes}${sink(format, second)}` });
    const digest = await push(first);
    await eventually(
      'the tag is done at the second server',
      async () => (await sample(second, 'entrepot_replica_tags{state="done"}')) === 1,
    );
    await first.stop();
    const manifest = await get(`${second.url}/v2/${name}/manifests/v1`, { headers: { accept: imageType } });
    assert.deepEqual([manifest.status, sha256(manifest.body)], [200, digest]);
    for (const blob of ['config', 'layer']) {
      const { body } = await get(`${second.url}/v2/${name}/blobs/${sha256(blob)}`);
      assert.equal(body.toString(), blob);
    }
  });
}

it('a server that tells itself ignores it', async (t) => {
  const folder = folderWithSecret(t);
  const app = await startApp(t, { folder, registries: '', toml: `${pushes}${sender('cloudevents')}` });
  await app.reload({ toml: `${pushes}${sender('cloudevents')}${sink('cloudevents', app)}` });
  await push(app);
  const ignored = 'entrepot_events_total{sender="first",result="ignored"}';
  await eventually('an event has come', async () => (await sample(app, ignored)) === 1);
  assert.equal(await sample(app, 'entrepot_events_total{sender="first",result="accepted"}'), 0);
  assert.deepEqual(await app.app.jobs.list({ kind: 'replicate', limit: 10 }), []);
});

it('two servers that tell each other, one of which follows the other, come to rest after a change', async (t) => {
  const upstream = await startFakeRegistry();
  t.after(() => upstream.stop());
  upstream.putImage('team/app', '1', buildImage({ seed: 'first' }));
  const toml = `${sender('cloudevents', 'corp.test')}[[sync]]\nname = "all"\nsource = "corp.test/team/app"\n`;
  const from = (location: string) => ({
    folder: folderWithSecret(t),
    registries: `[[registry]]\nprefix = "corp.test"\nlocation = "${location}"\ninsecure = true\n`,
    toml,
  });
  const first = await startApp(t, from(upstream.host));
  const second = await startApp(t, from(`${new URL(first.url).host}/corp.test`));
  for (const app of [first, second]) await app.app.administration.sync(['all'], {});
  const tells = (to: RunningApp) => `${toml}${sink('cloudevents', to)}on = ["push", "tag", "delete"]\n`;
  await first.reload({ toml: tells(second) });
  await second.reload({ toml: tells(first) });

  const moved = buildImage({ seed: 'second' });
  upstream.putImage('team/app', '1', moved);
  const body = JSON.stringify({
    ...{ specversion: '1.0', id: '1', source: 'corp', type: 'entrepot.tag.moved' },
    data: { repository: 'corp.test/team/app', tag: '1', digest: moved.digest },
  });
  const headers = { authorization: 'of both sites' };
  assert.equal((await get(`${first.url}/events/first`, { method: 'POST', headers, body })).status, 202);
  const jobsOf = ({ app }: RunningApp) => app.jobs.list({ kind: 'replicate', limit: 100 });
  await eventually('the second has told the first', async () => (await jobsOf(first)).length === 2);
  for (const app of [first, second]) {
    await eventually('it rests', async () => (await jobsOf(app)).every(({ state }) => state === 'done'));
    const { headers: told } = await get(`${app.url}/v2/corp.test/team/app/manifests/1`);
    assert.equal(told['docker-content-digest'], moved.digest);
  }
  assert.deepEqual([(await jobsOf(first)).length, (await jobsOf(second)).length], [2, 1]);
});

it('two servers that are mirrors of each other, and tell each other, come to rest after each change', async (t) => {
  const upstream = await startFakeRegistry();
  t.after(() => upstream.stop());
  // Events alone bring the change: no tag grows old meanwhile.
  const fresh = '[freshness]\ntag = "24h"\n';
  const toml = `${fresh}${sender('cloudevents', 'corp.test')}[[sync]]\nname = "all"\nsource = "corp.test/team/app"\n`;
  const source = `[[registry]]\nprefix = "corp.test"\nlocation = "${upstream.host}"\ninsecure = true\n`;
  const mirror = ({ url }: RunningApp) =>
    `${source}[[registry.mirror]]\nlocation = "${new URL(url).host}/corp.test"\ninsecure = true\n`;
  const [first, second] = [
    await startApp(t, { folder: folderWithSecret(t), registries: source, toml }, { clock: systemClock }),
    await startApp(t, { folder: folderWithSecret(t), registries: source, toml }, { clock: systemClock }),
  ];
  upstream.putImage('team/app', '1', buildImage({ seed: 'move 0' }));
  for (const app of [first, second]) await app.app.administration.sync(['all'], {});
  const tells = (to: RunningApp) => `${toml}${sink('cloudevents', to)}on = ["push", "tag", "delete"]\n`;
  await first.reload({ registries: mirror(second), toml: tells(second) });
  await second.reload({ registries: mirror(first), toml: tells(first) });

  const jobsOf = ({ app }: RunningApp) => app.jobs.list({ limit: 100 });
  const digestAt = async ({ url }: RunningApp) =>
    (await get(`${url}/v2/corp.test/team/app/manifests/1`)).headers['docker-content-digest'];
  const rests = async (app: RunningApp) =>
    (await jobsOf(app)).every(({ state }) => state === 'done') &&
    (await Array.fromAsync(app.app.administration.events.list({}))).length === 0;
  for (const [move, told] of [first, second, first].entries()) {
    const moved = buildImage({ seed: `move ${move + 1}` });
    upstream.putImage('team/app', '1', moved);
    const body = JSON.stringify({
      ...{ specversion: '1.0', id: `${move}`, source: 'corp', type: 'entrepot.tag.moved' },
      data: { repository: 'corp.test/team/app', tag: '1', digest: moved.digest },
    });
    const headers = { authorization: 'of both sites' };
    assert.equal((await get(`${told.url}/events/first`, { method: 'POST', headers, body })).status, 202);
    await eventually('both have it, and rest', async () => {
      for (const app of [first, second])
        if ((await digestAt(app)) !== moved.digest || !(await rests(app))) return false;
      return true;
    });
  }
  // Each move: the event from outside, and what the other one tells.
  const counts = [(await jobsOf(first)).length, (await jobsOf(second)).length];
  assert.ok(
    counts.every((count) => count <= 9),
    counts.join(),
  );
  upstream.removeManifest('team/app', '1');
  for (const app of [first, second]) await app.app.administration.replicas.resync('corp.test/team/app:1');
  await eventually('the tag is gone at both', async () => {
    for (const app of [first, second])
      if ((await digestAt(app)) !== undefined || !(await rests(app))) return false;
    return true;
  });
});
