/**
 * Health belongs to hosts, verdicts belong to content: nothing that a client can ask for, and nothing that the owner of one
 * repository can publish, changes what the clients of another repository get from the same registry.
 */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { entry, startRegistry } from '../support/endpoints.ts';
import { eventually } from '../support/eventually.ts';
import {
  corruptAt,
  type Fault,
  hangUp,
  htmlPage,
  neverAnswer,
  otherBody,
  status,
} from '../support/fake-registry-faults.ts';
import { buildImage } from '../support/images.ts';
import { cacheOf, startMirrored } from '../support/mirrored-registry.ts';

const seconds = 1000;
const image = buildImage({ seed: 'first' });
const moved = buildImage({ seed: 'second' });

/** A registry with a cached tag of `good`, and a repository `odd` that has this fault in all its content. */
async function site(t: TestContext, fault: Fault) {
  const mirrored = await startMirrored(t);
  const { registry, get } = mirrored;
  registry.putImage('good', '1', image);
  registry.putImage('odd', '1', image);
  registry.on({ repository: 'odd' }, fault);
  assert.equal(cacheOf(await get('good', 'manifests/1')), 'fetched');
  return mirrored;
}

const oddities: readonly (readonly [string, Fault])[] = [
  ['is a web page', htmlPage()],
  ['has other bytes', corruptAt(5)],
  ['is no manifest', otherBody('{}')],
  ['is larger than a manifest may be', otherBody('x'.repeat(5 << 20))],
  ['is answered 500', status(500)],
  ['is answered 503', status(503)],
  ['closes the connection', hangUp()],
];

describe('a registry with one repository whose content', () => {
  for (const [what, fault] of oddities) {
    it(`${what} goes on to confirm the tags of its others`, async (t) => {
      const { registry, get, clock } = await site(t, fault);
      for (let time = 0; time < 6; time += 1) {
        assert.equal((await get('odd', 'manifests/1')).status, 502);
        assert.equal((await get('odd', `manifests/${image.digest}`)).status, 502);
      }
      registry.putImage('good', '1', moved);
      await clock.advance(60 * seconds);
      const answer = await get('good', 'manifests/1');
      assert.equal(cacheOf(answer), 'fetched');
      assert.deepEqual(answer.body, moved.bytes);
    });
  }

  it('is never answered goes on to confirm the tags of its others', async (t) => {
    const { registry, get, clock } = await site(t, neverAnswer());
    const waiting = get('odd', 'manifests/1');
    await registry.seen({ repository: 'odd' });
    await clock.advance(1000);
    await registry.seen({ kind: 'ping' }, 2);
    for (let time = 0; time < 3; time += 1) {
      await clock.advance(20 * seconds);
      assert.equal(cacheOf(await get('good', 'manifests/1')), time < 2 ? 'hit' : 'revalidated');
    }
    // Until total_timeout: no other endpoint is left to ask.
    await clock.advance(60 * seconds);
    assert.equal((await waiting).status, 502);
  });
});

describe('a tag that its registry does not answer for', () => {
  it('makes no tag of another repository stale', async (t) => {
    const { registry, get, clock } = await startMirrored(t);
    for (const name of ['good', 'odd']) {
      registry.putImage(name, '1', image);
      assert.equal(cacheOf(await get(name, 'manifests/1')), 'fetched');
    }
    registry.on({ repository: 'odd' }, neverAnswer());
    await clock.advance(60 * seconds);
    const waiting = get('odd', 'manifests/1');
    await registry.seen({ method: 'HEAD', repository: 'odd' });
    const pinged = registry.next({ kind: 'ping' });
    await clock.advance(1000);
    await (await pinged).ended;
    await eventually('the answer has been read', async () => {
      await get('good', 'tags/list');
      return true;
    });
    await clock.advance(200);
    assert.equal(cacheOf(await waiting), 'stale');
    assert.equal(cacheOf(await get('good', 'manifests/1')), 'revalidated');
  });
});

describe('a mirror that fails for one repository', () => {
  it('is still the first to be asked for the others', async (t) => {
    const mirror = await startRegistry(t);
    const mirrored = await startMirrored(t, {
      registries: (source) => entry(source.host, { mirrors: [mirror.host] }),
    });
    const { registry, get } = mirrored;
    for (const one of [mirror, registry]) {
      for (const name of ['odd', 'good']) {
        for (let tag = 0; tag < 6; tag += 1) one.putImage(name, `${tag}`, image);
      }
    }
    mirror.on({ repository: 'odd' }, status(500));
    for (let tag = 0; tag < 6; tag += 1) assert.equal((await get('odd', `manifests/${tag}`)).status, 200);
    assert.equal(mirror.count({ repository: 'odd' }), 3, 'not asked for it any more');
    assert.equal((await get('good', 'manifests/1')).status, 200);
    assert.equal(mirror.count({ repository: 'good' }), 1);
    assert.equal(registry.count({ repository: 'good' }), 0);
  });

  it('is not asked for the others either when the host itself is down', async (t) => {
    const mirror = await startRegistry(t);
    const mirrored = await startMirrored(t, {
      registries: (source) => entry(source.host, { mirrors: [mirror.host] }),
    });
    const { registry, get, proxy } = mirrored;
    for (let tag = 0; tag < 3; tag += 1) registry.putImage('odd', `${tag}`, image);
    registry.putImage('good', '1', image);
    mirror.on({}, status(500));
    for (let tag = 0; tag < 3; tag += 1) assert.equal((await get('odd', `manifests/${tag}`)).status, 200);
    await eventually('the log says so', () => proxy.log.some(({ msg }) => /skipped for now/.test(`${msg}`)));
    assert.equal((await get('good', 'manifests/1')).status, 200);
    assert.equal(mirror.count({ repository: 'good' }), 0);
  });
});
