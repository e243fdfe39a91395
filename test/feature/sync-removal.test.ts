/** `missing = "delete"` of `[[sync]]`: what goes, what stays, and what nothing may take away (issue 13, reference 3.3 and 3.5). */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { SyncReport } from '../../src/replication/sync-block.ts';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { runCommand } from '../support/commands.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import { status } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildArtifact, buildImage } from '../support/images.ts';
import { actions, states, type World, type WorldOptions, world } from '../support/sync-world.ts';

const image = buildImage({ seed: 'kept', layers: [2000] });
const old = buildImage({ seed: 'old', layers: [3000] });
/** ms. The grace is seven of these: days would run all timers of the server that come meanwhile. */
const step = 10_000;
const removing = 'missing = "delete"\ngrace = "70s"\n';

/** A world with the tags `1` and `old` here, of which `old` is gone at the registry. */
async function afterLoss(t: TestContext, options: WorldOptions = {}): Promise<World> {
  const made = await world(t, { block: removing, ...options });
  made.registry.putImage('team/app', '1', image);
  made.registry.putImage('team/app', 'old', old);
  assert.equal((await made.run()).state, 'done');
  made.registry.removeManifest('team/app', 'old');
  return made;
}

/** The tags that are here. */
async function tagsHere({ proxy, registry }: World): Promise<readonly string[]> {
  const kept = await Array.fromAsync(proxy.app.administration.list(`${registry.host}/**`));
  return kept.flatMap(({ tag }) => tag ?? []).toSorted();
}

describe('a tag that its registry lists no more', () => {
  it('stays for its grace, is served by digest, and then goes by name, once a second listing agrees', async (t) => {
    const made = await afterLoss(t);
    const { run, plan, clock, pull } = made;
    const first = await run();
    assert.deepEqual(
      [first.state, actions(first), states(first)],
      ['done', ['1 same', 'old gone'], ['1 done', 'old left']],
    );
    const [, gone] = (await plan()).repositories[0]?.tags ?? [];
    assert.equal(gone?.until, new Date(clock.now() + 7 * step).toISOString());
    assert.match(gone?.reason ?? '', /its registry lists it no more; it stays until 2026-01-01T00:01:10/);
    await clock.advance(7 * step - 1);
    assert.deepEqual(actions(await run()), ['1 same', 'old gone']);
    assert.deepEqual(await tagsHere(made), ['1', 'old']);
    await clock.advance(1);
    assert.deepEqual(actions(await plan()), ['1 same', 'old remove']);
    const last = await run();
    assert.deepEqual(states(last), ['1 done', 'old done']);
    assert.deepEqual(await tagsHere(made), ['1']);
    const told = made.proxy.log.filter(({ event }) => event === 'sync.tagRemoved');
    assert.deepEqual(
      told.map(({ sync, image: from, tag, digest }) => [sync, from, tag, digest]),
      [['app', `${made.registry.host}/team/app`, 'old', old.digest]],
    );
    const finished = made.proxy.log.findLast(({ event }) => event === 'sync.finished');
    assert.equal(finished?.removed, 1);
    const metrics = (await get(`${made.proxy.url}/metrics`)).body.toString();
    assert.match(metrics, /^entrepot_sync_removed_tags_total\{sync="app"\} 1$/m);
    assert.equal((await pull(`manifests/${old.digest}`)).status, 200, 'its digest is still served');
    assert.deepEqual(actions(await run()), ['1 same'], 'it is forgotten');
  });

  it('does not go by one listing, however long ago the last one was', async (t) => {
    const made = await afterLoss(t);
    await made.clock.advance(10 * step);
    assert.deepEqual(actions(await made.run()), ['1 same', 'old gone']);
    await made.clock.advance(7 * step);
    assert.deepEqual(actions(await made.run()), ['1 same', 'old remove']);
  });

  it('needs two listings without a grace, too', async (t) => {
    const made = await afterLoss(t, { block: 'missing = "delete"\ngrace = "0s"\n' });
    const first = await made.run();
    assert.deepEqual(actions(first), ['1 same', 'old gone']);
    assert.match(first.repositories[0]?.tags[1]?.reason ?? '', /it stays until the next listing agrees/);
    await made.clock.advance(1000);
    assert.deepEqual(states(await made.run()), ['1 done', 'old done']);
    assert.deepEqual(await tagsHere(made), ['1']);
  });

  it('does not go by listings that events ask for', async (t) => {
    const made = await afterLoss(t, { block: 'missing = "delete"\ngrace = "0s"\n' });
    const { registry, proxy, run } = made;
    for (let n = 1; n <= 3; n += 1) {
      await proxy.app.administration.replicas.resync(`${registry.host}/team/app`);
      const isDone = ({ state }: { state: string }) => state === 'done';
      const jobs = () => proxy.app.jobs.list({ kind: 'replicate', limit: 9 });
      await eventually('it was looked at', async () => (await jobs()).filter(isDone).length === n);
    }
    assert.deepEqual(actions(await run()), ['1 same', 'old gone']);
    assert.deepEqual(await tagsHere(made), ['1', 'old']);
    assert.deepEqual(states(await run()), ['1 done', 'old done']);
  });

  it('that is listed again begins anew', async (t) => {
    const { run, clock, registry } = await afterLoss(t);
    await run();
    await clock.advance(5 * step);
    registry.putImage('team/app', 'old', old);
    assert.deepEqual(actions(await run()), ['1 same', 'old same']);
    registry.removeManifest('team/app', 'old');
    await run();
    await clock.advance(6 * step);
    assert.deepEqual(actions(await run()), ['1 same', 'old gone']);
  });

  it('stays where the block keeps what is missing', async (t) => {
    const made = await afterLoss(t, { block: '' });
    for (let n = 0; n < 3; n += 1) {
      await made.clock.advance(10 * step);
      assert.deepEqual(actions(await made.run()), ['1 same', 'old gone']);
    }
    assert.deepEqual(await tagsHere(made), ['1', 'old']);
  });

  it('stays where a pin names it', async (t) => {
    const made = await afterLoss(t);
    await made.proxy.app.administration.pin(`${made.registry.host}/team/app:old`);
    await made.run();
    await made.clock.advance(8 * step);
    const report = await made.run();
    assert.deepEqual(actions(report), ['1 same', 'old gone']);
    assert.match(report.repositories[0]?.tags[1]?.reason ?? '', /a pin keeps it/);
  });

  it('goes with the signature that cosign has tagged for it', async (t) => {
    const made = await world(t, { block: removing });
    const { registry, run, clock } = made;
    const signature = `${old.digest.replace(':', '-')}.sig`;
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', 'old', old);
    registry.putImage('team/app', signature, buildArtifact(old, { content: 'signature' }));
    await run();
    assert.deepEqual(await tagsHere(made), ['1', 'old', signature].toSorted());
    registry.removeManifest('team/app', 'old');
    registry.removeManifest('team/app', signature);
    await run();
    await clock.advance(8 * step);
    await run();
    assert.deepEqual(await tagsHere(made), ['1']);
  });
});

