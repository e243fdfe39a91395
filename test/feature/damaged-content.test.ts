/** A disk that loses bits, and an index that is lost: nobody is given wrong bytes, and all comes back. */
import assert from 'node:assert/strict';
import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import {
  cacheOf,
  eventually,
  insecureRegistry,
  type MirroredRegistry,
  settled,
  startMirrored,
} from '../support/mirrored-registry.ts';
import { flipByte, storedFile } from '../support/stored-files.ts';

const image = buildImage({ layers: [3_000_000, 5000] });
const [large, small] = image.layers as [(typeof image.layers)[0], (typeof image.layers)[0]];

async function pulled(t: TestContext): Promise<MirroredRegistry> {
  const mirrored = await startMirrored(t);
  mirrored.registry.putImage('app', '1', image);
  for (const path of ['manifests/1', ...image.blobs.map(({ digest }) => `blobs/${digest}`)]) {
    assert.equal((await mirrored.get('app', path)).complete, true);
  }
  await settled(mirrored.proxy);
  mirrored.registry.clear();
  return mirrored;
}

/** The program once more, on the same folder. */
async function again(t: TestContext, { proxy, registry, clock }: MirroredRegistry) {
  const next = await startApp(
    t,
    { registries: insecureRegistry(registry.host), folder: proxy.folder },
    { clock },
  );
  return { next, ask: (path: string) => get(`${next.url}/v2/${registry.host}/app/${path}`) };
}

describe('a stored blob', () => {
  for (const [name, blob, offset] of [
    ['a large one', large, 1_500_000],
    ['the last byte of a large one', large, 2_999_999],
    ['a small one', small, 0],
  ] as const) {
    it(`whose bytes have changed is never completed, dropped, and fetched again: ${name}`, async (t) => {
      const { proxy, registry, get: ask } = await pulled(t);
      flipByte(storedFile(proxy.data, blob.digest), offset);
      const broken = await ask('app', `blobs/${blob.digest}`).catch(() => ({ complete: false }));
      assert.equal(broken.complete, false);
      const fetched = await ask('app', `blobs/${blob.digest}`);
      assert.deepEqual([fetched.complete, cacheOf(fetched)], [true, 'fetched']);
      assert.deepEqual(fetched.body, blob.bytes());
      assert.equal(registry.count({ kind: 'blob', method: 'GET' }), 1);
      await settled(proxy);
      assert.equal(cacheOf(await ask('app', `blobs/${blob.digest}`)), 'hit');
    });
  }

  it('that changed while nobody ran is found out, too', async (t) => {
    const mirrored = await pulled(t);
    await mirrored.proxy.stop();
    flipByte(storedFile(mirrored.proxy.data, large.digest), 7);
    const { ask } = await again(t, mirrored);
    const broken = await ask(`blobs/${large.digest}`).catch(() => ({ complete: false }));
    assert.equal(broken.complete, false);
    assert.deepEqual((await ask(`blobs/${large.digest}`)).body, large.bytes());
  });

  it('that is cut short or gone is fetched again at once', async (t) => {
    const { proxy, get: ask } = await pulled(t);
    truncateSync(storedFile(proxy.data, large.digest), 1000);
    rmSync(storedFile(proxy.data, small.digest));
    for (const blob of [large, small]) {
      const answer = await ask('app', `blobs/${blob.digest}`);
      assert.deepEqual([answer.complete, cacheOf(answer)], [true, 'fetched']);
      assert.deepEqual(answer.body, blob.bytes());
    }
  });
});

describe('a stored manifest', () => {
  it('whose bytes have changed is fetched again at once', async (t) => {
    const mirrored = await pulled(t);
    await mirrored.proxy.stop();
    flipByte(storedFile(mirrored.proxy.data, image.digest), 30);
    const { ask } = await again(t, mirrored);
    const answer = await ask(`manifests/${image.digest}`);
    assert.deepEqual([answer.status, cacheOf(answer)], [200, 'fetched']);
    assert.deepEqual(answer.body, image.bytes);
  });
});

describe('the tags of a damaged manifest', () => {
  /** `app:1` and `app:stable` are the same image, whose manifest's file is gone. */
  async function damaged(t: TestContext) {
    const mirrored = await pulled(t);
    const { registry, proxy, get: ask } = mirrored;
    registry.putImage('app', 'stable', image);
    await ask('app', 'manifests/stable');
    await proxy.stop();
    rmSync(storedFile(proxy.data, image.digest));
    return { ...mirrored, ...(await again(t, mirrored)) };
  }

  it('are served again, all of them, when one of them was fetched again', async (t) => {
    const { ask, registry } = await damaged(t);
    assert.equal(cacheOf(await ask('manifests/1')), 'fetched');
    await registry.refuse();
    assert.deepEqual((await ask('manifests/stable')).body, image.bytes);
  });

  it('go one by one when every endpoint says 404', async (t) => {
    const { ask, registry, next, clock } = await damaged(t);
    registry.removeManifest('app', '1');
    assert.equal((await ask('manifests/1')).status, 404);
    await registry.refuse();
    await clock.advance(60_000);
    const { tags } = JSON.parse((await ask('tags/list')).body.toString()) as { tags: string[] };
    assert.deepEqual(tags, ['stable']);
    assert.ok(next.log.every(({ level }) => level !== 'error'));
  });
});

describe('an index', () => {
  it('that was deleted is rebuilt from the content, for which nobody is asked again', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry } = mirrored;
    await proxy.stop();
    for (const name of readdirSync(proxy.data)) {
      if (name.startsWith('index-v1.sqlite')) rmSync(join(proxy.data, name));
    }
    const { next, ask } = await again(t, mirrored);
    await eventually(async () => {
      await ask('manifests/none');
      assert.ok(next.log.some(({ msg }) => msg === 'index and content agree'));
    }, 5000);
    for (const path of ['manifests/1', ...image.blobs.map(({ digest }) => `blobs/${digest}`)]) {
      const answer = await ask(path);
      assert.equal(answer.status, 200);
    }
    assert.equal(registry.bodyBytes({ kind: 'blob' }), 0);
  });

  it('that is damaged is set aside, and the image is served all the same', async (t) => {
    const mirrored = await pulled(t);
    const { proxy } = mirrored;
    await proxy.stop();
    writeFileSync(join(proxy.data, 'index-v1.sqlite'), 'this is no database, and never was one');
    const { next, ask } = await again(t, mirrored);
    const answer = await ask('manifests/1');
    assert.deepEqual(answer.body, image.bytes);
    assert.ok(readdirSync(proxy.data).some((name) => name.startsWith('index-v1.sqlite.damaged-')));
    assert.ok(next.log.some(({ msg }) => String(msg).startsWith('the index was damaged')));
  });
});
