/** `pin`, `bandwidth`, `window`, `digests`, `referrers` by type and globs by catalogue: keys of `[[sync]]`, each seen from outside. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { runCommand } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { endShort, holdHeaders, htmlPage, status } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get } from '../support/http-client.ts';
import { buildArtifact, buildImage, buildIndex, buildIndexOf } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { actions, states, world } from '../support/sync-world.ts';
import { startTokenServer } from '../support/token-server.ts';

const image = buildImage({ seed: 'keys', layers: [400_000] });
const other = buildImage({ seed: 'other keys', layers: [400_000] });
const MiB = 1024 * 1024;
const hour = 3_600_000;
const patient = '[upstream]\nheader_timeout = "2h"\ntotal_timeout = "2h"\n';

interface CutOff {
  readonly source: string;
  /** With a window that closes half an hour after midnight in UTC. */
  readonly block: string;
  /** The request in whose middle the window closes. */
  readonly held: Parameters<FakeRegistry['on']>[0];
}

/** A job of a block whose window closes while it runs: it waits for the next one. */
async function cutOff(t: TestContext, registry: FakeRegistry, { source, block, held }: CutOff) {
  const hold = gate();
  const rule = registry.on(held, holdHeaders(hold));
  const clock = createManualClock();
  const toml = `[[sync]]\nname = "app"\nsource = "${registry.host}/${source}"\nevery = "1h"\n${block}${patient}`;
  const proxy = await startApp(t, { registries: insecureRegistry(registry.host), toml }, { clock });
  const job = async () => (await proxy.app.jobs.list({ kind: 'sync', limit: 1 }))[0];
  await clock.armed();
  await clock.advance(60_000);
  await hold.arrived;
  await clock.advance(30 * 60_000);
  await eventually('it waits', async () => (await job())?.state === 'pending');
  return { proxy, clock, job, waiting: await job(), hold, rule };
}

