/** `[[sync]]`: plans and runs against a registry over real sockets, and the failures that other tools have made (issue 13). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Tag } from '../../src/oci/reference.ts';
import { startApp } from '../support/app.ts';
import { runCommand } from '../support/commands.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { holdHeaders, status, withHeaders } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get } from '../support/http-client.ts';
import { buildArtifact, buildImage, buildIndex, buildIndexOf } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { actions, states, world } from '../support/sync-world.ts';

const image = buildImage({ seed: 'app', layers: [60_000, 1000] });
const other = buildImage({ seed: 'other', layers: [5000] });
const index = buildIndex({ seed: 'multi', layers: [3000] });
const bytesOf = ({ bytes, blobs, children }: typeof image) =>
  [...children, { bytes }].reduce((sum, one) => sum + one.bytes.length, 0) +
  blobs.reduce((sum, { size }) => sum + size, 0);

describe('a plan', () => {
  it('says what a run would add, with one list and one HEAD for each tag, and changes nothing', async (t) => {
    const { registry, plan, pull } = await world(t, { block: 'tags = { exclude = ["*-source"] }' });
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2', index);
    registry.putImage('team/app', '2-source', other);
    const planned = await plan();
    assert.deepEqual(actions(planned), ['1 add', '2 add']);
    assert.deepEqual(
      [planned.problem, planned.repositories[0]?.problem, planned.repositories[0]?.listed],
      [null, null, 3],
    );
    assert.deepEqual([registry.count({ kind: 'tags' }), registry.count({ method: 'HEAD' })], [1, 2]);
    assert.equal(registry.count({ kind: 'manifest', method: 'GET' }) + registry.count({ kind: 'blob' }), 0);
    await registry.refuse();
    assert.notEqual((await pull('manifests/1')).status, 200);
  });

  it('tells moved tags, those that are gone, and the bytes that the manifests here tell of', async (t) => {
    const { registry, plan, run, proxy, pull, clock } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2', image);
    await run();
    registry.putImage('team/app', '1', other);
    registry.removeManifest('team/app', '2');
    registry.putImage('team/app', '3', other);
    await clock.advance(120_000);
    // Its manifest is here, its blobs are not.
    await get(`${proxy.url}/v2/${registry.host}/team/app/manifests/${other.digest}`);
    const planned = await plan();
    assert.deepEqual(actions(planned), ['1 move', '3 add', '2 gone']);
    const [moved] = planned.repositories[0]?.tags ?? [];
    assert.deepEqual([moved?.was, moved?.digest], [image.digest, other.digest]);
    assert.equal(moved?.bytes, bytesOf(other) - other.bytes.length);
    assert.equal((await pull(`blobs/${image.layers[0]!.digest}`)).status, 200);
  });

  it('asks for no tag that the newest versions leave out', async (t) => {
    const { registry, plan } = await world(t, { block: 'tags = { semver = "*", newest = 2 }' });
    for (const tag of ['1.0', '1.9', '1.10', 'latest']) registry.putImage('team/app', tag, image);
    assert.deepEqual(actions(await plan()), ['1.10 add', '1.9 add']);
    assert.equal(registry.count({ method: 'HEAD' }), 2);
  });

  it('reads times of creation only where they decide', async (t) => {
    const { registry, plan } = await world(t, { block: 'tags = { newer_than = "30d" }' });
    registry.putImage('team/app', 'young', image);
    registry.putImage('team/app', 'multi', index);
    const planned = await plan();
    assert.deepEqual(actions(planned), ['multi add', 'young add']);
    assert.deepEqual(registry.count({ kind: 'blob', digest: image.layers[0]!.digest }), 0);
    assert.ok(registry.count({ kind: 'blob', digest: image.config!.digest }) > 0);
  });
});

describe('a run', () => {
  it('brings every tag as a whole, so that all of it is served when the registry is gone', async (t) => {
    const { registry, run, pull } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', 'multi', index);
    const report = await run();
    assert.deepEqual([report.state, states(report)], ['done', ['1 done', 'multi done']]);
    assert.equal(report.bytes, bytesOf(image) + bytesOf(index));
    await registry.refuse();
    assert.deepEqual(await pull('manifests/1'), { status: 200, digest: image.digest });
    for (const { digest } of [...image.blobs, ...index.blobs]) {
      assert.equal((await pull(`blobs/${digest}`)).status, 200);
    }
    for (const { digest } of index.children) assert.equal((await pull(`manifests/${digest}`)).status, 200);
  });

  it('that changes nothing costs one list and one HEAD for each tag', async (t) => {
    const { registry, run } = await world(t);
    for (const tag of ['1', '2', '3']) registry.putImage('team/app', tag, image);
    await run();
    registry.clear();
    const report = await run();
    assert.deepEqual(
      [report.state, report.bytes, actions(report)],
      ['done', 0, ['1 same', '2 same', '3 same']],
    );
    assert.deepEqual([registry.count(), registry.count({ method: 'HEAD' })], [4, 3]);
  });

  it('asks for no immutable tag that is here, and refuses to move one', async (t) => {
    const { registry, run, pull } = await world(t, { block: 'immutable = ["v*"]' });
    registry.putImage('team/app', 'v1', image);
    await run();
    registry.clear();
    registry.putImage('team/app', 'v1', other);
    assert.deepEqual(actions(await run()), ['v1 same']);
    assert.equal(registry.count({ method: 'HEAD' }), 0);
    await registry.refuse();
    assert.equal((await pull('manifests/v1')).digest, image.digest);
  });

  it('completes what only its manifest was here of, immutable or not', async (t) => {
    const { registry, run, pull } = await world(t, { block: 'immutable = ["*"]' });
    registry.putImage('team/app', 'v1', image);
    await pull('manifests/v1');
    const report = await run();
    assert.deepEqual([actions(report), states(report)], [['v1 add'], ['v1 done']]);
    await registry.refuse();
    assert.equal((await pull(`blobs/${image.layers[0]!.digest}`)).status, 200);
  });

  it('brings the platforms that the block names, and leaves the index as it is', async (t) => {
    const { registry, run, pull } = await world(t, { block: 'platforms = ["linux/arm64"]' });
    registry.putImage('team/app', 'multi', index);
    assert.deepEqual(states(await run()), ['multi done']);
    const [amd, arm] = index.images;
    assert.equal(registry.count({ digest: arm!.layers[0]!.digest }) > 0, true);
    assert.equal(registry.count({ digest: amd!.layers[0]!.digest }), 0);
    registry.clear();
    assert.deepEqual(actions(await run()), ['multi same']);
    // What the block leaves out is pulled through.
    assert.deepEqual(await pull('manifests/multi'), { status: 200, digest: index.digest });
    assert.equal((await pull(`manifests/${amd!.digest}`)).status, 200);
  });

  it('brings referrers by the API, by the fallback tag, and the tags of cosign', async (t) => {
    const sbom = buildArtifact(image, { content: '{"sbom":1}' });
    const signature = buildArtifact(image, {
      content: 'signature',
      artifactType: 'application/vnd.example.sig',
    });
    const name = image.digest.replace(':', '-');
    for (const referrers of [true, false]) {
      const { registry, run, pull } = await world(t, { upstream: { referrers } });
      registry.putImage('team/app', '1', image);
      registry.putImage('team/app', referrers ? undefined : name, referrers ? sbom : buildIndexOf([sbom]));
      if (!referrers) registry.putImage('team/app', undefined, sbom);
      registry.putImage('team/app', `${name}.sig`, signature);
      const report = await run();
      assert.equal(report.state, 'done');
      assert.ok(states(report).includes(`${name}.sig done`));
      await registry.refuse();
      for (const path of [
        `manifests/${sbom.digest}`,
        `blobs/${sbom.layers[0]!.digest}`,
        `manifests/${name}.sig`,
      ]) {
        assert.equal((await pull(path)).status, 200, path);
      }
    }
  });

  it('leaves referrers alone where the block says so', async (t) => {
    const { registry, run } = await world(t, { block: 'referrers = "none"' });
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', `${image.digest.replace(':', '-')}.sig`, other);
    assert.deepEqual(states(await run()), ['1 done']);
    assert.equal(registry.count({ kind: 'referrers' }), 0);
  });

  it('stops before a host has fewer pulls left than the floor', async (t) => {
    const { registry, run } = await world(t, { block: 'floor = 50' });
    registry.putImage('team/app', '1', image);
    registry.on(
      { method: 'HEAD' },
      withHeaders({ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '49;w=21600' }),
    );
    const report = await run();
    assert.deepEqual(states(report), ['1 failed']);
    assert.match(
      report.repositories[0]?.tags[0]?.reason ?? '',
      /allows 49 more pulls, and the block leaves 50/,
    );
    assert.equal(registry.count({ kind: 'blob' }), 0);
  });

  it('ends when its time is over, and says so', async (t) => {
    const { registry, run, clock } = await world(t, { block: 'timeout = "10s"' });
    registry.putImage('team/app', '1', image);
    const hold = gate();
    registry.on({ kind: 'blob', digest: image.config!.digest }, holdHeaders(hold));
    const running = run();
    await hold.arrived;
    await clock.advance(10_000);
    hold.release();
    const report = await running;
    assert.equal(report.state, 'partial');
    assert.match(report.repositories[0]?.tags[0]?.reason ?? '', /time of the run/);
  });

  it('leaves alone what was pushed here, and an image that a [[push]] rule keeps local', async (t) => {
    const push = (host: string) => `[[push]]\nmatch = "${host}/team/**"\nmode = "local"`;
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/app', '1', image);
    const toml = `[[sync]]\nname = "app"\nsource = "${registry.host}/team/app"\n${push(registry.host)}`;
    const proxy = await startApp(t, { registries: insecureRegistry(registry.host), toml });
    const [report] = await proxy.app.administration.sync([], {});
    assert.match(report?.repositories[0]?.problem ?? '', /mode = "local"/);
    assert.equal(registry.count(), 0);
  });

  it('of one block does not end where one of its repositories has no valid name at its mirror', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/app', '1', image);
    const prefix = (name: string, location: string) =>
      `[[registry]]\nprefix = "${name}"\nlocation = "${location}"\ninsecure = true\n`;
    const long = `${registry.host}/${'x'.repeat(230)}`;
    const registries =
      prefix('corp.example/team', `${registry.host}/team`) + prefix('corp.example/far', long);
    const toml = '[[sync]]\nname = "app"\nsource = "corp.example/{far/app-of-a-long-name,team/app}"';
    const proxy = await startApp(t, { registries, toml });
    const [report] = await proxy.app.administration.sync([], {});
    assert.deepEqual(
      [report?.state, report?.repositories.map(({ tags }) => tags.length)],
      ['partial', [0, 1]],
    );
    assert.match(report?.repositories[0]?.problem ?? '', /name/);
  });

  it('fetches once what several blocks select, with the platforms of all of them', async (t) => {
    const { registry, proxy, pull } = await world(t, { block: 'platforms = ["linux/amd64"]' });
    registry.putImage('team/app', 'multi', index);
    const source = `${registry.host}/team/app`;
    const block = (name: string, platform: string) =>
      `[[sync]]\nname = "${name}"\nsource = "${source}"\nplatforms = ["${platform}"]\n`;
    await proxy.reload({ toml: block('a', 'linux/amd64') + block('b', 'linux/arm64') });
    const reports = await proxy.app.administration.sync([], {});
    assert.deepEqual(reports.flatMap(states), ['multi done', 'multi done']);
    for (const { digest } of index.blobs) assert.equal(registry.count({ method: 'GET', digest }), 1);
    const again = await proxy.app.administration.sync([], {});
    assert.deepEqual(again.flatMap(actions), ['multi same', 'multi same']);
    await registry.refuse();
    for (const { digest } of index.children) assert.equal((await pull(`manifests/${digest}`)).status, 200);
  });

  it('asked for twice at once runs one after the other', async (t) => {
    const { registry, run } = await world(t);
    registry.putImage('team/app', '1', image);
    const reports = await Promise.all([run(), run()]);
    assert.deepEqual(reports.flatMap(actions), ['1 add', '1 same']);
    assert.equal(registry.count({ method: 'GET', digest: image.layers[0]!.digest }), 1);
  });

  it('looks at sixteen tags at once', async (t) => {
    const { registry, run } = await world(t);
    for (let n = 0; n < 20; n += 1) registry.putImage('team/app', `${n}`, image);
    const hold = gate();
    registry.on({ method: 'HEAD' }, holdHeaders(hold));
    const running = run();
    await registry.seen({ method: 'HEAD' }, 16);
    for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(registry.count({ method: 'HEAD' }), 16);
    hold.release();
    assert.equal((await running).state, 'done');
  });

  it('brings at most four tags at once', async (t) => {
    const { registry, run } = await world(t);
    const configs = Array.from({ length: 6 }, (_, seed) => {
      const one = buildImage({ seed: `tag ${seed}`, layers: [] });
      registry.putImage('team/app', `${seed}`, one);
      return one.config!.digest;
    });
    const hold = gate();
    const isConfig = (digest: string | undefined) => configs.some((one) => one === digest);
    registry.on({ kind: 'blob', when: ({ digest }) => isConfig(digest) }, holdHeaders(hold));
    const running = run();
    await registry.seen({ kind: 'blob' }, 4);
    for (let turns = 0; turns < 50; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(registry.count({ kind: 'blob' }), 4);
    hold.release();
    assert.equal((await running).state, 'done');
  });

  it('takes the repositories that its source names, and those known here that match its glob', async (t) => {
    const { registry, run, pull } = await world(t, { source: '{other/tool,team/*}' });
    registry.putImage('team/app', '1', image);
    registry.putImage('other/tool', '1', other);
    await pull('manifests/1');
    const images = (await run()).repositories.map((one) => one.image.replace(registry.host, ''));
    assert.deepEqual(images, ['/other/tool', '/team/app']);
  });
});

describe('what other tools call synced when it is not', () => {
  it('a failing tag does not make its repository done, and stops no other', async (t) => {
    const { registry, run, pull } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2', other);
    registry.on({ kind: 'blob', digest: other.layers[0]!.digest }, status(404));
    const report = await run();
    assert.deepEqual([report.state, states(report)], ['partial', ['1 done', '2 partial']]);
    assert.match(report.repositories[0]?.tags[1]?.reason ?? '', /not found/);
    // A part that could be had serves all the same.
    assert.equal((await pull('manifests/2')).digest, other.digest);
    registry.heal();
  });

  it('a tag that cannot be brought as a whole keeps its old image', async (t) => {
    const { registry, run, pull } = await world(t);
    registry.putImage('team/app', '1', image);
    await run();
    registry.putImage('team/app', '1', other);
    registry.on({ kind: 'blob', digest: other.layers[0]!.digest }, status(500));
    assert.deepEqual(states(await run()), ['1 partial']);
    await registry.refuse();
    assert.equal((await pull('manifests/1')).digest, image.digest);
  });

  it('a failed listing is no empty list: it is told, and removes nothing', async (t) => {
    for (const fault of [status(500), status(401), status(404), status(200, {}, '<html>')]) {
      const { registry, run, plan, pull } = await world(t);
      registry.putImage('team/app', '1', image);
      await run();
      registry.on({ kind: 'tags' }, fault);
      for (const { repositories } of [await plan(), await run()]) {
        assert.match(repositories[0]?.problem ?? '', /could not be listed/);
        assert.deepEqual(repositories[0]?.tags, []);
      }
      assert.equal((await run()).state, 'failed');
      assert.equal((await pull('manifests/1')).digest, image.digest);
    }
  });

  it('a list whose second page fails is no list', async (t) => {
    const { registry, run } = await world(t, { upstream: { tagsPerPage: 1 } });
    for (const tag of ['1', '2', '3']) registry.putImage('team/app', tag, image);
    registry.on({ kind: 'tags', after: 1 }, status(500));
    const report = await run();
    assert.match(report.repositories[0]?.problem ?? '', /could not be listed/);
    assert.equal(report.state, 'failed');
  });

  it('every type of index is brought, whatever lies below it', async (t) => {
    const { registry, run, pull } = await world(t);
    const list = buildIndex({ format: 'docker', seed: 'docker', layers: [2000] });
    const nested = buildIndexOf([index, list]);
    registry.putImage('team/app', 'list', list);
    for (const one of [index, list]) registry.putImage('team/app', undefined, one);
    registry.putImage('team/app', 'nested', nested);
    registry.putImage('team/app', 'empty', buildIndexOf([]));
    assert.deepEqual(states(await run()), ['empty done', 'list done', 'nested done']);
    await registry.refuse();
    for (const { digest } of [...index.children, ...list.children]) {
      assert.equal((await pull(`manifests/${digest}`)).status, 200);
    }
  });

  it('a HEAD without a digest is no digest that equals another', async (t) => {
    const { registry, run } = await world(t);
    registry.putImage('team/app', '1', image);
    await run();
    registry.putImage('team/app', '1', other);
    registry.on({ kind: 'manifest', method: 'HEAD' }, withHeaders({ 'docker-content-digest': undefined }));
    const report = await run();
    assert.deepEqual([actions(report), states(report)], [['1 move'], ['1 done']]);
  });

  it('a tag that moves while it is brought is brought again', async (t) => {
    const { registry, run, pull } = await world(t);
    registry.putImage('team/app', '1', image);
    const hold = gate();
    registry.on({ kind: 'blob', digest: image.config!.digest, nth: 1 }, holdHeaders(hold));
    const running = run();
    await hold.arrived;
    registry.putImage('team/app', '1', other);
    hold.release();
    const report = await running;
    assert.deepEqual([states(report), report.repositories[0]?.tags[0]?.digest], [['1 done'], other.digest]);
    await registry.refuse();
    assert.equal((await pull('manifests/1')).digest, other.digest);
  });

  it('a tag that a client has brought since the plan is not set back', async (t) => {
    for (const [match, fault] of [
      [{ kind: 'blob', digest: image.layers[0]!.digest }, status(404)],
      [{ kind: 'manifest', reference: '1' }, status(500)],
    ] as const) {
      const { registry, run, pull } = await world(t);
      registry.putImage('team/app', '1', image);
      const hold = gate();
      const running = run({ turn: () => hold.pass() });
      await hold.arrived;
      registry.putImage('team/app', '1', other);
      assert.equal((await pull('manifests/1')).digest, other.digest);
      registry.on(match, fault);
      hold.release();
      assert.deepEqual(states(await running), ['1 partial']);
      assert.equal((await pull('manifests/1')).digest, other.digest, JSON.stringify(match));
    }
  });

  it('two tags of one digest stay two tags', async (t) => {
    const { registry, run, pull } = await world(t);
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', 'latest', image);
    await run();
    registry.putImage('team/app', 'latest', other);
    assert.deepEqual(states(await run()), ['1 done', 'latest done']);
    await registry.refuse();
    assert.equal((await pull('manifests/1')).digest, image.digest);
    assert.equal((await pull('manifests/latest')).digest, other.digest);
  });

  it('a block that selects nothing of a list that is not empty says so', async (t) => {
    const { registry, run } = await world(t, { block: 'tags = { include = ["none*"] }' });
    registry.putImage('team/app', '1', image);
    const report = await run();
    assert.equal(report.repositories[0]?.warning, 'none of its 1 tags is selected');
    assert.equal(report.state, 'done');
  });

  it('what is not brought yet is pulled through', async (t) => {
    const { registry, run, pull } = await world(t, { block: 'tags = { include = ["1"] }' });
    registry.putImage('team/app', '1', image);
    registry.putImage('team/app', '2' as Tag, other);
    await run();
    assert.equal((await pull('manifests/2')).digest, other.digest);
  });
});

describe('entrepot sync', () => {
  it('plans, runs and reports, over the socket of a server and without one', async (t) => {
    const { registry, proxy } = await world(t);
    registry.putImage('team/app', '1', image);
    const dry = await runCommand(proxy, 'sync', '--dry-run', '--json');
    assert.deepEqual([dry.code, actions(dry.json[0])], [0, ['1 add']]);
    const text = await runCommand(proxy, 'sync', 'app', '--dry-run');
    assert.match(text.stdout, /^1 +add +sha256:/m);
    const ran = await runCommand(proxy, 'sync', 'app', '--json');
    assert.deepEqual([ran.code, states(ran.json[0])], [0, ['1 done']]);
    await proxy.stop();
    registry.putImage('team/app', '2', other);
    registry.putImage('team/app', '3', index);
    registry.on({ digest: other.layers[0]!.digest }, status(404));
    const alone = await runCommand(proxy, 'sync');
    assert.equal(alone.code, 3);
    assert.match(alone.stdout, /^2 +add +partial .*not found/m);
    assert.match(alone.stdout, /^1 same, 2 add$/m);
  });

  it('ends with 1 if nothing is done, and with 2 for a name that no block has', async (t) => {
    const { registry, proxy } = await world(t);
    registry.on({ kind: 'tags' }, status(500));
    assert.equal((await runCommand(proxy, 'sync')).code, 1);
    assert.equal((await runCommand(proxy, 'sync', '--dry-run')).code, 1);
    const wrong = await runCommand(proxy, 'sync', 'apq');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /no \[\[sync\]\] has the name "apq": there are app/);
  });

  it('uses the blocks that a reload has put in force', async (t) => {
    const { registry, proxy } = await world(t);
    registry.putImage('team/new', '1', image);
    await proxy.reload({ toml: `[[sync]]\nname = "new"\nsource = "${registry.host}/team/new"` });
    const [report] = await proxy.app.administration.sync([], {});
    assert.deepEqual([report?.name, report?.state], ['new', 'done']);
  });
});
