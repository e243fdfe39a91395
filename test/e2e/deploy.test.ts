/** The files of deploy/, tried by the programs that they are for. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCommand } from '../support/commands.ts';
import { dashboardQueries, deployed } from '../support/deployed.ts';
import { startEventReceiver } from '../support/event-receiver.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { endShort, rateLimited } from '../support/fake-registry-faults.ts';
import { get, json } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { startEntrepot } from './support/entrepot.ts';
import { hasPrograms } from './support/equipment.ts';
import { run, start } from './support/programs.ts';

test('promtool finds no fault in the alerts, and each fires when it should and not otherwise', async (t) => {
  if (!hasPrograms(t, ['promtool'])) return;
  await run('promtool', ['check', 'rules', deployed.alerts], {});
  await run('promtool', ['test', 'rules', deployed.alertTests], {});
});

test('promtool finds no fault in the metrics', async (t) => {
  if (!hasPrograms(t, ['promtool'])) return;
  const { entrepot, folder } = await usedEntrepot(t);
  const metrics = join(folder, 'metrics');
  writeFileSync(metrics, (await get(`${entrepot.url}/metrics`)).body);
  assert.equal(await run('sh', ['-c', `promtool check metrics < ${metrics}`], {}), '');
});

test('a Prometheus that scrapes Entrepot has an answer to every query of the dashboard, and evaluates every alert', async (t) => {
  if (!hasPrograms(t, ['prometheus'])) return;
  const { entrepot, folder } = await usedEntrepot(t);
  const settings = {
    global: { scrape_interval: '500ms', evaluation_interval: '500ms' },
    rule_files: [deployed.alerts],
    scrape_configs: [{ job_name: 'entrepot', static_configs: [{ targets: [entrepot.host] }] }],
  };
  const file = join(folder, 'prometheus.yml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(settings));
  const where = [`--storage.tsdb.path=${join(folder, 'series')}`, '--web.listen-address=127.0.0.1:0'];
  const ready = /Listening on" address=(127\.0\.0\.1:\d+)/;
  const prometheus = await start('prometheus', [`--config.file=${file}`, ...where], {}, ready);
  t.after(() => prometheus.stop());
  await prometheus.line(/Server is ready to receive web requests/);
  const ask = async <T>(path: string): Promise<T> => {
    const answer = await get(`http://${prometheus.announced}/api/v1/${path}`);
    assert.equal(answer.status, 200, `${decodeURIComponent(path)}: ${answer.body}`);
    return (json(answer) as { data: T }).data;
  };
  const query = async (expr: string) =>
    (await ask<{ result: readonly unknown[] }>(`query?query=${encodeURIComponent(expr)}`)).result;

  await eventually('three scrapes', async () => (await query('count_over_time(up[1m]) >= 3')).length > 0);
  const silent: string[] = [];
  for (const { at, expr } of dashboardQueries()) {
    const concrete = expr.replaceAll(/\$(?:job|instance)\b/g, '.*').replaceAll('$__rate_interval', '1m');
    // Whether it has just been started depends on when one looks.
    if (at !== 'annotations' && (await query(concrete)).length === 0) silent.push(`${at}: ${concrete}`);
  }
  assert.deepEqual(silent, []);

  const rules = await eventually('an evaluation', async () => {
    const { groups } = await ask<{ groups: readonly { rules: readonly Rule[] }[] }>('rules');
    const all = groups.flatMap((group) => group.rules);
    return all.every(({ health }) => health !== 'unknown') && all;
  });
  assert.deepEqual(
    rules.filter(({ health }) => health !== 'ok'),
    [],
  );
  const firing = rules.filter(({ state }) => state === 'firing').map(({ name }) => name);
  assert.deepEqual(firing, [], 'those that wait for nothing see no reason');
});

interface Rule {
  readonly name: string;
  readonly health: 'ok' | 'err' | 'unknown';
  readonly state: 'inactive' | 'pending' | 'firing';
}

/** Entrepot after pulls from a registry that breaks off once and limits requests in the end. */
async function usedEntrepot(t: TestContext) {
  const folder = tempFolder(t);
  const headers = { 'ratelimit-limit': '100', 'ratelimit-remaining': '76' };
  const registry = await startFakeRegistry({ headers });
  t.after(() => registry.stop());
  const image = buildImage({ layers: [3_000_000] });
  registry.putImage('team/app', '1', image);
  registry.on({ digest: image.layers[0]!.digest, nth: 1 }, endShort(1_000_000));
  registry.on({ repository: 'team/other' }, rateLimited(600));
  const registries = `[[registry]]\nprefix = "quay.io"\nlocation = "${registry.host}"\ninsecure = true\n`;
  const sink = await startEventReceiver(t);
  writeFileSync(join(folder, 'secret'), 'correct horse\n');
  const settings = `[cache]
max_size = "10MB"
min_free = "1MB"
[[cache.quota]]
match = "**/team/*"
max_size = "5MB"
[[sync]]
name = "all"
source = "quay.io/team/app"
[[events.in]]
name = "sender"
format = "distribution"
secret_file = "${join(folder, 'secret')}"
registry = "quay.io"
[[events.out]]
name = "sink"
format = "cloudevents"
url = "${sink.url}"
on = ["synced"]
`;
  const entrepot = await startEntrepot(folder, {}, { registries, settings });
  t.after(() => entrepot.stop());
  const blobs = image.blobs.map(({ digest }) => `team/app/blobs/${digest}`);
  const pull = (path: string) => get(`${entrepot.url}/v2/quay.io/${path}`);
  for (const path of ['team/app/manifests/1', 'team/app/manifests/1', ...blobs]) await pull(path);
  const change = { mediaType: image.mediaType, digest: image.digest, repository: 'team/app', tag: '1' };
  const told = await get(`${entrepot.url}/events/sender`, {
    method: 'POST',
    headers: { authorization: 'correct horse' },
    body: JSON.stringify({ events: [{ id: '1', action: 'push', target: change }] }),
  });
  assert.equal(told.status, 202);
  const shown = async () => (await get(`${entrepot.url}/metrics`)).body.toString();
  await eventually('the tag is here as a whole', async () =>
    (await shown()).includes('entrepot_replica_tags{state="done"} 1'),
  );
  const synced = await runCommand({ folder, data: join(folder, 'data') }, 'sync', 'all');
  assert.equal(synced.code, 0, synced.stderr);
  // Nothing more is asked of the host after this.
  await pull('team/other/manifests/1');
  return { entrepot, folder };
}

test('systemd finds no fault in the unit, and little that it is exposed to', async (t) => {
  if (!hasPrograms(t, ['systemd-analyze'])) return;
  // Nothing is installed where the unit looks for it.
  const folder = tempFolder(t);
  const unit = join(folder, 'entrepot.service');
  writeFileSync(unit, readFileSync(deployed.unit, 'utf8').replaceAll('/usr/bin/node', process.execPath));
  assert.equal(await run('sh', ['-c', `systemd-analyze verify ${unit} 2>&1`], {}), '');
  await run('systemd-analyze', ['security', '--offline=true', '--threshold=20', unit], {});
});
