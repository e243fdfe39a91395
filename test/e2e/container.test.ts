/**
 * The Dockerfile, built as it is: the image runs without root on a read-only root file system, and is pulled through itself.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { get } from '../support/http-client.ts';
import { run as runInherited } from '../support/processes.ts';
import { assembleBaseImage, baseImages } from './support/base-image.ts';
import { place } from './support/client.ts';
import { type ContainerStorage, createContainerStorage } from './support/container-storage.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import { type Origin, startOrigin } from './support/origin.ts';
import { type Environment, type Program, run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

const programs = ['buildah', 'podman', 'runc', 'npm'];
const checkout = fileURLToPath(new URL('../..', import.meta.url));
const image = 'localhost/entrepot:built';

describe('the image that the Dockerfile builds', () => {
  let site: Site;
  let env: Environment;
  let storage: ContainerStorage;
  let origin: Origin;
  let pushed: string;
  let container: Program;

  before(async () => {
    if (obstacle(programs) !== undefined) return;
    site = await openSite();
    const folder = site.folder('containers');
    env = site.resident(folder);
    storage = createContainerStorage(folder, env, 'unqualified-search-registries = ["docker.io"]\n');
    const [base = '', ...others] = baseImages(readFileSync(join(checkout, 'Dockerfile'), 'utf8'));
    assert.deepEqual(others, [], 'both stages have the same base');
    await assembleBaseImage(base, storage, folder, env);
    await build(folder);

    origin = site.own(await startOrigin(site.folder('origin'), env));
    pushed = await push(folder);
    container = await start(folder);
  });
  after(() => site?.close());

  /** npm finds the registry and the packages where this machine does; nothing of that is left in the image. */
  async function build(folder: string): Promise<void> {
    const setting = async (key: string) =>
      (await runInherited('npm', ['config', 'get', key], { cwd: checkout })).stdout.trim();
    const cache = await setting('cache');
    const configuration = join(folder, 'npm');
    mkdirSync(configuration);
    mkdirSync(cache, { recursive: true });
    const lines = [`registry=${await setting('registry')}`, 'cache=/mnt', 'prefer-offline=true'];
    const authorities = await setting('cafile');
    if (authorities !== 'null') {
      copyFileSync(authorities, join(configuration, 'ca.pem'));
      lines.push('cafile=/usr/local/etc/ca.pem');
    }
    place(join(configuration, 'npmrc'), lines.join('\n'));
    // Folders that the base has: for others an empty one would stay behind.
    const volumes = [`${configuration}:/usr/local/etc:ro`, `${cache}:/mnt`];
    const mounts = volumes.flatMap((volume) => ['--volume', volume]);
    const how = ['--pull-never', '--isolation', 'chroot', '--format', 'docker'];
    await storage.buildah('build', '--quiet', ...how, ...mounts, '--tag', image, checkout);
  }

  async function push(folder: string): Promise<string> {
    const digest = join(folder, 'digest');
    const how = ['--quiet', '--tls-verify=false', '--digestfile', digest];
    await storage.buildah('push', ...how, image, `docker://${origin.host}/team/entrepot:1`);
    return readFileSync(digest, 'utf8');
  }

  /** As the documentation says, but on the network of this machine, and with no folder of memory in between. */
  async function start(folder: string): Promise<Program> {
    const registries = place(
      join(folder, 'mirrored.conf'),
      `[[registry]]\nprefix = "quay.io"\nlocation = "${origin.host}"\ninsecure = true\n`,
    );
    const rights = ['--cap-drop', 'all', '--security-opt', 'no-new-privileges'];
    const disk = ['--read-only', '--read-only-tmpfs=false', '--volume', 'entrepot:/var/lib/entrepot'];
    const files = ['--volume', `${registries}:/etc/containers/registries.conf:ro`];
    const where = ['--network', 'host', '--env', 'ENTREPOT_LISTEN=127.0.0.1:0', '--name', 'entrepot'];
    const how = [...rights, ...disk, ...files, ...where];
    site.own({ stop: () => storage.podman('rm', '--force', '--time', '0', 'entrepot') });
    return storage.start([...how, image], /"address":"([^"]+)".*"msg":"listening"/);
  }

  const inside = (...command: string[]) => storage.podman('exec', 'entrepot', ...command);

  test('holds what it runs, and nothing of the machine that built it', async (t) => {
    if (!isEquipped(t, programs)) return;
    const list = async (path: string) => (await inside('ls', '-A', path)).trim().split('\n').filter(Boolean);
    assert.deepEqual(await list('/opt/entrepot'), [
      ...['LICENSE', 'dist', 'node_modules', 'package.json', 'registries.conf.example'],
    ]);
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(checkout, 'package.json'), 'utf8'),
    );
    const depth = ['-mindepth', '2', '-maxdepth', '3'];
    const found = await inside('find', '/opt/entrepot/node_modules', ...depth, '-path', '*/package.json');
    const isInstalled = (name: string) => found.includes(`/node_modules/${name}/package.json\n`);
    assert.deepEqual(Object.keys(dependencies).filter(isInstalled), Object.keys(dependencies));
    assert.deepEqual(Object.keys(devDependencies).filter(isInstalled), []);
    assert.deepEqual(await list('/mnt'), []);
    assert.deepEqual(await list('/usr/local/etc'), []);
    const prebuilds = await list('/opt/entrepot/node_modules/better-sqlite3/prebuilds');
    assert.deepEqual(prebuilds, [`linux-${process.arch}.node`]);
  });

  test('runs without root, and writes nowhere but to its volume', async (t) => {
    if (!isEquipped(t, programs)) return;
    assert.equal((await get(`http://${container.announced}/readyz`)).status, 200);
    assert.equal((await inside('id', '-u')).trim(), '1000');
    for (const path of ['/opt/entrepot/x', '/tmp/x', '/etc/x']) {
      await assert.rejects(inside('touch', path), /Read-only file system/);
    }
  });

  test('says that it is healthy, without a line in its log', async (t) => {
    if (!isEquipped(t, programs)) return;
    const before = container.stdout;
    await storage.podman('healthcheck', 'run', 'entrepot');
    assert.equal(container.stdout, before);
  });

  /** skopeo holds every blob against its digest; gives the one of the manifest. */
  async function pull(): Promise<string> {
    const source = `docker://${container.announced}/quay.io/team/entrepot:1`;
    const copy = `dir:${site.folder('pulled')}`;
    await run(
      'skopeo',
      ['copy', '--quiet', '--preserve-digests', '--src-tls-verify=false', source, copy],
      env,
    );
    const format = ['--no-tags', '--format', '{{.Digest}}'];
    return (await run('skopeo', ['inspect', '--tls-verify=false', ...format, source], env)).trim();
  }

  test('is pulled through itself', async (t) => {
    if (!isEquipped(t, programs)) return;
    assert.equal(await pull(), pushed);
  });

  test('serves itself when the registry is gone', async (t) => {
    if (!isEquipped(t, programs)) return;
    await origin.stop();
    assert.equal(await pull(), pushed);
  });

  test('takes commands, and stops as it is told', async (t) => {
    if (!isEquipped(t, programs)) return;
    const listed = await inside('entrepot', 'list', '--json');
    assert.match(listed, /"quay\.io\/team\/entrepot"/);
    assert.deepEqual(await container.stop(), { code: 0, signal: null });
    assert.match(container.stdout, /"msg":"stopped"/);
  });
});