describe('pin = true', () => {
  /** Pulls more than fits beside what was brought. */
  async function fillUp({ registry, proxy }: Awaited<ReturnType<typeof world>>, from: number) {
    for (let n = from; n < from + 6; n += 1) {
      const filler = buildImage({ seed: `filler ${n}`, layers: [300_000] });
      registry.putImage('team/filler', `${n}`, filler);
      const base = `${proxy.url}/v2/${registry.host}/team/filler`;
      await get(`${base}/manifests/${n}`);
      for (const { digest } of filler.blobs) await get(`${base}/blobs/${digest}`);
    }
    await proxy.app.administration.gc();
  }

  const limit = '[cache]\nmax_size = "1500KiB"\n';

  it('keeps what the block selects, with what is attached, for as long as it selects it', async (t) => {
    const made = await world(t, { block: 'pin = true\ntags = { include = ["1"] }', toml: limit });
    const { registry, proxy, clock, run, pull } = made;
    const sbom = buildArtifact(image, { content: 'sbom' });
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', undefined, sbom);
    assert.equal((await run()).state, 'done');
    const listed = await Array.fromAsync(proxy.app.administration.list(`${registry.host}/team/app`));
    assert.deepEqual(new Set(listed.map(({ pinned }) => pinned)), new Set([true]), 'as the list says');
    await clock.advance(1000);
    await fillUp(made, 0);
    await registry.refuse();
    const all = [`manifests/1`, `blobs/${image.layers[0]!.digest}`, `manifests/${sbom.digest}`];
    for (const path of all) assert.equal((await pull(path)).status, 200, path);
    await registry.restart();
    // The block selects another tag now.
    registry.putImage('team/app', '2', other);
    const source = `source = "${registry.host}/team/app"`;
    await proxy.reload({
      toml: `${limit}[[sync]]\nname = "app"\n${source}\npin = true\nmissing = "delete"\ngrace = "0s"\ntags = { include = ["2"] }`,
    });
    for (let n = 0; n < 2; n += 1) assert.equal((await run()).state, 'done');
    await clock.advance(1000);
    await fillUp(made, 10);
    await registry.refuse();
    assert.equal((await pull(`blobs/${other.layers[0]!.digest}`)).status, 200);
    assert.notEqual((await pull(`blobs/${image.layers[0]!.digest}`)).status, 200);
  });

  it('keeps it in a purge of the repository, as the purge says', async (t) => {
    const { registry, proxy, run, pull } = await world(t, {
      block: 'pin = true\ntags = { include = ["1"] }',
    });
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2', other);
    await run();
    await pull('manifests/2');
    const name = `${registry.host}/team/app`;
    const [purged] = await proxy.app.administration.purge(name, { pinned: false, hosted: false });
    assert.deepEqual([purged?.kept, purged?.tags], [[`${name}:1`], 1]);
    await registry.refuse();
    assert.equal((await pull(`blobs/${image.layers[0]!.digest}`)).status, 200);
    assert.notEqual((await pull('manifests/2')).status, 200);
  });

  it('stays for the grace where the catalogue of a glob names the repository no more', async (t) => {
    const removal = 'missing = "delete"\ngrace = "70s"\n';
    const made = await world(t, {
      ...{ source: 'team/*', block: `pin = true\n${removal}`, toml: limit },
      upstream: { catalogue: true },
    });
    const { registry, proxy, clock, run } = made;
    registry.putImage('team/app', '1', image);
    registry.putImage('team/tool', '1', other);
    assert.equal((await run()).state, 'done');
    const isCatalogue = ({ path }: { path: string }) => path === '/v2/_catalog';
    registry.on({ when: isCatalogue }, status(200, {}, '{"repositories":["team/tool"]}'));
    const isPinned = async () => {
      const [one] = await Array.fromAsync(proxy.app.administration.list(`${registry.host}/team/app`));
      return one?.pinned;
    };
    for (let n = 0; n < 3; n += 1) {
      const report = await run();
      assert.deepEqual([report.state, report.repositories.length], ['done', 1]);
      assert.equal(await isPinned(), true, `run ${n}`);
      await clock.advance(20_000);
    }
    await clock.advance(10_000);
    await run();
    assert.equal(await isPinned(), false);
  });

  it('ends with the block', async (t) => {
    const made = await world(t, { block: 'pin = true', toml: limit });
    const { registry, proxy, clock, run, pull } = made;
    registry.putImage('team/app', '1', image);
    await run();
    await clock.advance(1000);
    await fillUp(made, 0);
    await proxy.reload({ toml: limit });
    await fillUp(made, 10);
    await registry.refuse();
    assert.notEqual((await pull(`blobs/${image.layers[0]!.digest}`)).status, 200);
  });
});

describe('clients', () => {
  it('go before each blob of a run', async (t) => {
    const { registry, run } = await world(t);
    registry.putImage('team/app', '1', image);
    const held = Promise.withResolvers<void>();
    let turns = 0;
    const running = run({
      turn() {
        turns += 1;
        return turns === 1 ? Promise.resolve() : held.promise;
      },
    });
    await eventually('its blobs wait', () => turns === 1 + image.blobs.length);
    assert.equal(registry.count({ kind: 'blob' }), 0);
    held.resolve();
    assert.equal((await running).state, 'done');
  });
});

