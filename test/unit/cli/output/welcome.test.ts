import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { welcome } from '../../../../src/cli/output/welcome.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

/** The lines for a server at `address`. */
function lines(
  t: TestContext,
  registries: string | undefined,
  address: string,
  toml = '',
): readonly string[] {
  const root = tempFolder(t);
  writeFileSync(join(root, 'entrepot.toml'), toml);
  if (registries !== undefined) writeFileSync(join(root, 'registries.conf'), registries);
  const config = loadConfig({
    flags: registries === undefined ? {} : { registries: join(root, 'registries.conf') },
    ...{ env: {}, home: root, uid: 1000, cwd: root, root },
  });
  return welcome(config, address, './entrepot explain')
    .split('\n')
    .map((line) => line.trim());
}

describe('the first lines of a server in a terminal', () => {
  it('name a pull that works with the built-in registries, and say that these serve', (t) => {
    const said = lines(t, undefined, '0.0.0.0:5000');
    assert.ok(said.includes('Entrepot serves images at http://127.0.0.1:5000'));
    assert.ok(said.includes('podman pull --tls-verify=false 127.0.0.1:5000/docker.io/library/alpine:latest'));
    assert.ok(said.includes('docker pull 127.0.0.1:5000/docker.io/library/alpine:latest'));
    assert.ok(said.includes('./entrepot explain docker.io/library/alpine:latest'));
    assert.ok(said.includes('http://127.0.0.1:5000/ui'));
    assert.ok(
      said.some((line) => line.includes('built-in list of public registries (no registries.conf was')),
    );
  });

  it('say that the built-in list is in force beside a file of the system that lists no registry', (t) => {
    const root = tempFolder(t);
    const file = join(root, 'etc/containers/registries.conf');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, 'short-name-mode = "enforcing"\n');
    const config = loadConfig({ flags: {}, env: {}, home: root, uid: 1000, cwd: root, root });
    const source = `the built-in list of public registries (no registry is listed in ${file})`;
    assert.ok(welcome(config, '127.0.0.1:5000', 'entrepot explain').includes(`registries: ${source}\n`));
  });

  it('name a registry that is served, and no client that cannot pull', (t) => {
    const conf = '[[registry]]\nlocation = "a.io"\nblocked = true\n[[registry]]\nlocation = "quay.io"\n';
    const said = lines(t, conf, '10.0.0.1:5000');
    assert.ok(said.includes('podman pull --tls-verify=false 10.0.0.1:5000/quay.io/REPOSITORY:TAG'));
    assert.ok(!said.some((line) => line.startsWith('docker pull')));
  });

  it('name no registry with a port, which no client takes in a path, but its name from entrepot.toml', (t) => {
    const ported = '[[registry]]\nlocation = "reg.corp:5443"\n';
    const both = lines(t, `${ported}[[registry]]\nlocation = "quay.io"\n`, '127.0.0.1:5000');
    assert.ok(both.includes('docker pull 127.0.0.1:5000/quay.io/REPOSITORY:TAG'));
    const toml = '[routing]\nnames = { "reg-corp" = "reg.corp:5443" }\n';
    const named = lines(t, ported, '127.0.0.1:5000', toml);
    assert.ok(named.includes('docker pull 127.0.0.1:5000/reg-corp/REPOSITORY:TAG'));
    assert.ok(named.includes('./entrepot explain reg.corp:5443/REPOSITORY:TAG'));
  });

  it('say https where clients are served over TLS', (t) => {
    const said = lines(t, undefined, '[::1]:5000', '[tls]\ncertificate = "c"\nkey = "k"\n');
    assert.ok(said.includes('Entrepot serves images at https://localhost:5000'));
    assert.ok(said.includes('podman pull localhost:5000/docker.io/library/alpine:latest'));
  });
});
