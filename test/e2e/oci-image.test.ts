/**
 * The image that deploy/image builds without a container engine: the same to the byte each time, with an SBOM, run by podman under
 * any number of a user on a read-only root, and pulled through itself.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { get } from '../support/http-client.ts';
import { run as runInherited } from '../support/processes.ts';
import { place } from './support/client.ts';
import { type ContainerStorage, createContainerStorage } from './support/container-storage.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import { type Origin, startOrigin } from './support/origin.ts';
import { type Environment, type Program, run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

const programs = ['podman', 'runc', 'apt-get', 'dpkg-deb', 'oras'];
const checkout = join(import.meta.dirname, '..', '..');
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
const { version, dependencies, devDependencies } = JSON.parse(
  readFileSync(join(checkout, 'package.json'), 'utf8'),
);
/** In no passwd file, as on OpenShift. */
const stranger = '1234567:0';

interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo: string;
  readonly externalRefs: readonly { readonly referenceLocator: string }[];
}

describe('the image that deploy/image builds', () => {
  let site: Site;
  let env: Environment;
  let storage: ContainerStorage;
  let origin: Origin;
  let packages: string;
  let built: readonly [layout: string, sbom: string];
  let container: Program;
  let digest: string;

  before(async () => {
    if (obstacle(programs) !== undefined) return;
    site = await openSite();
    const folder = site.folder('containers');
    env = site.resident(folder);
    storage = createContainerStorage(folder, env, 'unqualified-search-registries = ["docker.io"]\n');
    packages = site.folder('packages');
    const names = ['base-files', 'ca-certificates', 'libc6', 'libgcc-s1', 'libstdc++6'];
    const fetched = await runInherited('apt-get', ['-qq', 'download', ...names], { cwd: packages });
    assert.equal(fetched.code, 0, fetched.stderr);
    built = await build('first');

    origin = site.own(await startOrigin(site.folder('origin'), env));
    const target = `${origin.host}/team/entrepot:1`;
    const copy = ['copy', '--recursive', '--from-oci-layout', '--to-plain-http', '--no-tty'];
    await run('oras', [...copy, `${built[0]}:${version}`, target], env);
    digest = (await run('oras', ['resolve', '--plain-http', target], env)).trim();
    container = await start(folder);
  });
  after(() => site?.close());

  async function build(name: string): Promise<readonly [string, string]> {
    const how = ['deploy/image/build.ts', '--out', site.folder(name), '--packages', packages];
    const fixed = { SOURCE_DATE_EPOCH: '1000000000', TZ: `Etc/GMT+${name.length}` };
    const { code, stdout, stderr } = await runInherited(process.execPath, how, { cwd: checkout, env: fixed });
    assert.equal(code, 0, stderr);
    const [layout = '', sbom = ''] = stdout.trim().split('\n').slice(-2);
    return [layout, sbom];
  }

  async function start(folder: string): Promise<Program> {
    const source = `[[registry]]\nprefix = "quay.io"\nlocation = "${origin.host}"\ninsecure = true\n`;
    const registries = place(join(folder, 'mirrored.conf'), source);
    const image = (await storage.podman('pull', '--quiet', `oci-archive:${built[0]}:${version}`)).trim();
    const rights = ['--user', stranger, '--cap-drop', 'all', '--security-opt', 'no-new-privileges'];
    const disk = ['--read-only', '--read-only-tmpfs=false', '--volume', 'entrepot:/var/lib/entrepot'];
    const files = ['--volume', `${registries}:/etc/containers/registries.conf:ro`];
    const where = ['--network', 'host', '--env', 'ENTREPOT_LISTEN=127.0.0.1:0', '--name', 'entrepot'];
    site.own({ stop: () => storage.podman('rm', '--force', '--time', '0', 'entrepot') });
    return storage.start(
      [...rights, ...disk, ...files, ...where, image],
      /"address":"([^"]+)".*"msg":"listening"/,
    );
  }

  const through = (path: string) => `${container.announced}/quay.io/team/${path}`;
  const inside = (...command: string[]) => storage.podman('exec', 'entrepot', ...command);

  test('is the same to the byte when it is built again', async (t) => {
    if (!isEquipped(t, programs)) return;
    const again = await build('second');
    for (const [at, file] of built.entries()) {
      assert.equal(basename(again[at] ?? ''), basename(file));
      assert.ok(readFileSync(again[at] ?? '').equals(readFileSync(file)), basename(file));
    }
  });

  test('names all that is in it: packages of npm, Node and packages of Debian', async (t) => {
    if (!isEquipped(t, programs)) return;
    const document = JSON.parse(readFileSync(built[1], 'utf8'));
    const listed = document.packages as readonly SpdxPackage[];
    const names = listed.map(({ name }) => name);
    const isListed = (name: string) => names.includes(name);
    assert.deepEqual(
      Object.keys(dependencies).filter((name) => !isListed(name)),
      [],
    );
    assert.deepEqual(Object.keys(devDependencies).filter(isListed), ['node']);
    const node = listed.find(({ name }) => name === 'node');
    assert.equal(`v${node?.versionInfo}`, process.version);
    const debian = listed
      .flatMap(({ externalRefs }) => externalRefs)
      .map(({ referenceLocator }) => referenceLocator);
    assert.ok(debian.some((purl) => purl.startsWith('pkg:deb/debian/libc6@')));
    const ids = listed.map(({ SPDXID }) => SPDXID);
    assert.equal(new Set(ids).size, ids.length);
    const named = document.relationships.flatMap((one: Record<string, string>) => [
      one.spdxElementId,
      one.relatedSpdxElement,
    ]);
    assert.deepEqual(
      named.filter((id: string) => !ids.includes(id) && id !== document.SPDXID),
      [],
    );
  });

  test('runs as a user that it does not know, and writes nowhere but to its volume', async (t) => {
    if (!isEquipped(t, programs)) return;
    assert.equal((await get(`http://${container.announced}/readyz`)).status, 200);
    assert.match(await inside('entrepot', 'health'), /./);
    const write = (path: string) => inside('node', '-e', `fs.writeFileSync(${JSON.stringify(path)}, '')`);
    for (const path of ['/opt/entrepot/x', '/tmp/x', '/etc/x']) await assert.rejects(write(path), /EROFS/);
    await write('/var/lib/entrepot/x');
  });

  test('loads every module of the program, though much of its packages is left out', async (t) => {
    if (!isEquipped(t, programs)) return;
    const code = `const { readdirSync } = await import('node:fs');
      const names = readdirSync('dist', { recursive: true }).filter((name) => name.endsWith('.js'));
      const starts = (name) => name === 'main.js' || /worker|assets/.test(name);
      const modules = names.filter((name) => !starts(name)).map((name) => '/opt/entrepot/dist/' + name);
      for (const name of [...modules, ...process.argv.slice(1)]) await import(name);
      console.log(modules.length);
      process.exit();`;
    const loaded = await inside('node', '--input-type=module', '-e', code, ...Object.keys(dependencies));
    assert.ok(Number(loaded) > 500, loaded);
  });

  test('has no shell and no package manager', async (t) => {
    if (!isEquipped(t, programs)) return;
    for (const program of ['sh', 'dpkg', 'apt-get', 'npm'])
      await assert.rejects(inside(program, '--version'), /not found/);
  });

  test('is pulled through itself, with its SBOM', async (t) => {
    if (!isEquipped(t, programs)) return;
    const resolved = await run('oras', ['resolve', '--plain-http', through('entrepot:1')], env);
    assert.equal(resolved.trim(), digest);
    const target = join(site.folder('pulled'), 'layout');
    const copy = ['copy', '--recursive', '--from-plain-http', '--to-oci-layout', '--no-tty'];
    await run('oras', [...copy, through('entrepot:1'), `${target}:1`], env);
    const attached = JSON.parse(
      await run('oras', ['discover', '--oci-layout', '--format', 'json', `${target}:1`], env),
    );
    const [sbom] = attached.referrers ?? attached.manifests;
    assert.equal(sbom.artifactType, 'application/spdx+json');
    const files = site.folder('sbom');
    const pull = ['pull', '--plain-http', '--no-tty', '--output', files, through(`entrepot@${sbom.digest}`)];
    await run('oras', pull, env);
    assert.equal(readFileSync(join(files, 'sbom.spdx.json'), 'utf8'), readFileSync(built[1], 'utf8'));
  });

  test('stops as it is told', async (t) => {
    if (!isEquipped(t, programs)) return;
    assert.ok(basename(built[0]).endsWith(`-${architecture}.oci.tar`));
    assert.deepEqual(await container.stop(), { code: 0, signal: null });
  });
});
