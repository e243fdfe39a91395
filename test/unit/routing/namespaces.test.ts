import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createNamespaces } from '../../../src/routing/namespaces.ts';
import { createRouter, type Routed } from '../../../src/routing/router.ts';
import { listing, routingWith } from './configuration.ts';

const registries = listing(
  'docker.io',
  'quay.io',
  'reg.corp:5443',
  '*.labs.corp',
  'ghcr.io/team',
  'localhost:5001',
);

function ask(
  path: string,
  options: {
    host?: string;
    routing?: Parameters<typeof routingWith>[0];
    registries?: ReturnType<typeof listing>;
  } = {},
): Routed {
  const [rawPath = '', rawQuery = ''] = path.split('?');
  return createRouter(options.registries ?? registries, routingWith(options.routing)).route({
    rawPath: `/v2/${rawPath}`,
    rawQuery,
    host: options.host,
  });
}

function image(routed: Routed): string {
  return routed.ok ? routed.target.image.name : `refused: ${routed.refusal.reason}`;
}

describe('a [[push]] that makes a registry known', () => {
  const rule = (match: string, mode: 'local' | 'overlay') => ({ match, mode, delete: false, immutable: [] });
  const refusal = (...rules: readonly ReturnType<typeof rule>[]) =>
    createNamespaces(listing('quay.io'), routingWith(), rules).refusal('images.local', 'team/app')?.reason;

  it('is a local one, and the first that matches counts', () => {
    assert.equal(refusal(rule('images.local/**', 'local')), undefined);
    assert.equal(refusal(rule('images.local/team/**', 'overlay')), 'registry');
    assert.equal(
      refusal(rule('images.local/team/**', 'overlay'), rule('images.local/**', 'local')),
      'registry',
    );
    assert.equal(
      refusal(rule('images.local/**', 'local'), rule('images.local/team/**', 'overlay')),
      undefined,
    );
  });
});

describe('which image a request means', () => {
  it('takes the registry from ns, and says that it did', () => {
    const routed = ask('team/app/manifests/1?ns=quay.io');
    assert.equal(image(routed), 'quay.io/team/app');
    assert.equal(routed.ok && routed.namespace, 'quay.io');
  });

  it('takes ns percent-encoded with a port that the configuration has', () => {
    assert.equal(image(ask('a/b/manifests/1?ns=reg.corp%3A5443')), 'reg.corp:5443/a/b');
    assert.equal(image(ask('a/b/manifests/1?ns=reg.corp:5443')), 'reg.corp:5443/a/b');
  });

  it('takes the registry from the first path component', () => {
    const routed = ask('docker.io/library/alpine/manifests/1');
    assert.equal(image(routed), 'docker.io/library/alpine');
    assert.equal(routed.ok && routed.namespace, undefined);
    assert.equal(image(ask('reg.corp:5443/a/manifests/1')), 'reg.corp:5443/a');
    assert.equal(image(ask('localhost:5001/a/manifests/1')), 'localhost:5001/a');
  });

  it('takes the registry from a configured name', () => {
    const routing = { names: { 'reg-corp': 'reg.corp:5443', hub: 'registry-1.docker.io' } };
    assert.equal(image(ask('reg-corp/a/b/manifests/1', { routing })), 'reg.corp:5443/a/b');
    assert.equal(image(ask('hub/alpine/manifests/1', { routing })), 'docker.io/library/alpine');
  });

  it('takes the registry from the Host header, with or without its port, in any case', () => {
    const routing = { hosts: { 'Quay.mirror.corp': 'quay.io', 'mirror.corp:5000': 'reg.corp:5443' } };
    assert.equal(image(ask('a/b/manifests/1', { routing, host: 'quay.MIRROR.corp:8080' })), 'quay.io/a/b');
    assert.equal(image(ask('a/b/manifests/1', { routing, host: 'mirror.corp:5000' })), 'reg.corp:5443/a/b');
    assert.equal(image(ask('a/b/manifests/1', { routing, host: 'mirror.corp' })), 'docker.io/a/b');
  });

  it('falls to the default registry', () => {
    assert.equal(image(ask('a/b/manifests/1')), 'docker.io/a/b');
    assert.equal(image(ask('a/b/manifests/1', { routing: { defaultRegistry: 'quay.io' } })), 'quay.io/a/b');
  });

  it('prefers ns to the path, the path to the Host, the Host to the default', () => {
    const routing = { hosts: { 'm.corp': 'reg.corp:5443' } };
    assert.equal(
      image(ask('quay.io/a/manifests/1?ns=docker.io', { routing, host: 'm.corp' })),
      'docker.io/quay.io/a',
    );
    assert.equal(image(ask('quay.io/a/manifests/1', { routing, host: 'm.corp' })), 'quay.io/a');
    assert.equal(image(ask('b/a/manifests/1', { routing, host: 'm.corp' })), 'reg.corp:5443/b/a');
  });

  it('drops the first component that only repeats ns', () => {
    assert.equal(image(ask('quay.io/a/b/manifests/1?ns=quay.io')), 'quay.io/a/b');
    assert.equal(image(ask('index.docker.io/alpine/manifests/1?ns=docker.io')), 'docker.io/library/alpine');
    const routing = { names: { 'reg-corp': 'reg.corp:5443' } };
    assert.equal(image(ask('reg-corp/a/manifests/1?ns=reg.corp:5443', { routing })), 'reg.corp:5443/a');
  });

  it('gives docker.io its library, whichever way it was named', () => {
    assert.equal(image(ask('alpine/manifests/1')), 'docker.io/library/alpine');
    assert.equal(image(ask('alpine/manifests/1?ns=docker.io')), 'docker.io/library/alpine');
    assert.equal(image(ask('docker.io/alpine/manifests/1')), 'docker.io/library/alpine');
    assert.equal(image(ask('alpine/manifests/1?ns=quay.io')), 'quay.io/alpine');
  });

  it("knows Docker Hub's other names", () => {
    for (const name of ['index.docker.io', 'registry-1.docker.io']) {
      assert.equal(image(ask(`alpine/manifests/1?ns=${name}`)), 'docker.io/library/alpine');
      assert.equal(image(ask(`${name}/a/b/manifests/1`)), 'docker.io/a/b');
    }
  });

  it('takes every host of a wildcard for listed, but not the domain itself', () => {
    assert.equal(image(ask('a/manifests/1?ns=x.labs.corp')), 'x.labs.corp/a');
    assert.equal(image(ask('a/manifests/1?ns=x.y.labs.corp')), 'x.y.labs.corp/a');
    assert.equal(image(ask('a/manifests/1?ns=labs.corp')), 'refused: registry');
  });
});

