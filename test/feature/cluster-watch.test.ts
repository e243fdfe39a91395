/** The watch of an API server over TLS: as which account, with which certificates, and what an API server does to long watches. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { type LivePolicies, openLivePolicies } from '../../src/app/live-policies.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { manifestsOf } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeKubernetes, startFakeKubernetes } from '../support/fake-kubernetes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const account = 'var/run/secrets/kubernetes.io/serviceaccount';
const noProxies = { http: undefined, https: undefined, no: undefined };

interface Pod {
  readonly root: string;
  readonly data: string;
  readonly log: string[];
  setToken(token: string): void;
  /** With a proxy that nothing answers at: it must not be used for the cluster. */
  open(env?: Readonly<Record<string, string>>): Promise<LivePolicies>;
}

/** A pod with an account in `cluster`, which trusts `ca`. */
function podIn(t: TestContext, cluster: FakeKubernetes, ca = cluster.authority.cert): Pod {
  const root = tempFolder(t);
  const log: string[] = [];
  mkdirSync(join(root, account), { recursive: true });
  writeFileSync(join(root, account, 'ca.crt'), ca);
  const setToken = (token: string) => writeFileSync(join(root, account, 'token'), token);
  setToken('t1');
  const data = join(root, 'data');
  const inPod = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: `${cluster.port}` };
  return {
    ...{ root, data, log, setToken },
    async open(env = inPod) {
      const policies = await openLivePolicies(data, {
        surroundings: { env, home: '/none', uid: 1000, root },
        proxies: { ...noProxies, https: 'http://127.0.0.1:9' },
        log: createLog({ level: 'debug', to: { write: (line) => log.push(line) } }),
        version: undefined,
      });
      t.after(() => policies.stop());
      return policies;
    },
  };
}

const apply = (cluster: FakeKubernetes, name: string) =>
  cluster.apply(manifestsOf({ digest: [`quay.io/${name} <- m.corp/${name}`] }, () => name)[0]!);

function names({ objects }: LivePolicies): readonly string[] {
  return JSON.parse(objects.text).items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
}

async function hasNames(policies: LivePolicies, ...wanted: readonly string[]): Promise<void> {
  await eventually(wanted.join(' '), () => names(policies).join(' ') === wanted.join(' '));
}

const all = (cluster: FakeKubernetes) => eventually('three watches', () => cluster.watches() === 3);

it('the account of a pod is used directly, and a token that the kubelet renewed from the next request on', async (t) => {
  const cluster = await startFakeKubernetes(t);
  apply(cluster, 'a');
  const pod = podIn(t, cluster);
  const policies = await pod.open();
  assert.deepEqual(names(policies), ['a']);
  assert.deepEqual(new Set(cluster.requests.map(({ token }) => token)), new Set(['t1']));
  await all(cluster);
  pod.setToken('t2');
  cluster.tokens = ['t2'];
  cluster.endWatches();
  await all(cluster);
  apply(cluster, 'b');
  await hasNames(policies, 'a', 'b');
  assert.ok(!pod.log.some((line) => /forbidden|t1|t2/.test(line)), pod.log.join(''));
});

it('several pages, bookmarks, an end of each watch, and versions that are too old lose nothing', async (t) => {
  const cluster = await startFakeKubernetes(t);
  cluster.pageSize = 1;
  for (const name of ['a', 'b', 'c']) apply(cluster, name);
  const policies = await podIn(t, cluster).open();
  assert.deepEqual(names(policies), ['a', 'b', 'c']);
  policies.used(policies.objects.text);
  let changes = 0;
  policies.start(() => {
    changes += 1;
  });
  await all(cluster);
  cluster.bookmark();
  cluster.endWatches();
  await all(cluster);
  assert.match(cluster.requests.at(-1)?.path ?? '', /resourceVersion=1004$/);
  // While nothing watches: only a list can show it.
  cluster.expire();
  cluster.remove('ImageDigestMirrorSet', 'b');
  await hasNames(policies, 'a', 'c');
  await all(cluster);
  apply(cluster, 'd');
  await hasNames(policies, 'a', 'c', 'd');
  assert.equal(changes, 2);
});

it('a change while nothing watches is in the next watch', async (t) => {
  const cluster = await startFakeKubernetes(t);
  apply(cluster, 'a');
  const policies = await podIn(t, cluster).open();
  await all(cluster);
  const lists = () => cluster.requests.filter(({ path }) => !path.includes('watch=')).length;
  const listed = lists();
  cluster.endWatches();
  apply(cluster, 'b');
  await hasNames(policies, 'a', 'b');
  assert.equal(lists(), listed, 'no list was needed');
});

