import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { judgeRedirect, type RedirectContext } from '../../../../src/upstream/http/redirects.ts';
import { createCertificateAuthority } from '../../../support/certificates.ts';
import {
  type FakeRegistry,
  type FakeRegistryOptions,
  startFakeRegistry,
} from '../../../support/fake-registry.ts';
import { redirect } from '../../../support/fake-registry-faults.ts';
import { buildImage } from '../../../support/images.ts';
import { good, hostConfig, image, outline, readAll, reasons, upstreamOf } from '../asking.ts';

function judge(location: string | undefined, more: Partial<RedirectContext> = {}) {
  const origin = new URL('https://quay.io/v2/a/b/blobs/sha256:0');
  return judgeRedirect(location, {
    from: origin,
    origin,
    insecure: false,
    originKind: 'public',
    isNamed: () => false,
    ...more,
  });
}

describe('where a redirect may lead', () => {
  it('to another host on the internet, from there on without the registry’s name', () => {
    const judged = judge('https://cdn.example.com/blob?sig=1#part');
    assert.ok(judged.ok);
    assert.deepEqual(
      [judged.url.href, judged.sameHost, judged.addressScope],
      ['https://cdn.example.com/blob?sig=1', false, 'public'],
    );
  });

  it('to a URL with the bytes that the header has', () => {
    const location = Buffer.from('/cdn/grün|a?name=é').toString('latin1');
    const judged = judge(location);
    assert.equal(judged.ok && judged.url.href, 'https://quay.io/cdn/gr%C3%BCn|a?name=%C3%A9');
    const latin1 = judge('/cdn/gr\u00fcn');
    assert.equal(latin1.ok && latin1.url.href, 'https://quay.io/cdn/gr%FCn');
  });

  it('to a host of the same site, whose name may lead into our network where the registry’s does not', () => {
    const judged = judge('https://cdn.quay.io/blob');
    assert.deepEqual(judged.ok && [judged.sameHost, judged.addressScope], [false, 'private']);
  });

  it('to the same host, relative or not', () => {
    for (const location of ['/elsewhere', '../x', 'https://quay.io/elsewhere', '//quay.io/elsewhere']) {
      const judged = judge(location);
      assert.ok(judged.ok && judged.sameHost, location);
    }
    const port = judge('https://quay.io:8443/x');
    assert.ok(port.ok && !port.sameHost, 'another port is another host');
  });

  const refused: [string | undefined, Partial<RedirectContext>, RegExp][] = [
    [undefined, {}, /usable Location/],
    ['', {}, /usable Location/],
    ['https://', {}, /usable Location/],
    ['file:///etc/passwd', {}, /file: URL/],
    ['http://cdn.quay.io/blob', {}, /plain HTTP/],
    ['//user:pw@cdn.quay.io/', {}, /credentials/],
    ['https://169.254.169.254/latest/meta-data/', {}, /link-local/],
    ['https://[fe80::1]/', {}, /link-local/],
    ['https://[fd00:ec2::254]/', {}, /link-local/],
    ['https://100.100.100.200/', {}, /link-local/],
    ['https://0.0.0.0/', {}, /link-local/],
    ['https://2852039166/', {}, /link-local/],
    ['https://127.0.0.1:6443/', {}, /loopback/],
    ['https://localhost:2375/', {}, /loopback/],
    ['https://a.localhost/', {}, /loopback/],
    ['https://[::1]/', {}, /loopback/],
    ['https://[::ffff:127.0.0.1]/', {}, /loopback/],
    ['https://192.168.0.1/', {}, /private/],
    ['https://[fd12::1]/', {}, /private/],
    ['https://192.168.0.1/', { originKind: undefined }, /private/],
    ['https://127.0.0.1/', { originKind: 'private' }, /loopback/],
    ['https://169.254.169.254/', { originKind: 'loopback', insecure: true }, /link-local/],
  ];
  for (const [location, more, reason] of refused) {
    it(`not to ${location ?? 'nowhere'} (registry: ${more.originKind ?? 'public'})`, () => {
      const judged = judge(location, more);
      assert.ok(!judged.ok);
      assert.match(judged.reason, reason);
    });
  }

  it('to a private address from a private registry, and to any host that the configuration names', () => {
    assert.equal(judge('https://10.0.0.2/', { originKind: 'private' }).ok, true);
    assert.equal(judge('https://10.0.0.2:9000/', { isNamed: (host) => host === '10.0.0.2:9000' }).ok, true);
  });

  it('to plain HTTP from an insecure registry', () => {
    assert.equal(judge('http://cdn.quay.io/blob', { insecure: true }).ok, true);
  });
});