describe('a closed world', () => {
  it('refuses a registry that is not listed, by ns and by path, and says how to list it', () => {
    assert.equal(image(ask('a/b/manifests/1?ns=evil.example')), 'refused: registry');
    const routed = ask('evil.example/a/b/manifests/1');
    assert.ok(!routed.ok);
    assert.equal(routed.refusal.reason, 'registry');
    assert.match(
      routed.refusal.message,
      /"evil\.example" is not in the configuration: .*location = "evil\.example"/,
    );
  });

  it('refuses the default registry where registries.conf does not list it', () => {
    assert.equal(image(ask('alpine/manifests/1', { registries: listing('quay.io') })), 'refused: registry');
  });

  it('takes what entrepot.toml maps to for listed', () => {
    const only = listing('quay.io');
    const options = {
      registries: only,
      routing: { names: { corp: 'reg.corp:9' }, defaultRegistry: 'd.corp:5' },
    };
    assert.equal(image(ask('corp/a/manifests/1', options)), 'reg.corp:9/a');
    assert.equal(image(ask('a/manifests/1?ns=reg.corp:9', options)), 'reg.corp:9/a');
    assert.equal(image(ask('a/manifests/1', options)), 'd.corp:5/a');
  });

  it('refuses a port that the matched entry does not have, although the prefix would match', () => {
    for (const name of [
      'quay.io:8443',
      'x.labs.corp:5000',
      'reg.corp:5444',
      'docker.io:443',
      'ghcr.io:443',
    ]) {
      assert.equal(image(ask(`team/b/manifests/1?ns=${name}`)), 'refused: registry', name);
      assert.equal(image(ask(`${name}/team/b/manifests/1`)), 'refused: registry', name);
    }
    assert.equal(image(ask('a/manifests/1?ns=reg.corp')), 'refused: registry');
  });

  it('serves all of a registry of which an entry lists a part', () => {
    assert.equal(image(ask('team/a/manifests/1?ns=ghcr.io')), 'ghcr.io/team/a');
    assert.equal(image(ask('other/a/manifests/1?ns=ghcr.io')), 'ghcr.io/other/a');
  });

  it('refuses ns that is anything but host and port', () => {
    for (const ns of [
      '',
      'http://quay.io',
      'https%3A%2F%2Fquay.io',
      'quay.io/team',
      'quay.io%2Fteam',
      'user@quay.io',
      'user:pw@quay.io',
      'quay.io:',
      'quay.io:80:80',
      'quay.io%3Fx',
      'quay.io%00',
      'quay.io%0d%0aX-Evil:1',
      'quay.io%2500',
      '-quay.io',
      'quay.io.',
      '%zz',
      'q%C3%BCay.io',
      'a'.repeat(300),
    ]) {
      assert.equal(image(ask(`a/b/manifests/1?ns=${ns}`)), 'refused: namespace', ns);
    }
  });

  it('refuses two ns', () => {
    assert.equal(image(ask('a/b/manifests/1?ns=quay.io&ns=docker.io')), 'refused: namespace');
  });

  it('tells which registries it knows', () => {
    const router = createRouter(registries, routingWith({ hosts: { 'm.corp': 'mapped.corp:1' } }));
    for (const known of [
      'docker.io',
      'index.docker.io',
      'ghcr.io',
      'reg.corp:5443',
      'a.labs.corp',
      'mapped.corp:1',
    ]) {
      assert.equal(router.isListed(known), true, known);
    }
    for (const unknown of ['evil.example', 'quay.io:1', 'a.labs.corp:1', 'reg.corp', 'mapped.corp']) {
      assert.equal(router.isListed(unknown), false, unknown);
    }
    const rule = { match: 'images.local/team/**', mode: 'local', delete: false, immutable: [] } as const;
    const local = createRouter(registries, routingWith({}), [rule]);
    assert.equal(local.isListed('images.local', 'team/app'), true, 'what is pushed here');
    assert.equal(local.isListed('images.local', 'other/app'), false, 'no rule names it');
    assert.equal(local.isListed('images.local'), false, 'a registry to ask');
  });
});