describe('a tag that its block selects no more', () => {
  it('goes in the same way, and what a client has pulled beside the block does not', async (t) => {
    const made = await world(t, { block: `${removing}tags = { semver = "*", newest = 1 }` });
    const { registry, run, clock, pull } = made;
    for (const tag of ['1.0.0', '2.0.0']) registry.putImage('team/app', tag, image);
    await pull('manifests/1.0.0');
    await run();
    registry.putImage('team/app', '3.0.0', image);
    const report = await run();
    assert.match(
      report.repositories[0]?.tags[1]?.reason ?? '',
      /^the block selects it no more; it stays until/,
    );
    await clock.advance(7 * step);
    assert.deepEqual(actions(await run()), ['3.0.0 same', '2.0.0 remove']);
    assert.deepEqual(await tagsHere(made), ['1.0.0', '3.0.0']);
  });
});

describe('nothing is removed', () => {
  it('after a listing that failed, nor does that count as one', async (t) => {
    const made = await afterLoss(t);
    const { run, clock, registry } = made;
    const rule = registry.on({ kind: 'tags' }, status(503));
    for (let n = 0; n < 3; n += 1) {
      await clock.advance(8 * step);
      assert.equal((await run()).state, 'failed');
    }
    rule.remove();
    assert.deepEqual(actions(await run()), ['1 same', 'old gone']);
    assert.deepEqual(await tagsHere(made), ['1', 'old']);
  });

  it('after a listing that another Entrepot could not confirm, and that is all it has', async (t) => {
    const registry = await startRegistry(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', 'old', old);
    const inner = await startApp(t, { registries: entry('quay.io', { source: registry.host }) });
    const clock = createManualClock();
    const registries = entry('quay.io', { source: `${new URL(inner.url).host}/quay.io` });
    const toml = `[[sync]]\nname = "app"\nsource = "quay.io/team/app"\nmissing = "delete"\ngrace = "0s"\n`;
    const outer = await startApp(t, { registries, toml }, { clock });
    const run = async () => (await outer.app.administration.sync(['app'], {}))[0]!;
    assert.deepEqual(states(await run()), ['1 done', 'old done']);
    await inner.app.administration.purge('quay.io/team/app', { pinned: false, hosted: true });
    assert.equal((await get(`${inner.url}/v2/quay.io/team/app/manifests/1`)).status, 200);
    await registry.stop();
    for (let n = 1; n <= 3; n += 1) {
      await clock.advance(step);
      const { repositories } = await run();
      assert.deepEqual(actions({ repositories } as SyncReport), ['1 same']);
      assert.match(repositories[0]?.warning ?? '', /old list/);
    }
    assert.equal((await get(`${outer.url}/v2/quay.io/team/app/manifests/old`)).status, 200);
  });

  it('after a listing that broke off on its second page', async (t) => {
    const made = await afterLoss(t, { upstream: { tagsPerPage: 1 } });
    const { run, clock, registry } = made;
    registry.putImage('team/app', '2', image);
    await run();
    registry.on({ kind: 'tags', when: ({ query }) => query.has('last') }, status(500));
    await clock.advance(8 * step);
    assert.equal((await run()).state, 'failed');
    assert.deepEqual(await tagsHere(made), ['1', '2', 'old']);
  });

  it('by a run of which one tag failed', async (t) => {
    const made = await afterLoss(t);
    const { run, clock, registry } = made;
    await run();
    await clock.advance(8 * step);
    registry.putImage('team/app', '2', buildImage({ seed: 'broken' }));
    const rule = registry.on({ kind: 'manifest', when: ({ reference }) => reference === '2' }, status(500));
    const report = await run();
    assert.deepEqual(
      [report.state, report.warning],
      ['partial', 'nothing is removed by a run that is not done as a whole'],
    );
    assert.deepEqual(await tagsHere(made), ['1', 'old']);
    rule.remove();
    assert.equal((await run()).state, 'done');
    assert.deepEqual(await tagsHere(made), ['1', '2']);
  });

  it('where the registry lists no tags, or none that the block selects', async (t) => {
    const made = await world(t, { block: `${removing}tags = { include = ["v*"] }` });
    const { registry, run, clock } = made;
    registry.putImage('team/app', 'v1', image);
    await run();
    registry.removeManifest('team/app', 'v1');
    for (const warning of [/lists no tags/, /none of its 1 tags is selected/]) {
      for (let n = 0; n < 3; n += 1) {
        const report = await run();
        assert.match(report.repositories[0]?.warning ?? '', warning);
        await clock.advance(8 * step);
      }
      registry.putImage('team/app', 'other', image);
    }
    assert.deepEqual(await tagsHere(made), ['v1']);
  });

  it('of more tags than max_delete allows, until a person allows it', async (t) => {
    const made = await afterLoss(t, { block: `${removing}max_delete = 0\n` });
    const { run, plan, clock } = made;
    await run();
    await clock.advance(8 * step);
    const limit = /^1 tags would be removed, more than max_delete allows \(0\).* --allow-delete/;
    assert.match((await plan()).warning ?? '', limit);
    const held = await run();
    assert.match(held.warning ?? '', limit);
    assert.deepEqual([held.state, states(held)], ['done', ['1 done', 'old left']]);
    assert.deepEqual(await tagsHere(made), ['1', 'old']);
    assert.deepEqual(states(await run({ allowsDelete: true })), ['1 done', 'old done']);
    assert.deepEqual(await tagsHere(made), ['1']);
  });

  it('by a command either, unless it says so', async (t) => {
    const made = await afterLoss(t, { block: `${removing}max_delete = 0\n` });
    await made.run();
    await made.clock.advance(8 * step);
    const held = await runCommand(made.proxy, 'sync', 'app');
    assert.equal(held.code, 0);
    assert.match(held.stdout, /^warning: 1 tags would be removed, more than max_delete allows/m);
    const dry = await runCommand(made.proxy, 'sync', 'app', '--dry-run', '--json');
    assert.deepEqual(actions(dry.json[0]), ['1 same', 'old remove']);
    assert.deepEqual(await tagsHere(made), ['1', 'old']);
    const done = await runCommand(made.proxy, 'sync', 'app', '--allow-delete');
    assert.match(done.stdout, /^old +remove +done/m);
    assert.deepEqual(await tagsHere(made), ['1']);
  });

  it('of more than 20 tags by a share of few', async (t) => {
    const made = await world(t, { block: removing });
    const { registry, run, clock } = made;
    for (let n = 0; n <= 21; n += 1) registry.putImage('team/app', `v${n}`, image);
    await run();
    for (let n = 1; n <= 21; n += 1) registry.removeManifest('team/app', `v${n}`);
    await run();
    await clock.advance(8 * step);
    assert.match(
      (await run()).warning ?? '',
      /^21 tags would be removed, more than max_delete allows \(20\)/,
    );
    registry.putImage('team/app', 'v21', image);
    await run();
    assert.deepEqual(await tagsHere(made), ['v0', 'v21']);
  });

  it('of what was pushed here', async (t) => {
    const made = await afterLoss(t, {
      toml: '[[push]]\nmatch = "**"\nmode = "overlay"\n[access]\nanonymous = ["pull", "push"]',
    });
    const { run, clock, proxy, registry } = made;
    const put = await fetch(`${proxy.url}/v2/${registry.host}/team/app/manifests/old`, {
      method: 'PUT',
      headers: { 'content-type': old.mediaType },
      body: Buffer.from(old.bytes),
    });
    assert.equal(put.status, 201, await put.text());
    for (let n = 0; n < 3; n += 1) {
      assert.deepEqual(actions(await run()), ['1 same']);
      await clock.advance(8 * step);
    }
    assert.deepEqual(await tagsHere(made), ['1', 'old']);
  });

  it('that a pin or the configuration keeps since the run has begun', async (t) => {
    const made = await afterLoss(t);
    const { run, clock, registry, proxy } = made;
    const { administration } = proxy.app;
    const pin = `${registry.host}/team/app:old`;
    await run();
    await clock.advance(8 * step);
    /** While a tag comes that is new at the registry: the plan is made then. */
    const whileBringing = (seed: string, work: () => Promise<unknown>) => {
      registry.putImage('team/app', seed, buildImage({ seed, layers: [1000] }));
      registry.on({ kind: 'blob', nth: 1 }, { before: async () => void (await work()) });
      return run();
    };
    const reasonOf = ({ repositories: [repository] }: SyncReport) =>
      repository?.tags.find(({ tag }) => tag === 'old')?.reason ?? '';
    const kept = await whileBringing('2', () => administration.pin(pin));
    assert.equal(reasonOf(kept), 'it stays, since a pin keeps it');
    assert.deepEqual(await tagsHere(made), ['1', '2', 'old']);
    await administration.unpin(pin);
    const source = `source = "${registry.host}/team/app"`;
    const report = await whileBringing('3', () =>
      proxy.reload({ toml: `[[sync]]\nname = "app"\n${source}\nmissing = "keep"` }),
    );
    assert.match(report.warning ?? '', /^nothing is removed, since entrepot.toml has changed the block/);
    assert.deepEqual(await tagsHere(made), ['1', '2', '3', 'old']);
  });

  it('that an endpoint has confirmed while the run was under way', async (t) => {
    const made = await afterLoss(t);
    const { run, clock, registry, proxy } = made;
    await run();
    await clock.advance(8 * step);
    registry.on(
      { kind: 'manifest', method: 'HEAD', when: ({ reference }) => reference === '1', nth: 1 },
      {
        async before() {
          registry.putImage('team/app', 'old', old);
          await get(`${proxy.url}/v2/${registry.host}/team/app/manifests/old`);
        },
      },
    );
    const report = await run();
    assert.match(report.repositories[0]?.tags[1]?.reason ?? '', /came back/);
    assert.deepEqual(await tagsHere(made), ['1', 'old']);
  });
});

describe('overlapping blocks', () => {
  const block = (host: string, name: string, more: string) =>
    `[[sync]]\nname = "${name}"\nsource = "${host}/team/app"\n${more}\n`;

  it('keep a tag for as long as one of them selects it, or keeps what is missing', async (t) => {
    const made = await world(t, {});
    const { registry, proxy, clock } = made;
    const { host } = registry;
    for (const tag of ['1', '2']) registry.putImage('team/app', tag, image);
    const runAll = () => proxy.app.administration.sync([], {});
    await proxy.reload({ toml: block(host, 'a', removing) + block(host, 'b', 'tags = { include = ["2"] }') });
    await runAll();
    const narrow = block(host, 'a', `${removing}tags = { include = ["1"] }`);
    for (const [other, reason] of [
      [block(host, 'b', 'tags = { include = ["2"] }'), /the block "b" selects it, too$/],
      [block(host, 'b', 'tags = { include = ["1"] }'), /the block "b" keeps it$/],
      [block(host, 'c', ''), /the block "c" selects it, too, and has not looked at it yet$/],
    ] as const) {
      await proxy.reload({ toml: narrow + other });
      await runAll();
      await clock.advance(8 * step);
      const [report] = await proxy.app.administration.sync(['a'], {});
      const gone = report?.repositories[0]?.tags.find(({ tag }) => tag === '2');
      if (other.includes('"c"')) continue;
      assert.match(gone?.reason ?? '', reason);
    }
    assert.deepEqual(await tagsHere(made), ['1', '2']);
    await proxy.reload({ toml: narrow });
    await runAll();
    assert.deepEqual(await tagsHere(made), ['1']);
  });
});
