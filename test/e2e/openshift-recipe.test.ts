/**
 * The recipe of docs/push.md: skopeo copies an index by its digest from a registry into Entrepot, that registry goes away, and nodes
 * with mirror configuration pull the digest. Entrepot starts again in between, so it serves what it has on disk.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RunningEntrepot } from '../support/processes.ts';
import { place } from './support/client.ts';
import { pullWithHosts } from './support/containerd.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import type { Image } from './support/images.ts';
import { type Account, type Origin, passwordLine, startOrigin } from './support/origin.ts';
import { pullWithRegistriesConf } from './support/podman.ts';
import { run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

const source = 'registry.access.redhat.com';
const repository = 'ubi8/ubi-minimal';
const ci: Account = { username: 'ci', password: 'only:for tests' };
const programs = ['podman', 'containerd', 'ctr'];

interface Recipe {
  readonly title: string;
  readonly mode: 'local' | 'overlay' | 'fill';
  /** Where the mirror is, after the host: the registry's name, or nothing if `routing.hosts` says which registry is meant. */
  readonly path: string;
  readonly routing?: string;
}

const recipes: readonly Recipe[] = [
  { title: 'in mode local, by the path of docs/push.md', mode: 'local', path: `/${source}` },
  {
    title: "in mode local, with the mirror's host standing for the registry",
    mode: 'local',
    path: '',
    routing: `[routing]\nhosts = { "127.0.0.1" = "${source}" }\n`,
  },
  { title: 'in mode overlay', mode: 'overlay', path: `/${source}` },
  { title: 'in mode fill', mode: 'fill', path: `/${source}` },
];

for (const recipe of recipes)
  describe(`an image that is copied ${recipe.title}`, () => isPulledByDigest(recipe));

function isPulledByDigest({ mode, path, routing = '' }: Recipe): void {
  let site: Site;
  let origin: Origin;
  let entrepot: RunningEntrepot;
  let restart: () => Promise<RunningEntrepot>;
  let index: Image;

  before(async () => {
    if (obstacle(programs) !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    index = await site.images.index('ubi-minimal');
    origin = site.own(await startOrigin(site.folder('origin'), env));
    await origin.push(index, repository, '8.10');
    const htpasswd = place(join(home, 'htpasswd'), await passwordLine(ci, env));
    const settings = `${routing}
[access]
htpasswd = "${htpasswd}"
[[access.rule]]
who = ["ci"]
match = "${source}/**"
may = ["push"]
[[push]]
match = "${source}/**"
mode = "${mode}"
`;
    const registries = mode === 'local' ? '' : mirrorOf(origin.host);
    restart = async () => site.own(await startEntrepot(home, env, { registries, settings }));
    entrepot = await restart();
  });
  after(() => site?.close());

  test('skopeo copies it by digest, with all its platforms', async (t) => {
    if (!isEquipped(t, programs)) return;
    const folder = site.folder('bastion');
    const registries = place(join(folder, 'registries.conf'), mirrorOf(origin.host));
    const how = ['--all', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false'];
    const credentials = ['--dest-creds', `${ci.username}:${ci.password}`];
    const target = `docker://${entrepot.host}${path}/${repository}:8.10`;
    const copy = ['copy', ...how, ...credentials, `docker://${source}/${repository}@${index.digest}`, target];
    await run('skopeo', ['--registries-conf', registries, ...copy], site.resident(folder));
  });

  test('the registry goes away, and Entrepot starts again', async (t) => {
    if (!isEquipped(t, programs)) return;
    await entrepot.stop();
    await origin.stop();
    entrepot = await restart();
  });

  test('podman on a node pulls the digest from the mirror', async (t) => {
    if (!isEquipped(t, programs)) return;
    const folder = site.folder('c');
    const mirror = `[[registry.mirror]]\nlocation = "${entrepot.host}${path}"\ninsecure = true\n`;
    const registries = `[[registry]]\nlocation = "${source}"\nblocked = true\n${mirror}`;
    const image = `${source}/${repository}@${index.digest}`;
    const pulled = await pullWithRegistriesConf(image, registries, folder, site.resident(folder));
    assert.equal(pulled.digest, index.digest);
    assert.deepEqual(pulled.layers, index.diffIds);
  });

  test('containerd on a node pulls the digest from the mirror', async (t) => {
    if (!isEquipped(t, programs)) return;
    const folder = site.folder('c');
    const host = `http://${entrepot.host}`;
    const hosts = `server = "${host}"\n[host."${host}"]\ncapabilities = ["pull", "resolve"]\n`;
    place(join(folder, 'hosts', source, 'hosts.toml'), hosts);
    const image = `${source}/${repository}@${index.digest}`;
    const pulled = await pullWithHosts(image, join(folder, 'hosts'), folder, site.resident(folder));
    assert.equal(pulled.digest, index.digest);
    assert.deepEqual(pulled.layers, index.layers);
  });

  test('skopeo reads all platforms of it from the mirror', async (t) => {
    if (!isEquipped(t, programs)) return;
    const folder = site.folder('c');
    const image = `docker://${entrepot.host}${path}/${repository}@${index.digest}`;
    const how = ['copy', '--quiet', '--all', '--preserve-digests', '--src-tls-verify=false'];
    await run('skopeo', [...how, image, `dir:${folder}/pulled`], site.resident(folder));
  });
}

/** registries.conf of a machine that finds the source at this host. */
function mirrorOf(host: string): string {
  return `[[registry]]\nprefix = "${source}"\nlocation = "${host}"\ninsecure = true\n`;
}
