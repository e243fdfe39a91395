/**
 * The watch of cluster objects against a real API server: that of custom resources alone, which has lists, watches, versions and schemas
 * like any other. It takes half an hour to build, so .ci/run does not have it.
 */
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { type LivePolicies, openLivePolicies } from '../../src/app/live-policies.ts';
import { watchedKinds } from '../../src/kubernetes/object-table.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { manifestsOf } from '../support/cluster-objects.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { place } from './support/client.ts';
import { hasObtainablePrograms } from './support/equipment.ts';
import { start } from './support/programs.ts';

interface ApiServer {
  readonly kubeconfig: string;
  readonly folder: string;
  /** The status. */
  ask(method: string, path: string, body?: object): Promise<number>;
}

/** etcd, and the API server for custom resources over it; its one account may do everything. */
async function startApiServer(t: TestContext): Promise<ApiServer> {
  const folder = tempFolder(t);
  const authority = createCertificateAuthority('Cluster');
  const server = authority.issue({ hosts: ['127.0.0.1'] });
  const admin = authority.issue({
    client: true,
    hosts: [],
    commonName: 'admin',
    organization: 'system:masters',
  });
  const file = (name: string, text: string) => place(join(folder, name), text);
  const [ca, cert, key] = [
    file('ca.crt', authority.cert),
    file('s.crt', server.cert),
    file('s.key', server.key),
  ];
  const [etcdPort, peerPort, port] = [await freePort(), await freePort(), await freePort()];
  const url = `https://127.0.0.1:${port}`;
  const data = (text: string) => Buffer.from(text).toString('base64');
  const kubeconfig = file(
    'kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server: url, 'certificate-authority-data': data(authority.cert) } }],
      users: [
        {
          name: 'u',
          user: { 'client-certificate-data': data(admin.cert), 'client-key-data': data(admin.key) },
        },
      ],
    }),
  );
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const etcd = await start(
    'etcd',
    [
      `--data-dir=${join(folder, 'etcd')}`,
      ...[`--listen-client-urls=${etcdUrl}`, `--advertise-client-urls=${etcdUrl}`],
      ...[`--listen-peer-urls=http://127.0.0.1:${peerPort}`, '--unsafe-no-fsync'],
    ],
    {},
    /ready to serve client requests|serving insecure client requests/,
  );
  t.after(() => etcd.stop());
  const off = [
    ...['NamespaceLifecycle', 'MutatingAdmissionWebhook', 'ValidatingAdmissionWebhook'],
    ...['ValidatingAdmissionPolicy', 'MutatingAdmissionPolicy'],
  ];
  const api = await start(
    'apiextensions-apiserver',
    [
      ...[`--etcd-servers=${etcdUrl}`, `--secure-port=${port}`, '--bind-address=127.0.0.1'],
      ...[`--tls-cert-file=${cert}`, `--tls-private-key-file=${key}`, `--client-ca-file=${ca}`],
      ...['--authentication-skip-lookup', '--enable-priority-and-fairness=false'],
      ...[`--authentication-kubeconfig=${kubeconfig}`, `--authorization-kubeconfig=${kubeconfig}`],
      ...[`--kubeconfig=${kubeconfig}`, `--disable-admission-plugins=${off.join(',')}`],
    ],
    {},
    /Serving securely/,
  );
  t.after(() => api.stop());

  const ask = (method: string, path: string, body?: object) =>
    new Promise<number>((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const sent = request(`${url}${path}`, { method, headers, ca: authority.cert, ...admin }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode ?? 0));
      });
      sent.on('error', reject);
      sent.end(body && JSON.stringify(body));
    });
  return { kubeconfig, folder, ask };
}

/** Defines a kind as OpenShift does, with a schema that takes any spec. */
async function define({ ask }: ApiServer, kind: string): Promise<void> {
  const { apiVersion, resource } = watchedKinds.find((known) => known.kind === kind)!;
  const [group, version] = apiVersion.split('/');
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  const schema = { openAPIV3Schema: { type: 'object', required: ['spec'], properties: { spec: open } } };
  const status = await ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', {
    ...{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition' },
    metadata: { name: `${resource}.${group}` },
    spec: {
      ...{ group, scope: 'Cluster', names: { plural: resource, kind, singular: kind.toLowerCase() } },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  });
  assert.equal(status, 201);
  await eventually(
    `${kind} is served`,
    async () => (await ask('GET', `/apis/${apiVersion}/${resource}`)) === 200,
  );
}

const digests = '/apis/config.openshift.io/v1/imagedigestmirrorsets';
const set = (name: string) => manifestsOf({ digest: [`quay.io/${name} <- m.corp/${name}`] }, () => name)[0]!;

function names({ objects }: LivePolicies): readonly string[] {
  return JSON.parse(objects.text).items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
}

it('objects of a real API server come by list and watch, and kinds that it does not have count as none', async (t) => {
  if (!hasObtainablePrograms(t, ['apiextensions-apiserver', 'etcd'])) return;
  const server = await startApiServer(t);
  await define(server, 'ImageDigestMirrorSet');
  for (const name of ['a', 'b']) assert.equal(await server.ask('POST', digests, set(name)), 201);
  const policies = await openLivePolicies(join(server.folder, 'data'), {
    surroundings: { env: { KUBECONFIG: server.kubeconfig }, home: '/none', uid: 1000 },
    proxies: { http: undefined, https: undefined, no: undefined },
    log: createLog({ level: 'silent', to: { write: () => {} } }),
    version: undefined,
  });
  t.after(() => policies.stop());
  assert.deepEqual(names(policies), ['a', 'b']);
  assert.deepEqual(
    policies.states().map(({ state }) => state),
    ['listed', 'absent', 'absent'],
  );
  const has = async (...wanted: readonly string[]) =>
    await eventually(wanted.join(), () => names(policies).join() === wanted.join());
  assert.equal(await server.ask('POST', digests, set('c')), 201);
  await has('a', 'b', 'c');
  assert.equal(await server.ask('DELETE', `${digests}/a`), 200);
  await has('b', 'c');
  // The server refuses what its schema does not have.
  assert.equal(await server.ask('POST', digests, { ...set('d'), spec: undefined }), 422);
  await define(server, 'ImageTagMirrorSet');
  await eventually('the new kind is noticed', () => policies.states()[1]?.state === 'listed');
  assert.deepEqual(names(policies), ['b', 'c']);
});