describe('following redirects', () => {
  const app = buildImage();
  const layer = app.layers[0]!;
  const stops: (() => Promise<unknown>)[] = [];
  after(() => Promise.all(stops.map((stop) => stop())));

  async function start(options?: FakeRegistryOptions): Promise<FakeRegistry> {
    const registry = await startFakeRegistry(options);
    stops.push(registry.stop);
    registry.putImage('team/app', '1', app);
    return registry;
  }

  function ask(registry: FakeRegistry, options?: Parameters<typeof upstreamOf>[1], insecure = true) {
    const upstream = upstreamOf([{ host: registry.host, insecure }], options);
    stops.push(upstream.close);
    return upstream;
  }

  const joe = {
    kind: 'basic',
    username: 'joe',
    password: 'secret',
    source: { file: 'auth.json', helper: undefined, key: 'k' },
  } as const;

  it('sends credentials to the registry and not to the host it points to', async () => {
    const registry = await start({ auth: { kind: 'basic', username: 'joe', password: 'secret' } });
    const cdn = await start();
    const url = cdn.putFile('/store/blob', layer, { refusesAuthorization: true });
    registry.on({ kind: 'blob' }, redirect(`${url}?X-Sig=1`));
    const upstream = ask(registry, { deps: { authLookup: async () => joe } });
    const opened = good(await upstream.openBlob(image(), layer.digest, { start: 5 }));
    assert.deepEqual(await readAll(opened.value), layer.bytes(5));
    const seen = cdn.requests[0]!;
    assert.equal(seen.headers.authorization, undefined);
    assert.equal(seen.headers.range, 'bytes=5-');
    assert.equal(seen.query.get('X-Sig'), '1');
  });

  it('keeps credentials on the same host', async () => {
    const registry = await start({ auth: { kind: 'basic', username: 'joe', password: 'secret' } });
    registry.on({ kind: 'manifest', reference: '1', nth: 1 }, redirect('/v2/team/app/manifests/1'));
    good(await ask(registry, { deps: { authLookup: async () => joe } }).getManifest(image()));
  });

  it('does not send them back to the registry by way of another host', async () => {
    const registry = await start({ auth: { kind: 'basic', username: 'joe', password: 'secret' } });
    const other = await start();
    registry.on({ kind: 'blob' }, redirect(`${other.url}/v2/team/app/blobs/${layer.digest}`));
    other.on({ kind: 'blob' }, redirect(`${registry.url}/v2/team/app/manifests/1`));
    const answer = await ask(registry, { deps: { authLookup: async () => joe } }).openBlob(
      image(),
      layer.digest,
      {
        start: 0,
      },
    );
    assert.equal(outline(answer), 'source denied');
    assert.equal(registry.matching({ kind: 'manifest' })[0]!.headers.authorization, undefined);
  });

  it('gives up after ten hops', async () => {
    const registry = await start();
    registry.on(
      { kind: 'blob' },
      redirect((request) => request.path),
    );
    const answer = await ask(registry).openBlob(image(), layer.digest, { start: 0 });
    assert.deepEqual(reasons(answer), ['redirects more than 10 times']);
    assert.equal(registry.count({ kind: 'blob' }), 11);
  });

  it('does not follow one into the metadata service', async () => {
    const registry = await start();
    registry.on({ kind: 'blob' }, redirect('http://169.254.169.254/latest/meta-data'));
    const answer = await ask(registry).openBlob(image(), layer.digest, { start: 0 });
    assert.equal(outline(answer), 'source invalid');
    assert.match(reasons(answer)[0]!, /sends us to 169\.254\.169\.254, a link-local address/);
  });

  it('does not go from HTTPS to plain HTTP, unless the endpoint is insecure', async () => {
    const authority = createCertificateAuthority();
    const registry = await start({ tls: authority.issue() });
    const cdn = await start();
    registry.on({ kind: 'blob' }, redirect(cdn.putFile('/blob', layer)));
    const deps = { certLookup: () => ({ ca: [authority.cert], pairs: [], directory: undefined }) };
    const secure = await ask(registry, { deps }, false).openBlob(image(), layer.digest, { start: 0 });
    assert.match(reasons(secure)[0]!, /from HTTPS to plain HTTP/);
    assert.equal(cdn.requests.length, 0);
    const insecure = good(await ask(registry).openBlob(image(), layer.digest, { start: 0 }));
    assert.deepEqual(await readAll(insecure.value), layer.bytes());
  });

  it('says which host failed', async () => {
    const registry = await start();
    const cdn = await start();
    const answers = ask(registry, { upstream: { hosts: [hostConfig(registry.host)] } });
    registry.on({ kind: 'blob', nth: 1 }, redirect(`${cdn.url}/gone`));
    const gone = await answers.openBlob(image(), layer.digest, { start: 0 });
    assert.match(reasons(gone)[0]!, new RegExp(`^redirected to ${cdn.host}: HTTP 404`));
    await cdn.refuse();
    registry.on({ kind: 'blob' }, redirect(`${cdn.url}/gone`));
    const dead = await answers.openBlob(image(), layer.digest, { start: 0 });
    assert.deepEqual(reasons(dead), [`redirected to ${cdn.host}: connection refused`]);
  });
});