describe('bandwidth', () => {
  const large = buildImage({ seed: 'large', layers: [3 * MiB] });
  const { digest } = large.layers[0]!;

  it('slows the transfers of a run down', async (t) => {
    const { registry, run, clock } = await world(t, { block: 'bandwidth = "512KiB/s"' });
    registry.putImage('team/app', '1', large);
    const running = run();
    let isOver = false;
    void running.then(() => {
      isOver = true;
    });
    await eventually('bytes come', () => registry.count({ digest, method: 'GET' }) > 0);
    let seconds = 0;
    for (; !isOver && seconds < 60; seconds += 1) await clock.advance(1000);
    assert.equal((await running).state, 'done');
    // The first piece is free, and blocks of a socket are large.
    assert.ok(seconds >= 4, `${seconds} s for 3 MiB at 512 KiB/s`);
  });

  it('does not hold up a client that joins', async (t) => {
    const { registry, run, pull } = await world(t, { block: 'bandwidth = "64KiB/s"' });
    registry.putImage('team/app', '1', large);
    const running = run();
    await eventually('bytes come', () => registry.count({ digest, method: 'GET' }) > 0);
    // No time passes.
    assert.equal((await pull(`blobs/${digest}`)).status, 200);
    assert.equal((await running).state, 'done');
    assert.equal(registry.count({ digest, method: 'GET' }), 1);
  });
});

describe('window', () => {
  const block = 'window = "20:00-06:00"\ntimezone = "Asia/Kolkata"\n';

  it('keeps a run from beginning outside of it, unless a person wants it now', async (t) => {
    // Midnight in UTC is 05:30 there.
    const { registry, proxy, run, clock } = await world(t, { block });
    registry.putImage('team/app', '1', image);
    assert.equal((await run()).state, 'done');
    await clock.advance(31 * 60_000);
    const closed = await run();
    assert.deepEqual([closed.state, closed.resumes], ['failed', '2026-01-01T14:30:00.000Z']);
    const command = await runCommand(proxy, 'sync', 'app');
    assert.deepEqual([command.code, /^failed: its window opens at/m.test(command.stdout)], [1, true]);
    assert.equal((await runCommand(proxy, 'sync', 'app', '--now')).code, 0);
    assert.match(closed.problem ?? '', /its window opens at 2026-01-01T14:30:00\.000Z; .* --now/);
    assert.equal((await run({ ignoresWindow: true })).state, 'done');
  });

  it('ends a run when it closes, and what is left comes in the next one, without a failure', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/app', '1', image);
    const held = { kind: 'blob', digest: image.layers[0]!.digest } as const;
    const cut = await cutOff(t, registry, { source: 'team/app', block, held });
    const { proxy, clock, job, waiting, hold, rule } = cut;
    assert.deepEqual([waiting?.failures, waiting?.notBefore], [0, Date.UTC(2026, 0, 1, 14, 30)]);
    assert.match(waiting?.reason ?? '', /the window of the block is over/);
    hold.release();
    rule.remove();
    const finished = () => proxy.log.filter(({ event }) => event === 'sync.finished').length;
    assert.equal(finished(), 1);
    // Its hours come and go: no run begins, so no failure is told.
    await clock.advance(13 * hour);
    assert.deepEqual([(await job())?.state, (await job())?.failures, finished()], ['pending', 0, 1]);
    await clock.advance(2 * hour);
    await eventually('it is done', async () => (await job())?.state === 'done');
  });
});

