import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { type BlackHole, startBlackHole } from '../../support/black-hole.ts';
import { createCertificateAuthority, expired, selfSigned } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import {
  type FakeRegistry,
  type FakeRegistryOptions,
  startFakeRegistry,
} from '../../support/fake-registry.ts';
import { hangUp, holdHeaders, neverAnswer, rawAnswer, status } from '../../support/fake-registry-faults.ts';
import { gate } from '../../support/gate.ts';
import { buildImage } from '../../support/images.ts';
import { type AskingOptions, good, hostConfig, image, outline, reasons, upstreamOf } from './asking.ts';

const app = buildImage({ layers: [1000, 2000] });
const authority = createCertificateAuthority();

describe('connecting to registries', () => {
  const stops: (() => Promise<unknown>)[] = [];
  after(() => Promise.all(stops.map((stop) => stop())));

  async function start(options?: FakeRegistryOptions): Promise<FakeRegistry> {
    const registry = await startFakeRegistry(options);
    stops.push(registry.stop);
    registry.putImage('team/app', '1', app);
    return registry;
  }

  async function blackHole(options?: { accepts?: boolean }): Promise<BlackHole> {
    const hole = await startBlackHole(options);
    stops.push(hole.stop);
    return hole;
  }

  function ask(host: string, options: AskingOptions = {}, insecure = false) {
    const upstream = upstreamOf([{ host, insecure }], options);
    stops.push(upstream.close);
    return upstream;
  }

  const trusting = (...ca: string[]): AskingOptions => ({
    deps: { certLookup: () => ({ ca, pairs: [], directory: undefined }) },
  });

  describe('with HTTPS', () => {
    it('trusts the CAs of certs.d, by the name that the configuration has', async () => {
      const registry = await start({ tls: authority.issue() });
      const asked: string[] = [];
      const certLookup = (host: string) => {
        asked.push(host);
        return { ca: [authority.cert], pairs: [], directory: undefined };
      };
      const upstream = ask(registry.host, { deps: { certLookup } });
      good(await upstream.getManifest(image()));
      good(await upstream.getManifest(image()));
      assert.deepEqual(asked, [registry.host], 'read once, as long as it works');
    });

    it('trusts the CAs of upstream.ca_file', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'entrepot-ca-'));
      stops.push(async () => rmSync(folder, { recursive: true }));
      const caFile = join(folder, 'ca.pem');
      writeFileSync(caFile, authority.cert);
      const registry = await start({ tls: authority.issue() });
      good(await ask(registry.host, { upstream: { caFile } }).getManifest(image()));
      assert.throws(() => ask(registry.host, { upstream: { caFile: join(folder, 'none.pem') } }), {
        code: 'TLS_UNUSABLE',
      });
    });

    it('shows its client certificate', async () => {
      const registry = await start({ tls: { ...authority.issue(), clientCa: authority.cert } });
      const pair = authority.issue({ client: true });
      const certLookup = () => ({ ca: [authority.cert], pairs: [pair], directory: undefined });
      good(await ask(registry.host, { deps: { certLookup } }).getManifest(image()));
      assert.equal(
        outline(await ask(registry.host, trusting(authority.cert)).getManifest(image())),
        'source unreachable',
      );
      const broken = () => ({ ca: [], pairs: [{ cert: 'x', key: 'y' }], directory: '/etc/certs.d/h' });
      const answer = await ask(registry.host, { deps: { certLookup: broken } }).getManifest(image());
      assert.match(reasons(answer)[0]!, /^\/etc\/certs\.d\/h: the certificates for .* cannot be used/);
    });

    it('says what is wrong with a certificate', async () => {
      const yesterday = new Date(Date.now() - 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
      const cases = [
        [authority.issue(expired()), `certificate expired on ${yesterday}`],
        [
          selfSigned(),
          'self-signed certificate: put its CA into certs.d/HOST, or mark the endpoint insecure',
        ],
        [authority.issue({ hosts: ['other.ex.io'] }), 'certificate is for other.ex.io, not for this host'],
        [createCertificateAuthority().issue(), 'certificate of an unknown CA: put its CA into certs.d/HOST'],
      ] as const;
      for (const [tls, reason] of cases) {
        const registry = await start({ tls });
        const answer = await ask(registry.host, trusting(authority.cert)).getManifest(image());
        assert.deepEqual(
          [outline(answer), reasons(answer)[0]],
          ['source unreachable', reason.replace('HOST', registry.host)],
        );
      }
    });

    it('reads certs.d again after a failure', async () => {
      const registry = await start({ tls: authority.issue() });
      const ca: string[] = [];
      const upstream = ask(registry.host, {
        deps: { certLookup: () => ({ ca, pairs: [], directory: undefined }) },
      });
      assert.equal(outline(await upstream.getManifest(image())), 'source unreachable');
      ca.push(authority.cert);
      good(await upstream.getManifest(image()));
    });

    it('never falls back to plain HTTP, and says what it met', async () => {
      const registry = await start();
      const answer = await ask(registry.host).getManifest(image());
      assert.match(reasons(answer)[0]!, /plain HTTP|closed before/);
      assert.equal(registry.requests.length, 0);
      const server = createServer().on('clientError', (_, socket) =>
        socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
      );
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const plain = await ask(`127.0.0.1:${(server.address() as AddressInfo).port}`).getManifest(image());
      assert.deepEqual(reasons(plain), [
        'speaks plain HTTP, not HTTPS: mark the endpoint insecure if that is meant',
      ]);
      await new Promise((resolve) => server.close(resolve));
    });
  });

  describe('marked insecure', () => {
    it('takes any certificate', async () => {
      const registry = await start({ tls: selfSigned(expired()) });
      good(await ask(registry.host, {}, true).getManifest(image()));
    });

    it('takes plain HTTP where there is no HTTPS, and remembers it', async () => {
      const registry = await start();
      const upstream = ask(registry.host, {}, true);
      good(await upstream.getManifest(image()));
      good(await upstream.getManifest(image()));
      assert.equal(registry.count({ kind: 'ping' }), 1);
    });

    it('finds out anew when the host changes its mind', async () => {
      const plain = await start();
      const upstream = ask(plain.host, {}, true);
      good(await upstream.getManifest(image()));
      await plain.stop();
      const secure = await start({ tls: selfSigned(), port: plain.port });
      await upstream.getManifest(image());
      good(await upstream.getManifest(image()));
      assert.equal(secure.count({ kind: 'manifest' }), 1);
    });

    it('does not try HTTP at a port that refuses or never answers', async () => {
      const registry = await start();
      await registry.refuse();
      assert.deepEqual(reasons(await ask(registry.host, {}, true).getManifest(image())), [
        'connection refused',
      ]);
      const hole = await blackHole();
      const upstream = { connectTimeout: 100 };
      const answer = await ask(hole.host, { upstream }, true).getManifest(image());
      assert.deepEqual(reasons(answer), ['no connection within 0.1 s']);
    });

    it('keeps HTTPS where it answers, however oddly, and HTTP does not', async () => {
      const registry = await start({ tls: selfSigned() });
      registry.on({ kind: 'ping' }, status(404));
      good(await ask(registry.host, {}, true).getManifest(image()));
    });

    it('opens the breaker of a black hole that was still being looked at', async () => {
      const hole = await blackHole();
      const registry = await start();
      const upstream = upstreamOf([{ host: hole.host }, { host: registry.host }]);
      stops.push(upstream.close);
      assert.equal(outline(await upstream.getManifest(image())), 'mirror overdue, source ok');
      assert.equal(outline(await upstream.getManifest(image())), 'mirror skipped, source ok');
    });
  });

  describe('that are out of order', () => {
    const insecure = true;

    it('says so in words', async () => {
      const dead = await start();
      await dead.refuse();
      assert.deepEqual(reasons(await ask(dead.host).getManifest(image())), ['connection refused']);
      const unknown = await ask('registry.invalid', {}, insecure).getManifest(image());
      assert.match(reasons(unknown)[0]!, /^(DNS name not found|no DNS server answered)$/);
      const deaf = await blackHole({ accepts: false });
      const unconnected = await ask(deaf.host, { upstream: { connectTimeout: 200 } }).getManifest(image());
      assert.deepEqual(reasons(unconnected), ['no connection within 0.2 s']);

      const registry = await start();
      const upstream = ask(registry.host, { upstream: { totalTimeout: 2000 } }, insecure);
      good(await upstream.getManifest(image()));
      registry.on({ kind: 'manifest', nth: 1 }, neverAnswer());
      registry.on({ kind: 'manifest', nth: 1 }, status(503));
      registry.on({ kind: 'manifest' }, rawAnswer('SSH-2.0-dropbear\r\n'));
      assert.deepEqual(reasons(await upstream.getManifest(image())), ['no answer within 2 s']);
      assert.deepEqual(reasons(await upstream.getManifest(image())), ['HTTP 503 (UNKNOWN: HTTP 503)']);
      assert.match(reasons(await upstream.getManifest(image()))[0]!, /sent no valid HTTP/);
    });

    it('tries again when a kept connection turns out to be closed', async () => {
      const registry = await start();
      const upstream = ask(registry.host, {}, insecure);
      good(await upstream.getManifest(image()));
      registry.on({ kind: 'manifest', times: 1 }, hangUp());
      good(await upstream.getManifest(image()));
    });

    it('keeps to the connections that a host may have, and blames no host for the queue', async () => {
      const registry = await start();
      const upstream = ask(
        registry.host,
        { upstream: { hosts: [hostConfig(registry.host, { maxConnections: 2 })] } },
        insecure,
      );
      good(await upstream.getManifest(image()));
      const hold = gate();
      registry.on({ method: 'HEAD' }, holdHeaders(hold));
      const heads = app.blobs.map((blob) => upstream.headBlob(image(), blob.digest));
      await hold.arrivals(2);
      const left = new AbortController();
      const waiting = upstream.headBlob(image(), app.blobs[0]!.digest, { signal: left.signal });
      left.abort();
      await assert.rejects(waiting);
      assert.equal(registry.count({ method: 'HEAD' }), 2);
      hold.release();
      for (const head of await Promise.all(heads)) good(head);
      assert.ok(registry.peakConnections() <= 3);
    });

    it('stops at once when it is closed', async () => {
      const registry = await start();
      registry.on({ kind: 'manifest' }, neverAnswer());
      const upstream = ask(registry.host, {}, insecure);
      const answer = upstream.getManifest(image());
      await registry.next({ kind: 'manifest' });
      await upstream.close();
      assert.equal((await answer).ok, false);
    });
  });

  describe('through a proxy', () => {
    /** Forwards plain requests and opens tunnels; notes what it was asked. */
    async function startProxy(refuseWith?: number) {
      const seen: { line: string; authorization: string | undefined }[] = [];
      const server = createServer(async (request, response) => {
        seen.push({
          line: `${request.method} ${request.url}`,
          authorization: request.headers['proxy-authorization'],
        });
        const upstream = await fetch(request.url ?? '', {
          headers: { accept: String(request.headers.accept) },
        });
        response.writeHead(upstream.status, { 'content-type': String(upstream.headers.get('content-type')) });
        response.end(Buffer.from(await upstream.arrayBuffer()));
      });
      server.on('connect', (request, socket) => {
        seen.push({ line: `CONNECT ${request.url}`, authorization: request.headers['proxy-authorization'] });
        if (refuseWith) return socket.end(`HTTP/1.1 ${refuseWith} No\r\n\r\n`);
        const target = new URL(`http://${request.url}`);
        const out = connect(Number(target.port), '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          out.pipe(socket).pipe(out);
        });
        for (const one of [out, socket]) one.on('error', () => out.destroy());
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      stops.push(async () => {
        server.closeAllConnections();
        server.close();
      });
      return { seen, url: `127.0.0.1:${(server.address() as AddressInfo).port}` };
    }

    it('tunnels HTTPS, with the proxy’s own credentials', async () => {
      const registry = await start({ tls: authority.issue({ hosts: ['registry.corp.test'] }) });
      const proxy = await startProxy();
      const host = `registry.corp.test:${registry.port}`;
      const proxies = { http: undefined, https: `http://joe:p%40ss@${proxy.url}`, no: 'other.test' };
      good(await ask(host, { ...trusting(authority.cert), proxies }).getManifest(image()));
      const authorization = `Basic ${Buffer.from('joe:p@ss').toString('base64')}`;
      assert.deepEqual(proxy.seen, [{ line: `CONNECT ${host}`, authorization }]);
    });

    it('does not proxy loopback, unless the host’s own table says so', async () => {
      const registry = await start();
      const proxy = await startProxy();
      const proxies = { http: `http://${proxy.url}`, https: `http://${proxy.url}`, no: undefined };
      good(await ask(registry.host, { proxies }, true).getManifest(image()));
      assert.deepEqual(proxy.seen, []);
      const hosts = [hostConfig(registry.host, { proxy: `http://${proxy.url}` })];
      good(await ask(registry.host, { proxies, upstream: { hosts } }, true).getManifest(image()));
      assert.ok(proxy.seen.some(({ line }) => line === `GET ${registry.url}/v2/team/app/manifests/1`));
    });

    it('keeps no connection to one that does not open its tunnels', async () => {
      const hole = await startBlackHole();
      stops.push(hole.stop);
      const proxies = { http: undefined, https: hole.url, no: undefined };
      const upstream = ask('registry.corp.test', { proxies, upstream: { headerTimeout: 200 } });
      for (let time = 0; time < 3; time += 1) await upstream.getManifest(image());
      await eventually('they are closed', () => hole.connections() === 0);
    });

    it('says that the proxy refused', async () => {
      const proxy = await startProxy(407);
      const proxies = { http: undefined, https: `http://${proxy.url}`, no: undefined };
      const answer = await ask('registry.corp.test', { proxies }).getManifest(image());
      assert.deepEqual(reasons(answer), [`the proxy ${proxy.url} refused (HTTP 407)`]);
    });
  });
});
