/** Several servers and one PostgreSQL: states of replicas and selections of blocks. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type RunningApp, startApp } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { hurried, isConnected, type Site, startSite } from '../support/facts-site.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { actions, states } from '../support/sync-world.ts';

const image = buildImage({ seed: 'kept', layers: [2000] });
const old = buildImage({ seed: 'old', layers: [3000] });

interface World {
  readonly site: Site;
  readonly registry: FakeRegistry;
  /** Without facts: a server that works alone. */
  start(files?: { readonly folder?: string; readonly facts?: string }): Promise<RunningApp>;
}

async function world(t: TestContext): Promise<World | undefined> {
  const site = await startSite(t);
  if (!site) return undefined;
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  registry.putImage('team/app', '1', image);
  registry.putImage('team/app', 'old', old);
  const source = `${registry.host}/team/app`;
  // The hurried clock hastens these, too, and a busy machine is no registry that does not answer.
  const patient = '[upstream]\nconnect_timeout = "1m"\nheader_timeout = "5m"\n';
  const block = `${patient}[[sync]]\nname = "app"\nsource = "${source}"\nmissing = "delete"\ngrace = "0s"\n`;
  return {
    site,
    registry,
    async start({ folder, facts = site.facts } = {}) {
      const files = { registries: insecureRegistry(registry.host), toml: `${facts}${block}` };
      const app = await startApp(t, { ...files, ...(folder && { folder }) }, { clock: hurried(20) });
      if (facts !== '') await isConnected(app);
      return app;
    },
  };
}

const replicas = ({ app }: RunningApp) => Array.fromAsync(app.administration.replicas.tags({}));
const run = async ({ app }: RunningApp) =>
  (await app.administration.sync(['app'], {}))[0] ?? assert.fail('no report');

/** Resolves once both say the same of all replicas, and something. */
async function areTheSame(one: RunningApp, other: RunningApp): Promise<string[]> {
  return await eventually('both show the same replicas', async () => {
    const [mine, its] = [await replicas(one), await replicas(other)];
    const isSame = JSON.stringify(mine) === JSON.stringify(its);
    return isSame && mine.length > 0 && mine.map(({ tag, state }) => `${tag} ${state}`);
  });
}

describe('servers with one PostgreSQL', () => {
  it('show the same replicas, and remove what another one has brought', async (t) => {
    const made = await world(t);
    if (!made) return;
    const { registry, start } = made;
    const [a, b] = [await start(), await start()];
    assert.deepEqual(states(await run(a)), ['1 done', 'old done']);
    assert.deepEqual(await areTheSame(a, b), ['1 done', 'old done']);
    registry.removeManifest('team/app', 'old');
    assert.deepEqual(actions(await run(a)), ['1 same', 'old gone']);
    await eventually('the other one knows of the first listing', async () => {
      const plan = await b.app.administration.planSync(['app']);
      return plan[0]?.repositories[0]?.tags.some(({ action }) => action === 'remove');
    });
    assert.deepEqual(states(await run(b)), ['1 done', 'old done'], 'the second listing is of another server');
    assert.deepEqual(await areTheSame(a, b), ['1 done']);
    await eventually('the tag is gone on both', async () => {
      const url = `${a.url}/v2/${registry.host}/team/app/manifests/old`;
      return (await get(url)).status === 404;
    });
  });

  it('keep states while PostgreSQL is gone, and tell them afterwards', async (t) => {
    const made = await world(t);
    if (!made) return;
    const { site, start, registry } = made;
    const [a, b] = [await start(), await start()];
    await run(a);
    await areTheSame(a, b);
    await site.postgres.signal('SIGKILL');
    registry.putImage('team/app', '2', buildImage({ seed: 'late', layers: [1000] }));
    registry.removeManifest('team/app', 'old');
    await run(b);
    assert.deepEqual(
      (await replicas(b)).map(({ tag, state }) => `${tag} ${state}`),
      ['1 done', '2 done'],
    );
    assert.equal((await replicas(a)).length, 2, 'the other one shows what it knew');
    await site.postgres.start();
    assert.deepEqual(await areTheSame(a, b), ['1 done', '2 done']);
    const late = await start();
    assert.deepEqual(await areTheSame(a, late), ['1 done', '2 done'], 'so does one with an empty disk');
  });

  it('learn the states that a server had before it shared them', async (t) => {
    const made = await world(t);
    if (!made) return;
    const { start } = made;
    const alone = await start({ facts: '' });
    await run(alone);
    await alone.stop();
    const [a, b] = [await start({ folder: alone.folder }), await start()];
    assert.deepEqual(await areTheSame(a, b), ['1 done', 'old done']);
    await eventually('selections as well', async () => {
      const [[count] = []] = await made.site.postgres.sql(
        "select count(*) from facts where kind = 'selection'",
      );
      return count === '2';
    });
  });
});
