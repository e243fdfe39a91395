/** `[[sync]]` and events against a registry that means ill: each run ends, keeps what is here, and says what was wrong. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { eventually } from '../support/eventually.ts';
import type { RuleMatch } from '../support/fake-registry.ts';
import {
  type Fault,
  holdHeaders,
  htmlPage,
  otherBody,
  withHeaders,
} from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { buildImage, buildIndexOf, type Image } from '../support/images.ts';
import { actions, states, type World, world } from '../support/sync-world.ts';

const image = buildImage({ seed: 'kept', layers: [2000] });
const other = buildImage({ seed: 'other', layers: [3000] });
/** ms; the grace is seven of these. */
const step = 10_000;
const removing = 'missing = "delete"\ngrace = "70s"\n';

async function tagsHere({ proxy, registry }: World): Promise<readonly string[]> {
  const kept = await Array.fromAsync(proxy.app.administration.list(`${registry.host}/**`));
  return kept.flatMap(({ tag }) => tag ?? []).toSorted();
}

/** Answers with this JSON, as whatever it says. */
function body(value: unknown, type = 'application/json'): readonly Fault[] {
  return [otherBody(JSON.stringify(value)), withHeaders({ 'content-type': type })];
}

/** Indexes in each other, `depth` of them, each of which names the one below `times` times. */
function nested(depth: number, times: number): { readonly root: Image; readonly all: readonly Image[] } {
  const all: Image[] = [image];
  for (let level = 0; level < depth; level++) {
    const [below = image] = all.slice(-1);
    all.push(buildIndexOf(Array.from({ length: times }, () => ({ ...below, children: [], blobs: [] }))));
  }
  return { root: all.at(-1) ?? image, all };
}

describe('a run ends, and says so, where its registry', () => {
  it('moves a tag each time that it is asked for it', async (t) => {
    const { registry, run } = await world(t);
    registry.putImage('team/app', '1', image);
    let moves = 0;
    const moving: RuleMatch = {
      method: 'HEAD',
      when({ reference }) {
        if (reference === '1') registry.putImage('team/app', '1', buildImage({ seed: moves++ }));
        return false;
      },
    };
    registry.on(moving);
    const report = await run();
    assert.deepEqual(states(report), ['1 failed']);
    assert.match(report.repositories[0]?.tags[0]?.reason ?? '', /it moved each time/);
    assert.ok(moves <= 6, `${moves} moves`);
  });

  it('lists a million tags, however few of them the block selects', async (t) => {
    const { registry, run } = await world(t, { block: 'tags = { include = ["t1"] }' });
    registry.putImage('team/app', 't1', image);
    const tags = Array.from({ length: 1_000_000 }, (_, n) => `t${n}`);
    registry.on({ kind: 'tags', nth: 1 }, ...body({ name: 'team/app', tags }));
    const report = await run();
    assert.match(report.repositories[0]?.problem ?? '', /holds more than 1000000 values/);
    registry.on({ kind: 'tags' }, ...body({ name: 'team/app', tags: tags.slice(0, 100_000) }));
    assert.deepEqual(states(await run()), ['t1 done']);
  });

  it('has a catalogue without end', async (t) => {
    const { registry, run, pull } = await world(t, { source: 'team/**', upstream: { catalogue: true } });
    registry.putImage('team/app', '1', image);
    await pull('manifests/1');
    let page = 0;
    const next: Fault = {
      answer: (answer) => ({
        ...answer,
        headers: { ...answer.headers, link: `</v2/_catalog?last=${page++}>; rel="next"` },
      }),
    };
    const isCatalogue = ({ path }: { path: string }) => path === '/v2/_catalog';
    registry.on({ when: isCatalogue }, ...body({ repositories: ['team/app'] }), next);
    const report = await run();
    assert.deepEqual([report.state, states(report)], ['partial', ['1 done']]);
    assert.match(report.problem ?? '', /more than 1000 pages/);
  });

  it('lists an image among its own referrers', async (t) => {
    const { registry, run } = await world(t);
    registry.putImage('team/app', '1', image);
    const { mediaType, digest, bytes } = image;
    const manifests = [{ mediaType, digest, size: bytes.length }];
    const type = 'application/vnd.oci.image.index.v1+json';
    registry.on({ kind: 'referrers' }, ...body({ schemaVersion: 2, mediaType: type, manifests }, type));
    assert.deepEqual(states(await run()), ['1 done']);
    assert.ok(registry.count({ kind: 'referrers' }) <= 2);
  });

  for (const times of [1, 2]) {
    it(`nests an index fifty deep, each of which names the next ${times === 1 ? 'once' : 'twice'}`, async (t) => {
      const { registry, run, pull } = await world(t, { block: 'referrers = "none"' });
      const { root, all } = nested(50, times);
      for (const one of all) registry.putImage('team/app', undefined, one);
      registry.putImage('team/app', '1', root);
      assert.deepEqual(states(await run()), ['1 done']);
      await registry.refuse();
      for (const { digest } of all) assert.equal((await pull(`manifests/${digest}`)).status, 200);
      for (const { digest } of image.blobs) assert.equal((await pull(`blobs/${digest}`)).status, 200);
    });
  }
});

