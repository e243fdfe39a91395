import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type AgentOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { createTlsServer } from '../../../src/http/tls-server.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createCertificateAuthority } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { get } from '../../support/http-client.ts';
import { raw } from '../../support/raw-http.ts';

const authority = createCertificateAuthority();
const ca = authority.cert;
const clients = createCertificateAuthority('Clients');
const client = clients.issue({ client: true });
const open = { ...authority.issue({ commonName: 'first' }), clientCa: undefined };
const closed = { ...open, clientCa: [clients.cert] };

async function serving(t: TestContext, tls: Parameters<ReturnType<typeof createTlsServer>['secure']>[0]) {
  const lines: Record<string, unknown>[] = [];
  const log = createLog({ level: 'debug', to: { write: (line: string) => lines.push(JSON.parse(line)) } });
  const { server, secure } = createTlsServer({}, { log });
  server.on('request', (_, response) => response.end('hello'));
  secure(tls);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `https://127.0.0.1:${port}/`, port, secure, lines };
}

/** The name in the certificate that a new connection is shown, and the protocol that was agreed on. */
async function shown(port: number, options: AgentOptions = {}): Promise<{ name: unknown; alpn: unknown }> {
  const socket = connect({ host: '127.0.0.1', port, ca, ...options });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return { name: subject.CN, alpn: socket.alpnProtocol };
}

function agent(t: TestContext): Agent {
  const made = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => made.destroy());
  return made;
}

describe('a TLS server', () => {
  it('serves a client that trusts its CA', async (t) => {
    const { url } = await serving(t, open);
    assert.equal((await get(url, { ca })).body.toString(), 'hello');
    await assert.rejects(get(url, { ca: clients.cert }), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
  });

  it('agrees on HTTP/1.1 with those that would rather have HTTP/2', async (t) => {
    const { port } = await serving(t, open);
    assert.equal((await shown(port, { ALPNProtocols: ['h2', 'http/1.1'] })).alpn, 'http/1.1');
  });

  it('tells plain HTTP what is wrong, and serves on', async (t) => {
    const { url, lines } = await serving(t, open);
    const said = await raw(url, 'GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match(said, /^HTTP\/1\.1 400 .*\r\n\r\n.*write https:\/\/ for http:\/\//s);
    assert.equal((await get(url, { ca })).status, 200);
    assert.deepEqual(
      lines.map(({ level, msg, client, reason }) => [level, msg, client, reason]),
      [['debug', 'a TLS handshake failed', '127.0.0.1', 'ERR_SSL_HTTP_REQUEST']],
    );
  });

  it('closes on nonsense and on those that leave in the handshake, and serves on', async (t) => {
    const { url, lines } = await serving(t, open);
    assert.match(await raw(url, 'nonsense'.repeat(10)), /^(?!HTTP)/);
    await raw(url, Buffer.from([0x16, 0x03, 0x01, 0xff, 0xff])).catch(() => {});
    const leaving = connect({ host: '127.0.0.1', port: Number(new URL(url).port), ca });
    leaving.on('error', () => {});
    leaving.destroy();
    assert.equal((await get(url, { ca })).status, 200);
    await eventually('they are in the log', () => lines.length > 0);
    assert.deepEqual(
      lines.filter(({ level }) => level !== 'debug'),
      [],
    );
  });
});

describe('a TLS server that knows its clients', () => {
  it('serves clients with a certificate of a client CA, and no others', async (t) => {
    const { url, lines } = await serving(t, closed);
    assert.equal((await get(url, { ca, client })).status, 200);
    await assert.rejects(get(url, { ca }), /certificate required/);
    await assert.rejects(get(url, { ca, client: authority.issue({ client: true }) }));
    await assert.rejects(
      get(url, { ca, client: createCertificateAuthority('Clients').issue({ client: true }) }),
    );
    await eventually('all three are in the log', () => lines.length === 3);
    assert.deepEqual([...new Set(lines.map(({ level }) => level))], ['debug']);
  });

  it('asks for certificates from the moment that it is told to, and no longer', async (t) => {
    const { url, secure } = await serving(t, open);
    assert.equal((await get(url, { ca })).status, 200);
    secure(closed);
    await assert.rejects(get(url, { ca }), /certificate required/);
    assert.equal((await get(url, { ca, client })).status, 200);
    secure(open);
    assert.equal((await get(url, { ca })).status, 200);
  });

  it('resumes no session from before', async (t) => {
    const { port, secure } = await serving(t, open);
    const first = connect({ host: '127.0.0.1', port, ca });
    const [session] = (await once(first, 'session')) as [Buffer];
    first.destroy();
    const resumed = connect({ host: '127.0.0.1', port, ca, session });
    await once(resumed, 'secureConnect');
    assert.equal(resumed.isSessionReused(), true, 'sessions are resumed at all');
    resumed.destroy();

    secure(closed);
    const again = connect({ host: '127.0.0.1', port, ca, session });
    again.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const answered = await Promise.race([
      once(again, 'data').then(() => 'served'),
      once(again, 'close').then(() => 'closed'),
    ]).catch(() => 'refused');
    assert.notEqual(answered, 'served');
  });
});

describe('another certificate', () => {
  it('is shown to new connections; those that stand go on', async (t) => {
    const { url, port, secure } = await serving(t, open);
    const kept = agent(t);
    const names = () =>
      [...Object.values(kept.freeSockets)].flatMap((sockets) =>
        sockets?.map((socket) => (socket as TLSSocket).getPeerCertificate().subject.CN),
      );
    await get(url, { ca, agent: kept });
    await eventually('the connection is free again', () => names().length === 1);
    assert.equal((await shown(port)).name, 'first');

    secure({ ...authority.issue({ commonName: 'second' }), clientCa: undefined });
    assert.equal((await shown(port)).name, 'second');
    assert.equal((await get(url, { ca, agent: kept })).status, 200);
    await eventually('the connection is free again', () => names().length === 1);
    assert.deepEqual(names(), ['first']);
  });
});