describe('a window that closes', () => {
  it('leaves the tags that it cuts off pending, and none has failed', async (t) => {
    const { registry, proxy, run, clock } = await world(t, {
      block: 'window = "20:00-00:30"',
      toml: patient,
    });
    // Four of them are brought at once.
    for (let n = 0; n < 6; n += 1)
      registry.putImage('team/app', `${n}`, buildImage({ seed: `cut off ${n}`, layers: [900] }));
    const hold = gate();
    registry.on({ kind: 'blob' }, holdHeaders(hold));
    const running = run();
    await hold.arrived;
    await clock.advance(30 * 60_000);
    const report = await running;
    hold.release();
    assert.deepEqual([report.state, report.resumes], ['partial', '2026-01-01T20:00:00.000Z']);
    const rows = async () =>
      (await Array.fromAsync(proxy.app.administration.replicas.tags({}))).map(
        ({ tag, state, failed }) => `${tag} ${state} ${failed}`,
      );
    const all = (state: string) => Array.from({ length: 6 }, (_, n) => `${n} ${state} null`);
    assert.deepEqual(await rows(), all('pending'));
    const { body } = await get(`${proxy.url}/metrics`);
    assert.match(body.toString(), /^entrepot_replica_oldest_failure_timestamp_seconds 0$/m);
    assert.equal((await run({ ignoresWindow: true })).state, 'done');
    assert.deepEqual(await rows(), all('done'));
  });

  const isCatalogue = ({ path }: { path: string }) => path === '/v2/_catalog';
  // What is below an index is known once that is here.
  const index = buildIndex({ seed: 'cut off', layers: [900] });
  const [child] = index.images;
  const signature = `${child!.digest.replace(':', '-')}.sig`;
  for (const [what, held] of [
    ['the catalogue is read', { when: isCatalogue }],
    ['a signature is looked at', { kind: 'manifest', method: 'HEAD', reference: signature }],
  ] as const) {
    it(`while ${what} ends the run with a report, and is no bug`, async (t) => {
      const registry = await startFakeRegistry({ catalogue: true });
      t.after(() => registry.stop());
      registry.putImage('team/app', '1', index);
      registry.putImage('team/app', signature, buildArtifact(child!, { content: 'signature' }));
      const block = 'window = "20:00-00:30"\n';
      const cut = await cutOff(t, registry, { source: 'team/*', block, held });
      const { proxy, clock, job, waiting, hold, rule } = cut;
      assert.deepEqual([waiting?.failures, waiting?.notBefore], [0, Date.UTC(2026, 0, 1, 20)]);
      assert.match(waiting?.reason ?? '', /the window of the block is over/);
      const logged = (event: string) => proxy.log.filter((line) => line.event === event).length;
      assert.deepEqual([logged('sync.finished'), logged('jobs.crashed')], [1, 0]);
      hold.release();
      rule.remove();
      await clock.advance(20 * hour);
      await eventually('it is done', async () => (await job())?.state === 'done');
    });
  }
});

describe('digests', () => {
  it('are brought instead of tags, and asked for only until they are here', async (t) => {
    const wanted = `digests = ["${image.digest}", "${other.digest}"]\nreferrers = "none"`;
    const { registry, run, pull } = await world(t, { block: wanted });
    registry.putImage('team/app', 'unwanted', buildImage({ seed: 'unwanted' }));
    registry.putImage('team/app', undefined, image);
    const first = await run();
    assert.deepEqual(actions(first), [`${image.digest} add`, `${other.digest} unknown`]);
    assert.deepEqual([first.state, states(first)[0]], ['partial', `${image.digest} done`]);
    registry.putImage('team/app', undefined, other);
    assert.equal((await run()).state, 'done');
    registry.clear();
    assert.deepEqual(actions(await run()), [`${image.digest} same`, `${other.digest} same`]);
    assert.equal(registry.count(), 0);
    await registry.refuse();
    assert.equal((await pull(`blobs/${other.layers[0]!.digest}`)).status, 200);
  });
});

describe('digests and a list of tags that fails', () => {
  it('are not done, and leave the signatures selected', async (t) => {
    const { registry, proxy, run } = await world(t, {
      block: `digests = ["${image.digest}"]\npin = true`,
    });
    const signature = `${image.digest.replace(':', '-')}.sig`;
    registry.putImage('team/app', undefined, image);
    registry.putImage('team/app', signature, buildArtifact(image, { content: 'signature' }));
    await run();
    const isPinned = async () => {
      const kept = await Array.fromAsync(proxy.app.administration.list(`${registry.host}/**`));
      return kept.find(({ tag }) => tag === signature)?.pinned;
    };
    await run();
    assert.equal(await isPinned(), true);
    registry.on({ kind: 'tags' }, status(503));
    const report = await run();
    assert.equal(report.state, 'partial');
    assert.match(report.repositories[0]?.problem ?? '', /^tags of signatures could not be listed: /);
    assert.equal(await isPinned(), true);
  });
});

