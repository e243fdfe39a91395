/** Clients are served over TLS, with the same limits and the same stop as without; certificates change while it serves. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { connect as connectPlainly } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { connect } from 'node:tls';
import { createCertificateAuthority, type KeyAndCertificate } from '../support/certificates.ts';
import { createManualClock } from '../support/clock.ts';
import { stallAfter } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get as fetch, open } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { type MirroredOptions, type MirroredRegistry, startMirrored } from '../support/mirrored-registry.ts';
import { raw } from '../support/raw-http.ts';
import { tempFolder } from '../support/temp-folder.ts';

const authority = createCertificateAuthority();
const ca = authority.cert;
const toml = '[tls]\ncertificate = "tls.crt"\nkey = "tls.key"\n';

type Secured = MirroredRegistry & { readonly port: number; place(pair: KeyAndCertificate): void };

async function secured(
  t: TestContext,
  settings = toml,
  clientCa = '',
  app: MirroredOptions['app'] = {},
): Promise<Secured> {
  const folder = tempFolder(t);
  const place = ({ cert, key }: KeyAndCertificate): void => {
    writeFileSync(join(folder, 'tls.crt'), cert);
    writeFileSync(join(folder, 'tls.key'), key);
  };
  place(authority.issue({ commonName: 'first' }));
  writeFileSync(join(folder, 'client-ca.crt'), clientCa);
  const mirrored = await startMirrored(t, { toml: settings, folder, app });
  return { ...mirrored, place, port: Number(new URL(mirrored.proxy.url).port) };
}

/** The name in the certificate that a new connection is shown. */
async function shown(port: number): Promise<unknown> {
  const socket = connect({ host: '127.0.0.1', port, ca });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN;
}

/** A blob that stalls halfway until the gate opens, and a client that has begun to read it. */
async function stalled({ registry, at }: MirroredRegistry) {
  const size = 2 * 1024 * 1024;
  const digest = registry.putGeneratedBlob(size);
  const hold = gate();
  registry.on({ kind: 'blob', method: 'GET' }, stallAfter(size / 2, hold));
  const answer = await open(at('app', `blobs/${digest}`), { ca });
  await answer.read(1024);
  return { hold, answer, rest: size - 1024 };
}

