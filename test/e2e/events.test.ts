/**
 * Real registries as the primary of a second site: they tell of each push, with the settings that GitLab documents, and what was pushed
 * is here as a whole then, also when the primary is gone.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { place } from './support/client.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped } from './support/equipment.ts';
import { startOrigin } from './support/origin.ts';
import { run } from './support/programs.ts';
import { openSite } from './support/site.ts';

const primaries = [
  { name: 'distribution 2.8', program: 'docker-registry' },
  { name: 'distribution 3', program: 'registry' },
] as const;
const secret = 'the secret of the second site';
const registry = 'registry.gitlab.corp';

for (const { name, program } of primaries) {
  test(`a push to ${name} is here before a client asks, and is served when the registry is gone`, async (t) => {
    if (!isEquipped(t, [program])) return;
    const site = await openSite();
    t.after(() => site.close());
    const home = site.folder('entrepot');
    const env = site.resident(home);
    const secretFile = place(`${home}/secret`, `${secret}\n`);
    const settings = `
[[events.in]]
name = "gitlab"
format = "distribution"
secret_file = "${secretFile}"
registry = "${registry}"
[[sync]]
name = "second-site"
source = "${registry}/group/**"
`;
    const at = (location: string) =>
      `[[registry]]\nprefix = "${registry}"\nlocation = "${location}"\ninsecure = true\n`;
    const entrepot = site.own(await startEntrepot(home, env, { registries: at('127.0.0.1:1'), settings }));
    const notifies = { url: `${entrepot.url}/events/gitlab`, secret };
    const origin = site.own(await startOrigin(site.folder('origin'), env, { program, notifies }));
    place(`${home}/registries.conf`, at(origin.host));
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
    const done = async (count: number) => {
      const begun = performance.now();
      await eventually(
        `${count} tags are done`,
        async () => (await sample('entrepot_replica_tags{state="done"}')) >= count,
      );
      t.diagnostic(`done ${Math.round(performance.now() - begun)} ms after the push had ended`);
    };
    const image = await site.images.image('one');
    await origin.push(image, 'group/project/app', 'v1');
    await done(1);
    const index = await site.images.index('many');
    await origin.push(index, 'group/project/app', 'v2');
    await done(2);
    assert.equal(await sample('entrepot_events_total{sender="gitlab",result="refused"}'), 0);
    const lag = await sample('entrepot_replica_lag_seconds_sum');
    t.diagnostic(`from the events to done: ${lag.toFixed(2)} s for both`);

    await origin.stop();
    for (const [tag, { digest }] of Object.entries({ v1: image, v2: index })) {
      const copy = `${home}/${tag}`;
      const from = `docker://${entrepot.host}/${registry}/group/project/app:${tag}`;
      await run('skopeo', ['copy', '--all', '--src-tls-verify=false', from, `oci:${copy}:${tag}`], env);
      const inspected = await run('skopeo', ['inspect', '--raw', `oci:${copy}:${tag}`], env);
      assert.notEqual(inspected, '');
      const { headers } = await get(`${entrepot.url}/v2/${registry}/group/project/app/manifests/${tag}`, {
        method: 'HEAD',
      });
      assert.equal(headers['docker-content-digest'], digest);
    }
  });
}