describe('nothing is removed where a list of tags', () => {
  const tricks: Readonly<Record<string, readonly Fault[]>> = {
    'is a page with status 200': [htmlPage()],
    'is null': body({ name: 'team/app', tags: null }),
    'is empty': body({ name: 'team/app', tags: [] }),
    'is no list': body({ name: 'team/app', tags: '1' }),
    'holds no names': body({ name: 'team/app', tags: [1, null, '/'] }),
    'leads in a circle': [
      ...body({ name: 'team/app', tags: ['1'] }),
      withHeaders({ link: '</v2/team/app/tags/list>; rel="next"' }),
    ],
  };
  for (const [what, faults] of Object.entries(tricks)) {
    it(what, async (t) => {
      const made = await world(t, { block: removing });
      const { registry, run, clock } = made;
      registry.putImage('team/app', '1', image);
      registry.putImage('team/app', '2', other);
      await run();
      registry.on({ kind: 'tags' }, ...faults);
      for (let n = 0; n < 4; n++) {
        await run();
        await clock.advance(8 * step);
      }
      assert.deepEqual(await tagsHere(made), ['1', '2']);
    });
  }

  it('is half as long each time', async (t) => {
    const made = await world(t, { block: removing });
    const { registry, run, clock } = made;
    for (let n = 0; n < 64; n++) registry.putImage('team/app', `v${n}`, image);
    for (let left = 64; left >= 1; left = Math.floor(left / 2)) {
      for (let n = left; n < 64; n++) registry.removeManifest('team/app', `v${n}`);
      await run();
      await clock.advance(8 * step);
    }
    const report = await run();
    assert.match(report.warning ?? '', /63 tags would be removed, more than max_delete allows/);
    assert.equal((await tagsHere(made)).length, 64);
  });
});

it('of two tags that differ in case, the one goes that is gone', async (t) => {
  const made = await world(t, { block: removing });
  const { registry, run, clock, pull } = made;
  registry.putImage('team/app', 'latest', image);
  registry.putImage('team/app', 'LATEST', other);
  await run();
  registry.removeManifest('team/app', 'LATEST');
  await run();
  await clock.advance(8 * step);
  assert.deepEqual(actions(await run()), ['latest same', 'LATEST remove']);
  assert.deepEqual(await tagsHere(made), ['latest']);
  assert.equal((await pull('manifests/latest')).digest, image.digest);
});

describe('a block that changes while it runs', () => {
  /** A run of the block that waits for the config of the image. */
  async function halfway(t: TestContext) {
    const made = await world(t);
    made.registry.putImage('team/app', '1', image);
    made.registry.putImage('team/app', '2', other);
    const hold = gate();
    made.registry.on({ digest: image.config?.digest ?? image.digest, nth: 1 }, holdHeaders(hold));
    const running = made.run();
    await hold.arrived;
    const replicas = async () =>
      (await Array.fromAsync(made.proxy.app.administration.replicas.tags({}))).map(
        ({ tag, state }) => `${tag} ${state}`,
      );
    return { ...made, hold, running, replicas };
  }

  it('comes to its end, and leaves nothing of itself once it is gone', async (t) => {
    const { proxy, hold, running, replicas, pull } = await halfway(t);
    await proxy.reload({ toml: '' });
    hold.release();
    assert.deepEqual(states(await running), ['1 done', '2 done']);
    await eventually('its state is forgotten', async () => (await replicas()).length === 0);
    assert.equal((await pull('manifests/1')).status, 200);
  });

  it('comes to its end as it began, and the next run follows the new settings', async (t) => {
    const { proxy, registry, hold, running, replicas, run } = await halfway(t);
    const toml = `[[sync]]\nname = "app"\nsource = "${registry.host}/team/app"\ntags = { include = ["2"] }\n`;
    await proxy.reload({ toml });
    hold.release();
    assert.deepEqual(states(await running), ['1 done', '2 done']);
    assert.deepEqual(states(await run()), ['2 done', '1 left']);
    assert.deepEqual(await replicas(), ['2 done']);
  });
});