describe('unlisted = "direct"', () => {
  const routing = { unlisted: 'direct' } as const;

  it('lets any registry through', () => {
    assert.equal(image(ask('a/b/manifests/1?ns=new.example', { routing })), 'new.example/a/b');
    assert.equal(image(ask('new.example:5000/a/manifests/1', { routing })), 'new.example:5000/a');
    assert.equal(image(ask('a/manifests/1?ns=192.168.7.9:5000', { routing })), '192.168.7.9:5000/a');
  });

  it('still refuses a port added to a listed registry', () => {
    assert.equal(image(ask('a/b/manifests/1?ns=quay.io:8443', { routing })), 'refused: registry');
  });

  it('refuses the port that a registry has anyway: no entry, gate or rule for its name would match', () => {
    for (const name of ['new.example:443', 'new.example:0443']) {
      assert.equal(image(ask(`a/b/manifests/1?ns=${name}`, { routing })), 'refused: registry', name);
      assert.equal(image(ask(`${name}/a/b/manifests/1`, { routing })), 'refused: registry', name);
    }
  });

  it('still refuses link-local addresses and metadata services, however they are written', () => {
    for (const name of [
      '169.254.169.254',
      '169.254.169.254:80',
      '[::1]:80',
      '[fe80::1]',
      '[::ffff:169.254.169.254]',
      '2852039166',
      '2852039166:80',
      '0xa9fea9fe:80',
      '0xA9.254.169.254',
      '0251.0376.0251.0376',
      '169.254.43518:80',
      '0.0.0.0:5000',
      '100.100.100.200',
      '168.63.129.16',
      '255.255.255.255',
      'metadata.google.internal',
      'METADATA.google.internal:80',
      'anything.internal',
      'metadata',
      'metadata:80',
      'instance-data',
      'singlelabel',
    ]) {
      const routed = ask(`a/b/manifests/1?ns=${encodeURIComponent(name)}`, { routing });
      assert.ok(
        ['refused: registry', 'refused: namespace'].includes(image(routed)),
        `${name}: ${image(routed)}`,
      );
    }
  });

  it('lets through what is listed, even there', () => {
    const options = { routing, registries: listing('169.254.1.1:5000', 'reg.internal') };
    assert.equal(image(ask('a/manifests/1?ns=169.254.1.1:5000', options)), '169.254.1.1:5000/a');
    assert.equal(image(ask('a/manifests/1?ns=reg.internal', options)), 'reg.internal/a');
  });
});