describe('referrers of some types', () => {
  it('come by the API and by the fallback tag, and others do not', async (t) => {
    const wanted = buildArtifact(image, {
      content: 'wanted',
      artifactType: 'application/vnd.example.wanted',
    });
    const unwanted = buildArtifact(image, { content: 'unwanted' });
    for (const referrers of [true, false]) {
      const { registry, run, pull } = await world(t, {
        upstream: { referrers },
        block: 'referrers = ["application/vnd.example.wanted"]',
      });
      registry.putImage('team/app', '1', image);
      for (const one of [wanted, unwanted]) registry.putImage('team/app', undefined, one);
      if (!referrers)
        registry.putImage('team/app', image.digest.replace(':', '-'), buildIndexOf([wanted, unwanted]));
      assert.equal((await run()).state, 'done');
      await registry.refuse();
      assert.equal((await pull(`blobs/${wanted.layers[0]!.digest}`)).status, 200, `API: ${referrers}`);
      assert.notEqual((await pull(`blobs/${unwanted.layers[0]!.digest}`)).status, 200, `API: ${referrers}`);
    }
  });
});

describe('a glob', () => {
  it('stands for what the catalogue of the registry names, over all its pages', async (t) => {
    const { registry, run } = await world(t, {
      source: 'team/**',
      upstream: { catalogue: true, tagsPerPage: 1 },
    });
    for (const name of ['team/app', 'team/deep/tool', 'other/app']) registry.putImage(name, '1', image);
    const report = await run();
    assert.deepEqual(
      report.repositories.map(({ image: name }) => name.replace(`${registry.host}/`, '')),
      ['team/app', 'team/deep/tool'],
    );
    assert.deepEqual([report.state, report.warning], ['done', null]);
  });

  it('stands for the images known here where there is no catalogue, or none for this account', async (t) => {
    const { registry, run, pull } = await world(t, { source: 'team/**', upstream: { catalogue: true } });
    registry.putImage('team/app', '1', image);
    await pull('manifests/1');
    for (const [fault, warning] of [
      [status(404), /the catalogue of .* could not be read/],
      [status(405), /it has no catalogue/],
      [status(401), /could not be read/],
    ] as const) {
      const rule = registry.on({ when: ({ path }) => path === '/v2/_catalog' }, fault);
      const report = await run();
      assert.deepEqual([report.state, report.repositories.length], ['done', 1]);
      assert.match(report.warning ?? '', warning);
      rule.remove();
    }
  });

  it('is not done by a run that could not read the catalogue, which brings what is known here', async (t) => {
    const { registry, run, pull } = await world(t, { source: 'team/**', upstream: { catalogue: true } });
    registry.putImage('team/app', '1', image);
    await pull('manifests/1');
    const isCatalogue = ({ path }: { path: string }) => path === '/v2/_catalog';
    for (const fault of [status(500), htmlPage(), endShort(10)]) {
      const rule = registry.on({ when: isCatalogue }, fault);
      const report = await run();
      assert.deepEqual([report.state, report.repositories.length], ['partial', 1]);
      assert.match(report.problem ?? '', /the catalogue of .* could not be read.*known here/);
      rule.remove();
    }
  });

  it('asks for the catalogue with the scope that is meant for it', async (t) => {
    const tokens = await startTokenServer({ accounts: { robot: { password: 'secret' } } });
    t.after(() => tokens.stop());
    const registry = await startFakeRegistry({ auth: { kind: 'bearer', tokens }, catalogue: true });
    t.after(() => registry.stop());
    registry.putImage('team/app', '1', image);
    const auth = Buffer.from('robot:secret').toString('base64');
    const proxy = await startApp(t, {
      registries: insecureRegistry(registry.host),
      toml: `[[sync]]\nname = "all"\nsource = "${registry.host}/**"\n`,
      authJson: JSON.stringify({ auths: { [registry.host]: { auth } } }),
    });
    await proxy.app.administration.sync([], {});
    assert.ok(tokens.requests.some(({ scopes }) => scopes.join() === 'registry:catalog:*'));
  });
});
