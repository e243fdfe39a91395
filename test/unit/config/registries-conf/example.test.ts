import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadRegistries } from '../../../../src/config/registries-conf/load.ts';

const example = join(import.meta.dirname, '../../../../registries.conf.example');
const folder = mkdtempSync(join(tmpdir(), 'example-'));
after(() => rmSync(folder, { recursive: true }));

function load(registries: string) {
  return loadRegistries({ registries, env: {}, home: '/nonexistent', uid: 1000 });
}

describe('registries.conf.example', () => {
  it('loads as it is, without a warning', () => {
    const { registries, warnings } = load(example);
    assert.deepEqual(warnings, []);
    assert.ok(registries.entries.length >= 4);
  });

  it('loads without a warning when every setting in it is taken out of its comment', () => {
    const file = join(folder, 'registries.conf');
    writeFileSync(file, readFileSync(example, 'utf8').replaceAll(/^#(?=[^\s])/gm, ''));
    const { registries, warnings } = load(file);
    assert.deepEqual(warnings, []);
    assert.equal(registries.additionalLayerStoreAuthHelper, 'layer-store-helper');
    assert.equal(registries.aliases.get('alpine'), 'docker.io/library/alpine');
    assert.ok(
      registries.entries.some((entry) => entry.mirrors.some((m) => m.pullFromMirror === 'digest-only')),
    );
  });

  it('names every key that is known', () => {
    const text = readFileSync(example, 'utf8');
    const keys = [
      ...['unqualified-search-registries', 'short-name-mode', 'credential-helpers'],
      ...['additional-layer-store-auth-helper', 'prefix', 'location', 'insecure', 'blocked'],
      ...['mirror-by-digest-only', 'pull-from-mirror', 'namespace-proxy'],
    ];
    for (const key of keys) assert.match(text, new RegExp(`^#?${key} = `, 'm'), key);
    for (const table of ['[[registry]]', '[[registry.mirror]]', '[aliases]'])
      assert.ok(text.includes(table), table);
  });
});
