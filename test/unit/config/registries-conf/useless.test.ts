import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadRegistries } from '../../../../src/config/registries-conf/load.ts';

const folder = mkdtempSync(join(tmpdir(), 'useless-'));
after(() => rmSync(folder, { recursive: true }));

function warnings(text: string): string[] {
  const registries = join(folder, 'registries.conf');
  writeFileSync(registries, text);
  const loaded = loadRegistries({ registries, env: {}, home: '/nonexistent', uid: 0 });
  return loaded.warnings.map((warning) => `${warning.line}: ${warning.message}`);
}

function registry(location: string): string {
  return `[[registry]]\nlocation = "${location}"\n`;
}

describe('warnings of what is accepted although it cannot work', () => {
  const useless: readonly (readonly [prefix: string, reason: RegExp])[] = [
    ['*', /wildcard/],
    ['a.*.com', /wildcard/],
    ['mirror', /begins with a registry/],
    ['library/alpine', /begins with a registry/],
    ['index.docker.io', /docker\.io/],
    ['DOCKER.IO', /the name of that registry is docker\.io/],
    ['[::1]:5000', /no host/],
    ['ex.io/Upper', /no repository/],
    ['ex.io/app:1', /without tag and digest/],
    [`ex.io/app@sha256:${'a'.repeat(64)}`, /without tag and digest/],
  ];
  for (const [prefix, reason] of useless) {
    it(`tell that the prefix ${prefix} matches nothing`, () => {
      const found = warnings(`[[registry]]\nprefix = "${prefix}"\nlocation = "ex.io"\n`);
      assert.equal(found.length, 1);
      assert.match(found[0] ?? '', /^2: the prefix ".*" matches no image: /);
      assert.match(found[0] ?? '', reason);
    });
  }

  for (const location of [
    'mirror',
    'user@m.corp',
    'm corp',
    'HTTPS://m.corp',
    '[::1]:5000',
    'index.docker.io',
    'm.corp/A',
    'm.corp:99999',
    'm.corp:65536/hub',
    'DOCKER.IO',
    'Registry-1.docker.io',
  ]) {
    it(`tell that the location ${location} fails every pull`, () => {
      const found = warnings(`${registry('ex.io')}[[registry.mirror]]\n\nlocation = "${location}"\n`);
      assert.equal(found.length, 1);
      assert.match(found[0] ?? '', /^5: pulls that match "ex\.io" will fail: /);
    });
  }

  it('tell what to write in the place of a password, and not the password', () => {
    const [found = ''] = warnings(registry('joe:hunter2@ex.io'));
    assert.match(found, /it has a user name or password: write them with "podman login"/);
    assert.doesNotMatch(found, /hunter2|joe/);
  });

  it('are silent about what works', () => {
    const working = [
      'docker.io',
      'localhost',
      'localhost:5000',
      'mirror:5000',
      'ex.io/a_b',
      'EX.io',
      'registry-1.docker.io',
      'ex.io:65535',
      '10.0.0.1',
    ];
    for (const location of working) assert.deepEqual(warnings(registry(location)), [], location);
    assert.deepEqual(warnings('[[registry]]\nprefix = "*.ex.io"\n'), []);
  });
});