describe('over TLS', () => {
  it('a certificate that expires soon is a warning in the log and a metric, until it is renewed', async (t) => {
    // The certificates of these tests are good as of today.
    const { proxy, place } = await secured(t, toml, '', { clock: createManualClock(Date.now()) });
    const expiry = async () => {
      const text = (await fetch(`${proxy.url}/metrics`, { ca })).body.toString();
      return Number(
        /^entrepot_certificate_expiry_timestamp_seconds\{file="[^"]+tls\.crt"\} (\S+)$/m.exec(text)?.[1],
      );
    };
    const warned = () => proxy.log.filter(({ msg }) => /the certificate expires on/.test(String(msg)));
    assert.deepEqual(warned(), []);
    const soon = new Date(Math.floor(Date.now() / 1000) * 1000 + 2.5 * 86_400_000);
    place(authority.issue({ notAfter: soon }));
    await proxy.reload({});
    assert.equal(await expiry(), soon.getTime() / 1000);
    assert.deepEqual(
      warned().map(({ level, file }) => [level, file]),
      [['warn', join(proxy.folder, 'tls.crt')]],
    );
    assert.match(String(warned()[0]?.msg), /in 2 days: renew it now$/);
    place(authority.issue());
    await proxy.reload({});
    assert.ok((await expiry()) > soon.getTime() / 1000);
    assert.equal(warned().length, 1);
  });

  it('images are pulled, whole and in ranges, and health is told', async (t) => {
    const { registry, proxy, get } = await secured(t);
    const image = buildImage({ layers: [3 * 1024 * 1024] });
    registry.putImage('team/app', '1', image);
    const manifest = await get('team/app', 'manifests/1', { ca });
    assert.deepEqual([manifest.status, manifest.body], [200, Buffer.from(image.bytes)]);
    const [layer] = image.layers;
    for (const how of ['cold', 'warm']) {
      const blob = await get('team/app', `blobs/${layer?.digest}`, { ca });
      assert.deepEqual(blob.body, layer?.bytes(), how);
    }
    const headers = { range: 'bytes=1000-1999' };
    const part = await get('team/app', `blobs/${layer?.digest}`, { ca, headers });
    assert.deepEqual([part.status, part.body], [206, layer?.bytes().subarray(1000, 2000)]);
    assert.equal((await fetch(`${proxy.url}/healthz`, { ca })).body.toString(), 'ok\n');
  });

  it('plain HTTP is told to speak HTTPS, and TLS to a port without it fails at once', async (t) => {
    const { proxy } = await secured(t);
    const plainly = await fetch(`${proxy.url.replace('https:', 'http:')}/v2/`);
    assert.deepEqual([plainly.status, /https:\/\//.test(plainly.body.toString())], [400, true]);

    const { proxy: plain } = await startMirrored(t);
    await assert.rejects(fetch(`${plain.url.replace('http:', 'https:')}/v2/`), /wrong version number|EPROTO/);
    // What a client in Go calls "server gave HTTP response to HTTPS client".
    assert.match(await raw(plain.url, Buffer.from('16030100f0010000ec0303', 'hex')), /^HTTP\/1\.1 400 /);
    assert.equal((await fetch(`${plain.url}/v2/`)).status, 200);
  });

  it('idle connections make room for others at the limit', async (t) => {
    const { proxy, port } = await secured(t, `[limits]\nmax_connections = 1\n${toml}`);
    const agent = new Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    assert.equal((await fetch(`${proxy.url}/v2/`, { ca, agent })).status, 200);
    const refused = connectPlainly(port, '127.0.0.1');
    await once(refused.resume(), 'close');
    await once(Object.values(agent.freeSockets)[0]?.[0] ?? refused, 'close');
    assert.equal((await fetch(`${proxy.url}/v2/`, { ca })).status, 200);
  });

  it('a stop lets an answer under way finish, and waits for nobody who says nothing', async (t) => {
    const mirrored = await secured(t);
    const { hold, answer, rest } = await stalled(mirrored);
    const silent = connect({ host: '127.0.0.1', port: mirrored.port, ca });
    await once(silent, 'secureConnect');
    const shaking = connectPlainly(mirrored.port, '127.0.0.1');
    await once(shaking, 'connect');
    const closed = [silent, shaking].map((socket) => once(socket.resume(), 'close'));

    const stopped = mirrored.proxy.stop();
    await Promise.all(closed);
    hold.release();
    const { body, complete } = await answer.rest();
    assert.deepEqual([body.length, complete], [rest, true]);
    assert.deepEqual(await stopped, { cut: 0 });
  });

  it('only clients with a certificate of a client CA are served, where one is named', async (t) => {
    const clients = createCertificateAuthority('Clients');
    const { proxy } = await secured(t, `${toml}client_ca = "client-ca.crt"\n`, clients.cert);
    const url = `${proxy.url}/v2/`;
    await assert.rejects(fetch(url, { ca }), /certificate required/);
    await assert.rejects(fetch(url, { ca, client: authority.issue({ client: true }) }));
    assert.equal((await fetch(url, { ca, client: clients.issue({ client: true }) })).status, 200);
    const failed = proxy.log.filter(({ msg }) => msg === 'a TLS handshake failed');
    assert.deepEqual([...new Set(failed.map(({ level }) => level))], ['debug']);
  });
});

describe('a reload', () => {
  it('shows a new certificate to new connections, and cuts none that stands', async (t) => {
    const mirrored = await secured(t);
    const { proxy, port, place } = mirrored;
    const { hold, answer, rest } = await stalled(mirrored);
    assert.equal(await shown(port), 'first');
    place(authority.issue({ commonName: 'second' }));
    await proxy.reload({});
    assert.equal(await shown(port), 'second');
    hold.release();
    const { body, complete } = await answer.rest();
    assert.deepEqual([body.length, complete], [rest, true]);
  });

  it('keeps the old pair, and all else as it was, where the new one does not fit together', async (t) => {
    const { registry, proxy, port, place, get } = await secured(t);
    registry.putImage('team/app', '1', buildImage());
    const { cert } = authority.issue({ commonName: 'second' });
    place({ cert, key: authority.issue().key });
    await assert.rejects(proxy.reload({ registries: '' }), {
      code: 'TLS_UNUSABLE',
      file: join(proxy.folder, 'tls.crt'),
      message: /another key/,
    });
    assert.equal(await shown(port), 'first');
    assert.equal((await get('team/app', 'manifests/1', { ca })).status, 200, 'the registry is still listed');
  });

  it('asks clients for certificates, or no longer', async (t) => {
    const clients = createCertificateAuthority('Clients');
    const { proxy } = await secured(t, toml, clients.cert);
    const url = `${proxy.url}/v2/`;
    await proxy.reload({ toml: `${toml}client_ca = "client-ca.crt"\n` });
    await assert.rejects(fetch(url, { ca }), /certificate required/);
    assert.equal((await fetch(url, { ca, client: clients.issue({ client: true }) })).status, 200);
    await proxy.reload({ toml });
    assert.equal((await fetch(url, { ca })).status, 200);
  });

  it('does not turn TLS on or off: that takes a restart, and the log says so', async (t) => {
    const { proxy } = await secured(t);
    const waiting = () => proxy.log.filter(({ msg }) => /next start only/.test(String(msg)));
    await proxy.reload({});
    assert.deepEqual(waiting(), []);
    await proxy.reload({ toml: '' });
    assert.deepEqual(
      waiting().map(({ key }) => key),
      ['tls'],
    );
    assert.equal((await fetch(`${proxy.url}/v2/`, { ca })).status, 200);
  });

  it('warns of a certificate that has expired, and shows it all the same', async (t) => {
    const { proxy, port, place } = await secured(t);
    const [notBefore, notAfter] = [new Date(Date.UTC(2020)), new Date(Date.UTC(2021))];
    place(authority.issue({ commonName: 'old', notBefore, notAfter }));
    await proxy.reload({});
    assert.ok(
      proxy.log.some(({ level, msg }) => level === 'warn' && /expired on 2021-01-01/.test(String(msg))),
    );
    await assert.rejects(shown(port), { code: 'CERT_HAS_EXPIRED' });
  });
});

describe('a start', () => {
  it('with a certificate that cannot be used fails, and names the file', async (t) => {
    const folder = tempFolder(t);
    await assert.rejects(startMirrored(t, { folder, toml }), {
      code: 'TLS_UNUSABLE',
      file: join(folder, 'tls.crt'),
    });
  });
});
