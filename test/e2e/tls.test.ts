/**
 * Entrepot over TLS, with a certificate of a CA that only the client's own configuration knows, and with clients that must
 * show one themselves; and a certificate that is renewed while it serves.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type CertificateAuthority, createCertificateAuthority } from '../support/certificates.ts';
import type { RunningEntrepot } from '../support/processes.ts';
import { place } from './support/client.ts';
import { pullWithHosts } from './support/containerd.ts';
import { docker, pullWithDaemon } from './support/docker.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { startOrigin } from './support/origin.ts';
import { pullWithRegistriesConf } from './support/podman.ts';
import { run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';
import { command, snippet } from './support/snippets.ts';

const hostsToml = '/etc/containerd/certs.d/registry.k8s.io/hosts.toml';
const dropIn = '/etc/containers/registries.conf.d/50-entrepot.conf';
const daemonJson = '/etc/docker/daemon.json';
/** Leads to this machine, too, and is none of the addresses (127.0.0.0/8) at which Docker looks at no certificate. */
const beyondLoopback = '0.0.0.0';
const servers = createCertificateAuthority('Servers');
const clients = createCertificateAuthority('Clients');
const certificateRefused = /certificate|tls:|EOF|reset/i;

describe('through Entrepot over TLS', () => {
  let site: Site;
  let pushed: Image;
  let home: string;
  let registries: string;
  let open: RunningEntrepot;
  let closed: RunningEntrepot;

  before(async () => {
    if (obstacle() !== undefined) return;
    site = await openSite();
    home = site.folder('origin-home');
    const origin = site.own(await startOrigin(site.folder('origin'), site.resident(home)));
    pushed = await site.images.image('tls');
    await origin.push(pushed, 'team/app', '1');
    await origin.push(pushed, 'library/app', '1');
    const entry = (prefix: string) =>
      `[[registry]]\nprefix = "${prefix}"\nlocation = "${origin.host}"\ninsecure = true\n`;
    registries = ['quay.io', 'registry.k8s.io', 'docker.io'].map(entry).join('\n');
    open = await serving(site.folder('open'), servers);
    closed = await serving(site.folder('closed'), servers, clients);
  });
  after(() => site?.close());

  /** An Entrepot whose certificate `authority` has signed. */
  async function serving(folder: string, authority: CertificateAuthority, clientCa?: CertificateAuthority) {
    const { certificate, key } = placePair(folder, authority);
    const ca = clientCa && place(join(folder, 'client-ca.crt'), clientCa.cert);
    const settings = `[tls]\ncertificate = "${certificate}"\nkey = "${key}"\n${ca ? `client_ca = "${ca}"\n` : ''}`;
    return site.own(await startEntrepot(folder, site.resident(folder), { registries, settings }));
  }

  function placePair(folder: string, authority: CertificateAuthority) {
    const { cert, key } = authority.issue({ hosts: ['127.0.0.1', beyondLoopback] });
    return {
      certificate: place(join(folder, 'tls.crt'), cert),
      key: place(join(folder, 'tls.key'), key),
    };
  }

  /** What a client is told: the CA, and with `own` its certificate. */
  function placeCertificates(folder: string, own?: CertificateAuthority, ca = servers): string {
    place(join(folder, 'ca.crt'), ca.cert);
    const issued = own?.issue({ client: true });
    if (issued) place(join(folder, 'client.cert'), issued.cert);
    if (issued) place(join(folder, 'client.key'), issued.key);
    return folder;
  }

  const pulls = {
    async podman({ host }: RunningEntrepot, own?: CertificateAuthority) {
      const folder = site.folder('podman');
      placeCertificates(join(folder, '.config/containers/certs.d', host), own);
      const conf = snippet(dropIn, host).replaceAll('insecure = true\n', '');
      const pulled = await pullWithRegistriesConf('quay.io/team/app:1', conf, folder, site.resident(folder));
      assert.deepEqual(pulled, { digest: pushed.digest, layers: pushed.diffIds });
    },
    async skopeo({ host }: RunningEntrepot, own?: CertificateAuthority) {
      const folder = site.folder('skopeo');
      const directory = placeCertificates(join(folder, 'certificates'), own);
      const [program = '', ...args] = command('skopeo inspect', host).map((word) => {
        if (word.startsWith('docker://')) return `docker://${host}/quay.io/team/app:1`;
        return word.startsWith('/etc/') ? directory : word;
      });
      const told = await run(program, [...args, '--format', '{{.Digest}}'], site.resident(folder));
      assert.equal(told.trim(), pushed.digest);
    },
    async containerd({ host }: RunningEntrepot, own?: CertificateAuthority) {
      const folder = site.folder('containerd');
      const directory = placeCertificates(join(folder, 'certificates'), own);
      const toml = snippet(hostsToml, host).replaceAll('/etc/containerd/certs.d/entrepot', directory);
      const hosts = own ? toml : toml.replace(/^ {2}client = .*\n/m, '');
      place(join(folder, 'hosts/registry.k8s.io/hosts.toml'), hosts);
      const image = 'registry.k8s.io/team/app:1';
      const pulled = await pullWithHosts(image, join(folder, 'hosts'), folder, site.resident(folder));
      assert.deepEqual(pulled, { digest: pushed.digest, layers: pushed.layers });
    },
    docker: (entrepot: RunningEntrepot, own?: CertificateAuthority) =>
      pullWithDocker(entrepot.host.replace('127.0.0.1', beyondLoopback), own),
  };

  async function pullWithDocker(address: string, own?: CertificateAuthority, ca = servers) {
    const folder = site.folder('docker');
    placeCertificates(join(folder, 'etc/certs.d', address), own, ca);
    const json = snippet(daemonJson, address).replaceAll('http://', 'https://');
    const { 'insecure-registries': _, ...settings } = JSON.parse(json) as Record<string, unknown>;
    place(join(folder, 'etc/daemon.json'), JSON.stringify(settings));
    // Docker Hub, which it asks next, is not there.
    const env = { ...site.resident(folder), HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: beyondLoopback };
    const pulled = await pullWithDaemon('docker.io/library/app:1', folder, env);
    assert.deepEqual(pulled, { digest: pushed.digest, layers: pushed.diffIds });
  }

  const needs = {
    podman: ['podman'],
    skopeo: ['skopeo'],
    containerd: ['containerd', 'ctr'],
    docker: docker.programs,
  };
  const each = (
    sentence: string,
    check: (t: TestContext, pull: (typeof pulls)['podman']) => Promise<void>,
  ) => {
    for (const name of ['skopeo', 'podman', 'containerd', 'docker'] as const) {
      test(`${name} ${sentence}`, async (t) => {
        if (isEquipped(t, needs[name])) await check(t, pulls[name]);
      });
    }
  };

  each('pulls when it is told of the CA', (_, pull) => pull(open));
  each('pulls with a certificate of its own where one is asked for', (_, pull) => pull(closed, clients));
  each('does not pull without one, or with one of another CA', async (_, pull) => {
    await assert.rejects(pull(closed), certificateRefused);
    await assert.rejects(pull(closed, createCertificateAuthority('Others')), certificateRefused);
  });

  test('docker verifies no certificate at an address of loopback, and shows none there', async (t) => {
    if (!isEquipped(t, docker.programs)) return;
    const others = createCertificateAuthority('Others');
    const elsewhere = open.host.replace('127.0.0.1', beyondLoopback);
    await assert.rejects(pullWithDocker(elsewhere, undefined, others), /signed by unknown authority/);
    await pullWithDocker(open.host, undefined, others);
    await assert.rejects(pullWithDocker(closed.host, clients), /certificate required/);
  });

  test('nothing of that is an error in the log', async (t) => {
    if (!isEquipped(t)) return;
    const lines = closed.stdout.split('\n').filter((line) => /"level":"(?:warn|error|fatal)"/.test(line));
    assert.deepEqual(lines, []);
  });

  test('plain HTTP is refused with a status, and a client without the CA refuses the certificate', async (t) => {
    if (!isEquipped(t)) return;
    const { url } = open;
    const plainly = await fetch(`${url.replace('https:', 'http:')}/v2/`);
    assert.equal(plainly.status, 400);
    const image = `docker://${open.host}/quay.io/team/app:1`;
    const env = site.resident(site.folder('plain'));
    await run('skopeo', ['inspect', '--tls-verify=false', image], env);
    await assert.rejects(run('skopeo', ['inspect', image], env), /certificate signed by unknown authority/);
  });

  test('a renewed certificate is served without a restart and without a signal', async (t) => {
    if (!isEquipped(t)) return;
    const folder = site.folder('renewed');
    const entrepot = await serving(folder, createCertificateAuthority('Old servers'));
    await assert.rejects(pulls.skopeo(entrepot), /certificate/);
    placePair(folder, servers);
    await entrepot.line(/"configuration reloaded"/);
    await pulls.skopeo(entrepot);
  });
});
