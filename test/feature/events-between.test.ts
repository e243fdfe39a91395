/** Servers of this program that tell each other: a second site, and one that would tell itself. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { type RunningApp, startApp } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { imageManifest, imageType, pusher, sha256 } from '../support/pusher.ts';
import { tempFolder } from '../support/temp-folder.ts';

const name = 'images.local/team/app';
const pushes = `[access]\nanonymous = ["pull", "push"]\n[[push]]\nmatch = "images.local/**"\nmode = "local"\n`;

function folderWithSecret(t: TestContext): string {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'secret'), 'of both sites\n');
  return folder;
}

function sender(format: string): string {
  return `[[events.in]]\nname = "first"\nformat = "${format}"\nsecret_file = "secret"\nregistry = "images.local"\n`;
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
