/**
 * zot as the primary of a second site: it sends CloudEvents for each push and deletion. Images, indexes and referrers are here as a
 * whole then, also after zot has stopped, and a deleted tag is not served.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runCommand } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { get, json } from '../support/http-client.ts';
import { place } from './support/client.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped } from './support/equipment.ts';
import { run } from './support/programs.ts';
import { openSite } from './support/site.ts';
import { startZot } from './support/zot.ts';

const secret = 'the secret of the second site';
const registry = 'zot.corp';
const repository = 'group/app';
const name = `${registry}/${repository}`;

interface Job {
  readonly key: string;
  readonly state: string;
}

interface Replica {
  readonly tag: string;
  readonly state: string;
  readonly here: string | null;
}

test('what is pushed to zot is here before a client asks, and is served after zot has stopped', async (t) => {
  if (!isEquipped(t, ['zot', 'crane', 'oras'])) return;
  const site = await openSite();
  t.after(() => site.close());
  const home = site.folder('entrepot');
  const env = site.resident(home);
  const secretFile = place(`${home}/secret`, `${secret}\n`);
  // A tag stays fresh for longer than the test takes: only an event has it asked for again.
  const settings = `
[freshness]
tag = "24h"
[[events.in]]
name = "zot"
format = "cloudevents"
secret_file = "${secretFile}"
registry = "${registry}"
[[sync]]
name = "second-site"
source = "${registry}/group/**"
`;
  const at = (location: string) =>
    `[[registry]]\nprefix = "${registry}"\nlocation = "${location}"\ninsecure = true\n`;
  const entrepot = site.own(await startEntrepot(home, env, { registries: at('127.0.0.1:1'), settings }));
  const zot = site.own(
    await startZot(site.folder('zot'), env, { url: `${entrepot.url}/events/zot`, secret }),
  );
  place(`${home}/registries.conf`, at(zot.host));
  entrepot.kill('SIGHUP');
  await entrepot.line(/config\.reloaded/);

  const sample = async (metric: string) => {
    const { body } = await get(`${entrepot.url}/metrics`);
    const line = body
      .toString()
      .split('\n')
      .find((one) => one.startsWith(`${metric} `));
    return Number(line?.split(' ')[1] ?? 0);
  };
  const done = async (what: string, count: number) => {
    const begun = performance.now();
    await eventually(
      `${count} tags are done`,
      async () => (await sample('entrepot_replica_tags{state="done"}')) >= count,
    );
    t.diagnostic(`${what}: done ${Math.round(performance.now() - begun)} ms after the push had ended`);
  };
  const listed = async (...command: string[]) =>
    (await runCommand({ folder: home, data: `${home}/data` }, ...command, '--json')).json;
  const followed = (key: string) =>
    eventually(`the job ${key} is done`, async () =>
      ((await listed('jobs', 'list')) as readonly Job[]).some(
        (job) => job.key === key && job.state === 'done',
      ),
    );
  const crane = (...args: string[]) => run('crane', args, env);
  const here = `${entrepot.url}/v2/${name}`;
  const there = `${zot.host}/${repository}`;

  const image = await site.images.image('one');
  await zot.push(image, repository, 'v1');
  await done('an image', 1);
  const index = await site.images.index('many');
  await zot.push(index, repository, 'v2');
  await done('an index', 2);
  await crane('tag', `${there}:v1`, 'v3');
  await done('a tag', 3);
  const lag = await sample('entrepot_replica_lag_seconds_sum');
  t.diagnostic(`from the events to done: ${lag.toFixed(2)} s for all three`);

  const referrers = async (base: string) => {
    const listed = json(await get(`${base}/referrers/${image.digest}`)) as {
      manifests: { digest: string }[];
    };
    return listed.manifests.map(({ digest }) => digest);
  };
  const attached = place(`${site.folder('sbom')}/sbom.json`, '{"spdx":1}');
  const plain = ['--no-tty', '--plain-http', '--disable-path-validation'];
  await run(
    'oras',
    ['attach', ...plain, '--artifact-type', 'application/spdx+json', `${there}:v1`, attached],
    env,
  );
  const [sbom = ''] = await referrers(`http://${zot.host}/v2/${repository}`);
  await followed(`${name}@${sbom}`);

  const replicas = (await listed('replicas', 'list', '--tags')) as readonly Replica[];
  assert.deepEqual(
    replicas.map(({ tag, state, here }) => ({ tag, state, here })),
    [
      { tag: 'v1', state: 'done', here: image.digest },
      { tag: 'v2', state: 'done', here: index.digest },
      { tag: 'v3', state: 'done', here: image.digest },
    ],
  );

  assert.equal((await get(`${here}/manifests/v3`)).status, 200);
  await crane('delete', `${there}:v3`);
  await eventually(
    'a deleted tag is not served',
    async () => (await get(`${here}/manifests/v3`)).status === 404,
  );
  assert.equal(await sample('entrepot_events_total{sender="zot",result="refused"}'), 0);

  await zot.stop();
  for (const [reference, digest] of [
    [':v1', image.digest],
    [':v2', index.digest],
    [`@${sbom}`, sbom],
  ] as const) {
    const copy = site.folder('copy');
    const from = `docker://${entrepot.host}/${name}${reference}`;
    await run(
      'skopeo',
      ['copy', '--all', '--preserve-digests', '--src-tls-verify=false', from, `dir:${copy}`],
      env,
    );
    const inspected = await run('skopeo', ['manifest-digest', `${copy}/manifest.json`], env);
    assert.equal(inspected.trim(), digest);
  }
  assert.deepEqual(await referrers(here), [sbom]);
});
