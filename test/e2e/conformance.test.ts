/**
 * The OCI conformance suites: all halves against a `local` repository, with accounts and without, and the pull half against what
 * Entrepot pulls through, cold, warm and with the origin stopped.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { RunningEntrepot } from '../support/processes.ts';
import { place } from './support/client.ts';
import {
  type CurrentSuiteOrder,
  type ReadOnlyData,
  runCurrentSuite,
  runEarlierSuite,
  type Verdict,
} from './support/conformance.ts';
import { startEntrepot } from './support/entrepot.ts';
import { isEquipped, obstacle } from './support/equipment.ts';
import { type Account, passwordLine, startOrigin } from './support/origin.ts';
import { run } from './support/programs.ts';
import { type RealRegistry, realRegistries } from './support/registries.ts';
import { openSite, type Site } from './support/site.ts';

const suites = ['conformance', 'conformance-1.1'];

/** `floor`: a suite that tests less than it did is a suite that we call in the wrong way. */
function assertConforms({ passed, failed, summary }: Verdict, floor: number): void {
  assert.deepEqual(failed, [], summary);
  assert.ok(passed >= floor, `only ${passed} tests passed, not ${floor}:\n${summary}`);
}

const local = '[[push]]\nmatch = "images.local/**"\nmode = "local"\ndelete = true\n';
const ci: Account = { username: 'ci', password: 'only:for tests' };

describe('a local repository that anonymous clients on loopback may push to', () =>
  conforms(undefined, () => Promise.resolve('[access]\nanonymous = ["pull", "push", "delete"]\n')));

describe('a local repository that wants an account', () =>
  conforms(ci, async (home, env) => {
    const file = place(join(home, 'htpasswd'), await passwordLine(ci, env));
    const rule = 'who = ["ci"]\nmatch = "images.local/**"\nmay = ["pull", "push", "delete"]\n';
    return `[access]\nanonymous = []\nhtpasswd = "${file}"\n[[access.rule]]\n${rule}`;
  }));