it('a change while the server starts is told at the start, and only what the configuration was made of counts as in force', async (t) => {
  const cluster = await startFakeKubernetes(t);
  apply(cluster, 'a');
  const { open, data } = podIn(t, cluster);
  const policies = await open();
  const { text } = policies.objects;
  await all(cluster);
  apply(cluster, 'b');
  await hasNames(policies, 'a', 'b');
  policies.used(text);
  assert.equal(readFileSync(join(data, 'kubernetes-objects-in-force.json'), 'utf8'), text);
  let changes = 0;
  const changed = () => {
    changes += 1;
  };
  policies.start(changed);
  assert.equal(changes, 1, 'b is not in force');
  policies.used(policies.objects.text);
  policies.start(changed);
  assert.equal(changes, 1, 'nothing is left to try');
});

it('connections that break, and a server that is away, keep what is known', async (t) => {
  const cluster = await startFakeKubernetes(t);
  apply(cluster, 'a');
  const pod = podIn(t, cluster);
  const policies = await pod.open();
  await all(cluster);
  cluster.dropConnections();
  await eventually('it says so', () => policies.states().some(({ state }) => state === 'unreachable'));
  assert.deepEqual(names(policies), ['a']);
  await all(cluster);
  await eventually('it is well again', () => policies.states().every(({ state }) => state === 'listed'));
  assert.ok(
    pod.log.some(
      (line) => line.includes('"policies.unreachable"') && line.includes('those known last stay in force'),
    ),
  );
});

it('a kind that the cluster does not have counts as none, and appears with its definition', async (t) => {
  const cluster = await startFakeKubernetes(t);
  cluster.absent = ['imagecontentsourcepolicies'];
  apply(cluster, 'a');
  const policies = await podIn(t, cluster).open();
  assert.deepEqual(names(policies), ['a']);
  assert.deepEqual(
    policies.states().map(({ state }) => state),
    ['listed', 'listed', 'absent'],
  );
});

it('a proxy that says 404 for a server that is away does not remove what is in force', async (t) => {
  const cluster = await startFakeKubernetes(t);
  apply(cluster, 'a');
  const policies = await podIn(t, cluster).open();
  await all(cluster);
  cluster.isKubernetes = false;
  cluster.dropConnections();
  await eventually('it says so', () => policies.states().every(({ reason }) => /404/.test(reason ?? '')));
  assert.deepEqual(names(policies), ['a']);
});

it('a server with a certificate of another CA is not believed', async (t) => {
  const cluster = await startFakeKubernetes(t);
  const pod = podIn(t, cluster, createCertificateAuthority('Another').cert);
  await assert.rejects(pod.open(), /are not known: .*certificate/s);
  assert.deepEqual(cluster.requests, []);
});

it('a CA that was exchanged in its file is used by the next connection', async (t) => {
  const cluster = await startFakeKubernetes(t);
  apply(cluster, 'a');
  const pod = podIn(t, cluster, createCertificateAuthority('Old').cert);
  const opening = pod.open();
  await eventually('a connection was refused', () =>
    pod.log.some((line) => line.includes('"policies.unreachable"')),
  );
  writeFileSync(join(pod.root, account, 'ca.crt'), cluster.authority.cert);
  assert.deepEqual(names(await opening), ['a']);
});

it('a kubeconfig shows its client certificate', async (t) => {
  const people = createCertificateAuthority('People');
  const cluster = await startFakeKubernetes(t, { clientCa: people.cert });
  cluster.tokens = [''];
  apply(cluster, 'a');
  const pod = podIn(t, cluster);
  const { key, cert } = people.issue({ client: true, hosts: [], commonName: 'entrepot' });
  const inside = (text: string) => Buffer.from(text).toString('base64');
  const kubeconfig = {
    'current-context': 'x',
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      {
        name: 'c',
        cluster: { server: cluster.url, 'certificate-authority-data': inside(cluster.authority.cert) },
      },
    ],
    users: [{ name: 'u', user: { 'client-certificate-data': inside(cert), 'client-key-data': inside(key) } }],
  };
  const file = join(pod.root, 'config');
  writeFileSync(file, JSON.stringify(kubeconfig));
  assert.deepEqual(names(await pod.open({ KUBECONFIG: file })), ['a']);
  assert.ok(cluster.requests.every(({ token }) => token === undefined));
});

it('lines that are no events, or have no end, are no objects', async (t) => {
  const cluster = await startFakeKubernetes(t);
  apply(cluster, 'a');
  const policies = await podIn(t, cluster).open();
  for (const line of [
    'nonsense',
    '[]',
    '{"type":"ADDED","object":{"metadata":{"resourceVersion":"1"}}}',
    'x'.repeat(5e6),
  ]) {
    await all(cluster);
    const before = cluster.requests.length;
    cluster.sendLine(line);
    await eventually('it lists again', () =>
      cluster.requests.slice(before).some(({ path }) => /limit=/.test(path)),
    );
  }
  await all(cluster);
  assert.deepEqual(names(policies), ['a']);
  assert.equal(JSON.parse(readFileSync(policies.objects.file, 'utf8')).items.length, 1);
});
