/** Policies from the cluster that Entrepot runs beside: watched over TLS, put in force as a reload, known without the cluster. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { manifestsOf, type ShortObjects } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeKubernetes, startFakeKubernetes } from '../support/fake-kubernetes.ts';
import { runEntrepot, startEntrepot } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

interface Site {
  readonly cluster: FakeKubernetes;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
}

async function setUp(t: TestContext): Promise<Site> {
  const cluster = await startFakeKubernetes(t);
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'registries.conf'), '[[registry]]\nlocation = "quay.io"\n');
  writeFileSync(join(folder, 'token'), 't1\n');
  const kubeconfig = {
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      {
        name: 'c',
        cluster: {
          server: cluster.url,
          'certificate-authority-data': Buffer.from(cluster.authority.cert).toString('base64'),
        },
      },
    ],
    users: [{ name: 'u', user: { tokenFile: 'token' } }],
  };
  writeFileSync(join(folder, 'kubeconfig'), JSON.stringify(kubeconfig));
  const flags = [
    ...['--registries', join(folder, 'registries.conf'), '--data', join(folder, 'data')],
    ...['--policies-from', 'kubernetes'],
  ];
  return { cluster, folder, env: { KUBECONFIG: join(folder, 'kubeconfig') }, flags };
}

async function serve(t: TestContext, { flags, env }: Site) {
  const running = await startEntrepot({ args: flags, env });
  t.after(() => running.stop());
  return running;
}

function apply({ cluster }: Site, name: string, objects: ShortObjects): void {
  for (const object of manifestsOf(objects, () => name)) cluster.apply(object);
}

/** The hosts that are asked for quay.io/app by digest, as `explain` says from what the server saw. */
async function asked({ flags, env }: Site): Promise<readonly string[]> {
  const reference = `quay.io/app@sha256:${'1'.repeat(64)}`;
  const { stdout, stderr } = await runEntrepot(['explain', reference, '--json', ...flags], { env });
  const { endpoints } = JSON.parse(stdout || '{}');
  assert.ok(endpoints, stderr);
  return endpoints.map(({ host }: { host: string }) => host);
}

async function reloads(running: { readonly stdout: string }, count: number): Promise<void> {
  await eventually(`reload ${count}`, () => running.stdout.split('"config.reloaded"').length > count);
}

it('objects are in force before the first client, and each change of them is a reload', async (t) => {
  const site = await setUp(t);
  apply(site, 'app', { digest: ['quay.io/app <- m1.corp/app'] });
  const running = await serve(t, site);
  assert.deepEqual(await asked(site), ['m1.corp', 'quay.io']);

  apply(site, 'app', { digest: ['quay.io/app <- m2.corp/app never'] });
  await reloads(running, 1);
  assert.deepEqual(await asked(site), ['m2.corp', 'quay.io']);
  apply(site, 'old', { old: ['quay.io <- m3.corp'] });
  await reloads(running, 2);
  site.cluster.remove('ImageDigestMirrorSet', 'app');
  await reloads(running, 3);
  assert.deepEqual(await asked(site), ['m3.corp', 'quay.io']);
});

it('objects that cannot be used are named, and the last good configuration stays, over a restart too', async (t) => {
  const site = await setUp(t);
  apply(site, 'good', { digest: ['quay.io/app <- m1.corp/app never'] });
  const running = await serve(t, site);
  apply(site, 'contrary', { digest: ['quay.io/app <- m2.corp/app'] });
  const line = await running.line(/config\.refused/);
  assert.match(line, /ImageDigestMirrorSet.*(?:contrary|good).*conflicting mirrorSourcePolicy/);
  assert.match(line, /the old one stays/);
  await running.stop();

  const again = await serve(t, site);
  await again.line(/config\.refused/);
  const metrics = await (await fetch(`${again.url}/metrics`)).text();
  assert.match(metrics, /^entrepot_config_last_reload_successful 0$/m);
  site.cluster.remove('ImageDigestMirrorSet', 'contrary');
  await reloads(again, 1);
  assert.deepEqual(await asked(site), ['m1.corp', 'quay.io']);
});

it('a start without the API server serves the objects that were seen last', async (t) => {
  const site = await setUp(t);
  apply(site, 'app', { digest: ['quay.io/app <- m1.corp/app'] });
  const first = await serve(t, site);
  await first.stop();
  await site.cluster.close();

  const running = await serve(t, site);
  assert.match(running.stdout, /"policies\.unreachable"/);
  assert.deepEqual(await asked(site), ['m1.corp', 'quay.io']);
  apply(site, 'app', { digest: ['quay.io/app <- m2.corp/app'] });
  await site.cluster.reopen();
  await reloads(running, 1);
  assert.deepEqual(await asked(site), ['m2.corp', 'quay.io']);
});

it('a first start without the objects fails, and says why', async (t) => {
  const site = await setUp(t);
  site.cluster.forbidden = ['imagetagmirrorsets'];
  const { code, stderr } = await runEntrepot(['serve', '--listen', '127.0.0.1:0', ...site.flags], {
    env: site.env,
  });
  assert.equal(code, 2);
  assert.match(
    stderr,
    /objects of the cluster are not known: .*ImageTagMirrorSet \(HTTP 403: imagetagmirrorsets is forbidden/,
  );
  assert.ok(!existsSync(join(site.folder, 'data/kubernetes-objects.json')));
});

it('what the data folder remembers holds names and specs alone, and another user of its group may read it', async (t) => {
  const site = await setUp(t);
  apply(site, 'app', { digest: ['quay.io/app <- m1.corp/app'] });
  await serve(t, site);
  const file = join(site.folder, 'data/kubernetes-objects.json');
  assert.equal(statSync(file).mode & 0o447, 0o440);
  const text = readFileSync(file, 'utf8');
  assert.deepEqual(JSON.parse(text), {
    apiVersion: 'v1',
    kind: 'List',
    items: manifestsOf({ digest: ['quay.io/app <- m1.corp/app'] }, () => 'app'),
  });
  assert.equal(readFileSync(join(site.folder, 'data/kubernetes-objects-in-force.json'), 'utf8'), text);
});

it('a command says so if no server has seen the cluster', async (t) => {
  const site = await setUp(t);
  const { stdout } = await runEntrepot(['check', '--json', ...site.flags], { env: site.env });
  const { warnings, errors } = JSON.parse(stdout);
  assert.deepEqual(errors, []);
  assert.match(JSON.stringify(warnings), /no server has read the objects of the cluster/);
  assert.deepEqual(site.cluster.requests, []);
});
