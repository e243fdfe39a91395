/** `entrepot render` as a command: what it prints, what it writes, and what it never overwrites. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runEntrepot } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const conf = `[[registry]]
location = "quay.io"
[[registry.mirror]]
location = "m.corp/quay"
pull-from-mirror = "tag-only"
[[registry]]
location = "docker.io"
`;

/** Runs `entrepot render` in a folder of its own, which holds nothing but registries.conf. */
function arrange(t: TestContext) {
  const folder = tempFolder(t);
  const registries = join(folder, 'registries.conf');
  writeFileSync(registries, conf);
  const render = (...args: readonly string[]) =>
    runEntrepot(['render', '--registries', registries, ...args], { cwd: folder });
  return { folder, render, read: (path: string) => readFileSync(join(folder, path), 'utf8') };
}

describe('entrepot render', () => {
  it('prints one file, and warnings beside it', async (t) => {
    const { render } = arrange(t);
    const { code, stdout, stderr } = await render('registries.yaml');
    assert.equal(code, 0);
    assert.match(stdout, /^# Written by "entrepot render registries\.yaml"/);
    assert.match(stdout, /mirrors:\n {2}"quay\.io":\n {4}endpoint:\n {6}- "https:\/\/m\.corp"\n {4}rewrite:/);
    assert.match(stderr, /^entrepot: warning: quay\.io: mirror m\.corp\/quay: pull-from-mirror: /);
  });

  it('prints files and warnings as JSON, the files of a folder too', async (t) => {
    const { render } = arrange(t);
    const { code, stdout, stderr } = await render('hosts.toml', '--json');
    const { format, files, warnings, written } = JSON.parse(stdout);
    assert.deepEqual([code, stderr, format, written], [0, '', 'hosts.toml', null]);
    assert.deepEqual(
      files.map(({ path }: { path: string }) => path),
      ['certs.d/quay.io/hosts.toml'],
    );
    assert.deepEqual(
      warnings.map(({ entry, mirror, key }: Record<string, unknown>) => [entry, mirror, key]),
      [['quay.io', 'm.corp/quay', 'pull-from-mirror']],
    );
  });

  it('writes a folder for each registry, which others may read', async (t) => {
    const { folder, render, read } = arrange(t);
    const args = ['hosts.toml', '--for', 'http://e.corp:5000', '--out', 'etc'];
    const { code, stdout } = await render(...args);
    const files = ['docker.io', 'quay.io'].map((name) => `etc/certs.d/${name}/hosts.toml`);
    assert.deepEqual([code, stdout], [0, files.map((file) => `${join(folder, file)}\n`).join('')]);
    for (const file of files) {
      assert.match(read(file), /\[host\."http:\/\/e\.corp:5000"\]/);
      assert.equal(statSync(join(folder, file)).mode & 0o044, 0o044);
      assert.deepEqual(readdirSync(join(folder, file, '..')), ['hosts.toml']);
    }
  });

  it('writes again what it has written, and nothing else unless it is forced', async (t) => {
    const { folder, render, read } = arrange(t);
    const out = (format: string, path: string, ...more: readonly string[]) =>
      render(format, '--out', path, ...more);
    assert.equal((await out('idms', 'own.yaml')).code, 0);
    assert.equal((await out('itms', 'own.yaml')).code, 0);
    assert.match(read('own.yaml'), /kind: ImageTagMirrorSet/);

    writeFileSync(join(folder, 'other.yaml'), 'kind: Other\n');
    const refused = await out('idms', 'other.yaml');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /other\.yaml: is not from "entrepot render".*--force\n$/m);
    assert.equal(read('other.yaml'), 'kind: Other\n');
    assert.equal((await out('idms', 'other.yaml', '--force')).code, 0);
    assert.match(read('other.yaml'), /kind: ImageDigestMirrorSet/);
  });

  it('writes none of several files if one is not its own', async (t) => {
    const { folder, render, read } = arrange(t);
    const other = 'etc/certs.d/quay.io/hosts.toml';
    mkdirSync(join(folder, other, '..'), { recursive: true });
    writeFileSync(join(folder, other), 'server = "https://other"\n');
    const { code } = await render('hosts.toml', '--for', 'e.corp', '--out', 'etc');
    assert.equal(code, 1);
    assert.equal(read(other), 'server = "https://other"\n');
    assert.deepEqual(readdirSync(join(folder, 'etc/certs.d')), ['quay.io']);
  });

  it('takes daemon.json for its own only if it is the same, for it has no comments', async (t) => {
    const { render } = arrange(t);
    const args = ['daemon.json', '--out', 'daemon.json'];
    assert.equal((await render(...args, '--for', 'a.corp')).code, 0);
    assert.equal((await render(...args, '--for', 'a.corp')).code, 0);
    assert.equal((await render(...args, '--for', 'b.corp')).code, 1);
    assert.equal((await render(...args, '--for', 'b.corp', '--force')).code, 0);
  });

  it('replaces no link and no folder', async (t) => {
    const { folder, render } = arrange(t);
    symlinkSync('elsewhere', join(folder, 'link'));
    mkdirSync(join(folder, 'folder/idms.yaml'), { recursive: true });
    for (const path of ['link', 'folder']) {
      const { code, stderr } = await render('idms', '--out', path, '--force');
      assert.deepEqual([path, code], [path, 1]);
      assert.match(stderr, /is no plain file/);
    }
  });

  it('refuses what makes no sense with exit code 2, and writes nothing', async (t) => {
    const { folder, render } = arrange(t);
    const wrong: readonly (readonly [RegExp, ...string[]])[] = [
      [/Allowed choices are/, 'compose'],
      [/--out DIR/, 'hosts.toml'],
      [/need --for/, 'idms', '--insecure'],
      [/needs --out/, 'idms', '--force'],
      [/without path and account/, 'idms', '--for', 'https://user:secret@e.corp'],
      [/without path and account/, 'idms', '--for', 'e.corp/path'],
      [/without path and account/, 'idms', '--for', '[::1]:5000'],
      [/add the port/, 'idms', '--for', 'mirror'],
      [/leave out --insecure and --ca/, 'idms', '--for', 'http://e.corp', '--insecure'],
      [/leave out --insecure or --ca/, 'idms', '--for', 'e.corp', '--insecure', '--ca', '/ca.crt'],
      [/absolute path/, 'idms', '--for', 'e.corp', '--ca', 'ca.crt'],
      [/neither tag nor digest/, 'idms', '--only', 'quay.io/team/app:1'],
      [/upper-case/, 'idms', '--only', 'quay.io/Team'],
    ];
    for (const [message, ...args] of wrong) {
      const { code, stdout, stderr } = await render(...args);
      assert.deepEqual([args, code, stdout], [args, 2, '']);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /secret/);
    }
    assert.deepEqual(readdirSync(folder), ['registries.conf']);
  });
});
