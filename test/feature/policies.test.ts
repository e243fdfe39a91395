/** Objects of an OpenShift cluster decide where images come from. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startApp } from '../support/app.ts';
import { digestOf } from '../support/byte-source.ts';
import { asYaml, manifestsOf, type ShortObjects } from '../support/cluster-objects.ts';
import { startRegistry } from '../support/endpoints.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { tempFolder } from '../support/temp-folder.ts';

const image = buildImage({ layers: [2000] });

/** A source, a mirror for digests and one for tags; `stocked` have the image as `team/app:1`. */
async function setUp(
  t: TestContext,
  policy: '' | ' never',
  stocked: readonly ('source' | 'digests' | 'tags')[],
  more: ShortObjects = {},
) {
  const [source, digests, tags] = await Promise.all([startRegistry(t), startRegistry(t), startRegistry(t)]);
  const named = { source, digests, tags };
  for (const name of stocked) named[name].putImage('team/app', '1', image);
  const folder = tempFolder(t);
  const objects: ShortObjects = {
    digest: [`${source.host}/team <- ${digests.host}/team${policy}`],
    tag: [`${source.host}/team <- ${tags.host}/team${policy}`],
    insecure: [source.host, digests.host, tags.host],
    ...more,
  };
  mkdirSync(join(folder, 'policies'));
  writeFileSync(join(folder, 'policies', 'objects.yaml'), asYaml(manifestsOf(objects)));
  const proxy = await startApp(t, { folder, registries: '', toml: 'policies = "policies"\n' });
  const at = (what: string) => `${proxy.url}/v2/${source.host}/team/app/${what}`;
  const asked = () =>
    Object.entries(named)
      .filter(([, registry]) => registry.count({}) > 0)
      .map(([name]) => name);
  const pull = async (reference: string) => {
    for (const registry of Object.values(named)) registry.clear();
    return (await get(at(`manifests/${reference}`))).status;
  };
  return { asked, pull, at };
}

const everywhere = ['source', 'digests', 'tags'] as const;

describe('a pull through policies', () => {
  it('by digest goes to the mirror for digests, with its blobs', async (t) => {
    const { asked, pull, at } = await setUp(t, '', everywhere);
    assert.equal(await pull(image.digest), 200);
    assert.deepEqual(asked(), ['digests']);
    for (const { digest } of image.blobs) {
      assert.equal(digestOf((await get(at(`blobs/${digest}`))).body), digest);
    }
    assert.deepEqual(asked(), ['digests']);
  });

  it('by tag goes to the mirror for tags', async (t) => {
    const { asked, pull } = await setUp(t, '', everywhere);
    assert.equal(await pull('1'), 200);
    assert.deepEqual(asked(), ['tags']);
  });

  it('goes to the source if no mirror has the image', async (t) => {
    const { asked, pull } = await setUp(t, '', ['source']);
    assert.equal(await pull('1'), 200);
    assert.deepEqual(asked(), ['source', 'tags']);
    assert.equal(await pull(image.digest), 200);
  });

  it('never goes to the source of NeverContactSource', async (t) => {
    const { asked, pull } = await setUp(t, ' never', ['source']);
    for (const [reference, mirror] of [
      ['1', 'tags'],
      [image.digest, 'digests'],
    ] as const) {
      assert.notEqual(await pull(reference), 200);
      assert.deepEqual(asked(), [mirror]);
    }
  });

  it('by tag asks nothing if only digests have a mirror and the source is never contacted', async (t) => {
    const { asked, pull } = await setUp(t, ' never', everywhere, { tag: [] });
    assert.notEqual(await pull('1'), 200);
    assert.deepEqual(asked(), []);
    assert.equal(await pull(image.digest), 200);
    assert.deepEqual(asked(), ['digests']);
  });
});
