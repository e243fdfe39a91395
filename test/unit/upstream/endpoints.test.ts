/** The rules of rewriting are in test/unit/config/registries-conf/corpus.json; here is what only Entrepot does. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadRegistries } from '../../../src/config/registries-conf/load.ts';
import { EntrepotError } from '../../../src/errors.ts';
import { formatReference, parseReference } from '../../../src/oci/reference.ts';
import { type Endpoint, endpointKey } from '../../../src/upstream/endpoint.ts';
import { createEndpoints } from '../../../src/upstream/endpoints.ts';

const folder = mkdtempSync(join(tmpdir(), 'endpoints-'));
const file = join(folder, 'registries.conf');
after(() => rmSync(folder, { recursive: true }));

function endpoints(conf: string, reference: string, insecureDefault = false): readonly Endpoint[] {
  writeFileSync(file, conf);
  const { registries } = loadRegistries({ registries: file, env: {}, home: '/nonexistent', uid: 0 });
  const parsed = parseReference(reference);
  assert.ok(parsed.ok);
  return createEndpoints(registries, { insecureDefault })(parsed.value);
}

const mirrored = '[[registry]]\nlocation = "ex.io"\n[[registry.mirror]]\nlocation = "m.corp/cache"\n';

describe('endpoints', () => {
  it('are the image itself where no entry matches', () => {
    const [only, ...rest] = endpoints('', 'alpine:3');
    assert.deepEqual(rest, []);
    assert.deepEqual(only, {
      reference: { registry: 'docker.io', repository: 'library/alpine', tag: '3' },
      host: 'docker.io',
      location: 'docker.io/library/alpine',
      role: 'source',
      insecure: false,
      blockedBy: undefined,
      isUnlisted: true,
    });
  });

  it('bear the role, the host and the location as written', () => {
    const found = endpoints(mirrored, 'ex.io/app:1').map((e) => [e.role, e.host, e.location]);
    assert.deepEqual(found, [
      ['mirror', 'm.corp', 'm.corp/cache'],
      ['source', 'ex.io', 'ex.io'],
    ]);
  });

  it('have a key of their own behind one namespace proxy, where repositories of two registries share a name', () => {
    const proxied = (registry: string) =>
      `[[registry]]\nlocation = "${registry}"\n[[registry.mirror]]\nlocation = "proxy.corp"\nnamespace-proxy = "${registry}"\n`;
    const conf = proxied('docker.io') + proxied('quay.io');
    const keys = ['docker.io/team/app:1', 'quay.io/team/app:1'].map((name) =>
      endpoints(conf, name).map(endpointKey),
    );
    assert.deepEqual(keys, [
      ['proxy.corp/team/app?ns=docker.io', 'docker.io/team/app'],
      ['proxy.corp/team/app?ns=quay.io', 'quay.io/team/app'],
    ]);
  });

  it('bear the prefix where no location is written', () => {
    const [source] = endpoints('[[registry]]\nprefix = "*.ex.io"\n', 'a.ex.io/app:1');
    assert.equal(source?.location, '*.ex.io');
    assert.equal(source?.host, 'a.ex.io');
  });

  it('take upstream.insecure where their own table does not say', () => {
    const conf =
      '[[registry]]\nlocation = "ex.io"\n[[registry.mirror]]\nlocation = "a.corp"\ninsecure = false\n' +
      '[[registry.mirror]]\nlocation = "b.corp"\n[[registry.mirror]]\nlocation = "c.corp"\ninsecure = true\n';
    const flags = (byDefault: boolean) => endpoints(conf, 'ex.io/app', byDefault).map((e) => e.insecure);
    assert.deepEqual(flags(false), [false, false, true, false]);
    assert.deepEqual(flags(true), [false, true, true, true]);
    assert.equal(endpoints('', 'ex.io/app', true)[0]?.insecure, true);
  });

  it('name the entry that forbids them', () => {
    const conf = `${mirrored}[[registry]]\nlocation = "m.corp"\nblocked = true\n`;
    const blocked = endpoints(conf, 'ex.io/app').map((e) => e.blockedBy);
    assert.deepEqual(blocked, ['m.corp', undefined]);
  });

  it('forbid the source of a blocked entry even where its location lies elsewhere', () => {
    const conf = '[[registry]]\nprefix = "ex.io"\nlocation = "hub.corp"\nblocked = true\n';
    const [source] = endpoints(conf, 'ex.io/app');
    assert.equal(source?.host, 'hub.corp');
    assert.equal(source?.blockedBy, 'ex.io');
  });

  it('keep tag and digest', () => {
    const reference = `ex.io/app:1@sha256:${'a'.repeat(64)}`;
    const found = endpoints(mirrored, reference).map((e) => formatReference(e.reference));
    assert.deepEqual(found, [reference.replace('ex.io', 'm.corp/cache'), reference]);
  });
});

describe('an invalid rewrite', () => {
  function failure(conf: string, reference: string): EntrepotError {
    try {
      endpoints(conf, reference);
    } catch (error) {
      assert.ok(error instanceof EntrepotError);
      assert.equal(error.code, 'REWRITE_INVALID');
      assert.equal(error.file, file);
      return error;
    }
    assert.fail('nothing was thrown');
  }

  it('names the line of the location, what came out and the way out', () => {
    const error = failure(
      `${mirrored}[[registry.mirror]]\ninsecure = true\nlocation = "mirror"\n`,
      'ex.io/app:1',
    );
    assert.equal(error.line, 7);
    assert.match(error.message, /"mirror" turns "ex\.io\/app:1" into "mirror\/app:1"/);
    assert.match(error.message, /means "docker\.io\/mirror\/app:1": a host needs a dot or a port/);
  });

  it('says that a location cannot be an IPv6 address, and what to write', () => {
    const error = failure(`${mirrored}[[registry.mirror]]\nlocation = "[::1]:5000"\n`, 'ex.io/app:1');
    assert.match(error.message, /cannot be an IPv6 address; give the address a name in DNS or \/etc\/hosts/);
  });

  it('names the line of the source, too', () => {
    const error = failure('[[registry]]\nprefix = "ex.io/app"\nlocation = "hub.corp"\n', 'ex.io/app:1');
    assert.equal(error.line, 3);
    assert.match(error.message, /"hub\.corp:1"/);
  });

  it('tells how docker.io is written', () => {
    const error = failure('[[registry]]\nprefix = "ex.io"\nlocation = "docker.io"\n', 'ex.io/app:1');
    assert.match(error.message, /"\/library"/);
  });
});