function conforms(
  account: Account | undefined,
  access: (home: string, env: Readonly<Record<string, string>>) => Promise<string>,
): void {
  let site: Site;
  let entrepot: RunningEntrepot;

  before(async () => {
    if (obstacle(suites) !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    const settings = `${await access(home, env)}${local}`;
    entrepot = site.own(await startEntrepot(home, env, { registries: '', settings }));
  });
  after(() => site?.close());

  const order = (name: string) => {
    const folder = site.folder('suite');
    const repositories = [`images.local/${name}/one`, `images.local/${name}/two`] as const;
    return { host: entrepot.host, account, folder, env: site.resident(folder), repositories };
  };

  test('conforms to version 1.1 of the specification', async (t) => {
    if (!isEquipped(t, suites)) return;
    assertConforms(await runCurrentSuite({ ...order('stable'), version: '1.1' }), 840);
  });

  test('conforms to the specification as it is being written', async (t) => {
    if (!isEquipped(t, suites)) return;
    assertConforms(await runCurrentSuite({ ...order('dev'), version: 'dev' }), 970);
  });

  test('conforms by the suite that came with version 1.1', async (t) => {
    if (!isEquipped(t, suites)) return;
    assertConforms(await runEarlierSuite(order('earlier')), 70);
  });
}

describe('repositories over a registry that has nothing of them', () => {
  const needed = [...suites, 'docker-registry'];
  let site: Site;
  let entrepot: RunningEntrepot;

  before(async () => {
    if (obstacle(needed) !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    const { host } = site.own(await startOrigin(site.folder('origin'), env));
    const registries = ['overlay', 'fill'].map(
      (name) => `[[registry]]\nprefix = "${name}.test"\nlocation = "${host}"\ninsecure = true\n`,
    );
    const rules = ['overlay', 'fill'].map(
      (mode) => `[[push]]\nmatch = "${mode}.test/**"\nmode = "${mode}"\ndelete = true\n`,
    );
    const settings = `[access]\nanonymous = ["pull", "push", "delete"]\n${rules.join('')}`;
    entrepot = site.own(await startEntrepot(home, env, { registries: registries.join(''), settings }));
  });
  after(() => site?.close());

  const pushTo = (mode: 'overlay' | 'fill', listsTags: boolean): Promise<Verdict> => {
    const folder = site.folder('suite');
    const repositories = [`${mode}.test/one`, `${mode}.test/two`] as const;
    const order = { host: entrepot.host, folder, env: site.resident(folder), repositories };
    return runCurrentSuite({ ...order, version: 'dev', listsTags });
  };

  test('conform in mode overlay', async (t) => {
    if (!isEquipped(t, needed)) return;
    assertConforms(await pushTo('overlay', true), 970);
  });

  test('conform in mode fill, where the list of tags is that of the registry', async (t) => {
    if (!isEquipped(t, needed)) return;
    assertConforms(await pushTo('fill', false), 930);
  });
});

for (const registry of realRegistries)
  describe(`what Entrepot pulls from ${registry.name}`, () => conformsReadOnly(registry));

function conformsReadOnly(registry: RealRegistry): void {
  const needed = [...suites, ...registry.programs, 'oras', 'crane'];
  const repository = 'team/app';
  let site: Site;
  let origin: Awaited<ReturnType<RealRegistry['start']>>;
  let entrepot: RunningEntrepot;
  let readOnly: ReadOnlyData;

  before(async () => {
    if (obstacle(needed) !== undefined) return;
    site = await openSite();
    const home = site.folder('entrepot');
    const env = site.resident(home);
    origin = site.own(await registry.start(site.folder('origin'), env));
    const index = await site.images.index('conforming');
    const single = await site.images.image('single');
    await origin.push(index, repository, '1');
    await origin.push(single, repository, 'single');
    const sbom = place(join(site.folder('sbom'), 'sbom.json'), '{"spdx":1}');
    const attach = ['attach', '--no-tty', '--plain-http', '--disable-path-validation'];
    const type = ['--artifact-type', 'application/spdx+json'];
    await run('oras', [...attach, ...type, `${origin.host}/${repository}:1`, sbom], env);
    readOnly = {
      tags: ['1', 'single'],
      manifests: [index.digest, single.digest],
      blobs: [...index.layers, ...single.layers.slice(1)],
      referrers: [index.digest],
    };
    const registries = `[[registry]]\nprefix = "ex.test"\nlocation = "${origin.host}"\ninsecure = true\n`;
    entrepot = site.own(await startEntrepot(home, env, { registries }));
  });
  after(() => site?.close());

  const read = (only?: string): Promise<Verdict> => {
    const folder = site.folder('suite');
    const name = `ex.test/${repository}`;
    const order: CurrentSuiteOrder = {
      host: entrepot.host,
      folder,
      env: site.resident(folder),
      version: 'dev',
      repositories: [name, name],
      readOnly,
      only,
    };
    return runCurrentSuite(order);
  };

  for (const when of ['cold', 'warm'])
    test(`conforms, ${when}`, async (t) => {
      if (!isEquipped(t, needed)) return;
      assertConforms(await read(), 22);
    });

  test('conforms by the suite that came with version 1.1', async (t) => {
    if (!isEquipped(t, needed)) return;
    const folder = site.folder('suite');
    const name = `ex.test/${repository}`;
    const { tags, manifests, blobs } = readOnly;
    const [tag = '', manifest = '', blob = ''] = [tags.at(-1), manifests.at(-1), blobs.at(-1)];
    const order = { host: entrepot.host, folder, env: site.resident(folder) };
    const verdict = await runEarlierSuite({
      ...order,
      repositories: [name, name],
      readOnly: { tag, manifest, blob },
    });
    assertConforms(verdict, 10);
  });

  // Whether an unknown digest exists, nothing can say then: such requests get 502, and the suite wants 404 of them.
  test('conforms in all that was read, with the registry stopped', async (t) => {
    if (!isEquipped(t, needed)) return;
    await origin.stop();
    assertConforms(await read('OCI Conformance Test/read-only'), 15);
  });
}
