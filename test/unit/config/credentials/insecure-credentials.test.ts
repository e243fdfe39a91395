import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { loadConfig } from '../../../../src/config/load.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

function warningsOf(t: TestContext, files: { registries: string; toml?: string; auths?: object }): string[] {
  const root = tempFolder(t);
  const write = (name: string, text: string) => writeFileSync(join(root, name), text);
  mkdirSync(join(root, '.docker'));
  write('registries.conf', files.registries);
  write('entrepot.toml', files.toml ?? '');
  write('.docker/config.json', JSON.stringify({ auths: files.auths ?? {} }));
  const { warnings } = loadConfig({
    flags: { registries: join(root, 'registries.conf'), config: join(root, 'entrepot.toml') },
    ...{ env: {}, home: root, uid: 1000, cwd: root, root },
  });
  return warnings.map(({ file, line, message }) => `${file}:${line}: ${message}`.replaceAll(root, ''));
}

const entry = { auth: Buffer.from('joe:hunter2').toString('base64') };
const mirrored = `[[registry]]
location = "hub.corp"
[[registry.mirror]]
location = "m1.corp:5000/hub"
insecure = true
`;

describe('credentials of insecure hosts', () => {
  it('are warned about where the host is marked, whichever key they have', (t) => {
    const expected = [
      '/registries.conf:4: m1.corp:5000 is marked insecure: its credentials in /.docker/config.json may be read and altered on their way',
    ];
    for (const key of ['m1.corp:5000', 'm1.corp:5000/hub/team', 'https://m1.corp:5000/v1/']) {
      assert.deepEqual(warningsOf(t, { registries: mirrored, auths: { [key]: entry } }), expected, key);
    }
  });

  it('are warned about when entrepot.toml names their file', (t) => {
    const toml = '[[upstream.host]]\nhost = "m1.corp:5000"\nusername = "joe"\npassword_file = "secret"\n';
    const [warning, ...others] = warningsOf(t, { registries: mirrored, toml });
    assert.match(warning ?? '', /m1\.corp:5000 is marked insecure: its credentials in \/secret/);
    assert.deepEqual(others, []);
  });

  it('are warned about as tokens when entrepot.toml names a key that signs them', (t) => {
    const toml = '[[upstream.host]]\nhost = "m1.corp:5000"\ntoken = { key_file = "key", issuer = "x" }\n';
    assert.deepEqual(warningsOf(t, { registries: mirrored, toml }), [
      '/registries.conf:4: m1.corp:5000 is marked insecure: tokens for it that are signed with /key may be read on their way, and used until they end',
    ]);
  });

  it('are warned about when only upstream.insecure marks the host', (t) => {
    const [warning] = warningsOf(t, {
      registries: '[[registry]]\nlocation = "hub.corp"\n',
      toml: '[upstream]\ninsecure = true\n',
      auths: { 'hub.corp': entry },
    });
    assert.match(warning ?? '', /^\/registries\.conf:2: hub\.corp is marked insecure/);
  });

  it('are no matter where the host is verified, or has none', (t) => {
    assert.deepEqual(warningsOf(t, { registries: mirrored, auths: { 'hub.corp': entry } }), []);
    assert.deepEqual(warningsOf(t, { registries: mirrored }), []);
  });
});

describe('credentials of a server that other machines reach without TLS', () => {
  const registries = '[[registry]]\nlocation = "hub.corp"\n';
  const open = 'data = "d"\nlisten = "0.0.0.0:5000"\n';

  it('are one warning, with the line that says where it listens', (t) => {
    const [warning, ...others] = warningsOf(t, {
      registries,
      toml: open,
      auths: { 'hub.corp': entry, 'quay.io': entry },
    });
    assert.match(
      warning ?? '',
      /^\/entrepot\.toml:2: listens on 0\.0\.0\.0 without \[tls\]: every client that reaches it may pull with the credentials of /,
    );
    assert.deepEqual(others, []);
  });

  it('are no matter on loopback, nor where there are none', (t) => {
    const auths = { 'hub.corp': entry };
    for (const host of ['127.0.0.1', '[::1]', 'localhost']) {
      assert.deepEqual(warningsOf(t, { registries, toml: `listen = "${host}:5000"\n`, auths }), []);
    }
    assert.deepEqual(warningsOf(t, { registries, toml: open }), []);
  });

  it('are warned about where a host name only begins like a loopback address', (t) => {
    const [warning] = warningsOf(t, {
      registries,
      toml: 'listen = "127.example:5000"\n',
      auths: { 'hub.corp': entry },
    });
    assert.match(warning ?? '', /listens on 127\.example without \[tls\]/);
  });
});
