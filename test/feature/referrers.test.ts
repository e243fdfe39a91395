/** Referrers (signatures, SBOMs): kept as long as a tag is fresh, filtered here, there when nobody answers. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { status } from '../support/fake-registry-faults.ts';
import { type HttpAnswer, json } from '../support/http-client.ts';
import {
  buildArtifact,
  buildImage,
  buildIndex,
  buildIndexOf,
  type Image,
  type PlacedManifest,
} from '../support/images.ts';
import {
  cacheOf,
  insecureRegistry,
  type MirroredOptions,
  startMirrored,
} from '../support/mirrored-registry.ts';

const image = buildImage();
const sbom = buildArtifact(image, { artifactType: 'application/spdx+json', content: '{"spdx":1}' });
const signature = buildArtifact(image, { artifactType: 'application/vnd.sig.v1', content: 'signed' });
const minute = 60_000;

async function attached(t: TestContext, options: MirroredOptions = {}) {
  const mirrored = await startMirrored(t, options);
  const { registry, get } = mirrored;
  registry.putImage('app', '1', image);
  for (const artifact of [sbom, signature]) registry.putImage('app', undefined, artifact);
  const referrers = (query = '') => get('app', `referrers/${image.digest}${query}`);
  return { ...mirrored, referrers };
}

function mirrorBefore(source: string, mirror: string): string {
  return `${insecureRegistry(source)}[[registry.mirror]]\nlocation = "${mirror}"\ninsecure = true\n`;
}

function digestsIn(answer: HttpAnswer): string[] {
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], mediaTypes.ociIndex);
  return (json(answer) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest).sort();
}

const both = [sbom.digest, signature.digest].sort();

describe('referrers', () => {
  it('are fetched once, then fresh for freshness.tag, then fetched again', async (t) => {
    const { registry, clock, referrers } = await attached(t);
    const first = await referrers();
    assert.deepEqual([cacheOf(first), digestsIn(first)], ['fetched', both]);
    assert.equal(cacheOf(await referrers()), 'hit');
    assert.equal(registry.count({ kind: 'referrers' }), 1);
    registry.removeManifest('app', sbom.digest);
    await clock.advance(minute);
    assert.deepEqual(digestsIn(await referrers()), [signature.digest]);
  });

  it('are filtered by artifactType, from the one list that is kept', async (t) => {
    const { registry, referrers } = await attached(t);
    await referrers();
    const filtered = await referrers('?artifactType=application/spdx%2Bjson');
    assert.deepEqual([cacheOf(filtered), digestsIn(filtered)], ['hit', [sbom.digest]]);
    assert.equal(filtered.headers['oci-filters-applied'], 'artifactType');
    assert.deepEqual(digestsIn(await referrers('?artifactType=text/plain')), []);
    assert.equal((await referrers()).headers['oci-filters-applied'], undefined);
    assert.equal(registry.count({ kind: 'referrers' }), 1);
  });

  it('of a registry without that API come from the referrers tag', async (t) => {
    const { registry, clock, referrers } = await attached(t, { upstream: { referrers: false } });
    registry.putManifest('app', image.digest.replace(':', '-'), buildIndexOf([sbom]));
    assert.deepEqual(digestsIn(await referrers()), [sbom.digest]);
    await registry.refuse();
    await clock.advance(minute);
    const stale = await referrers();
    assert.deepEqual([cacheOf(stale), digestsIn(stale)], ['stale', [sbom.digest]]);
  });

  describe('under the referrers tag', () => {
    const platforms = buildIndex();
    const none = async (t: TestContext, subject: Image, content: PlacedManifest) => {
      const { registry, get } = await startMirrored(t, { upstream: { referrers: false } });
      registry.putImage('app', '1', subject);
      registry.putManifest('app', subject.digest.replace(':', '-'), content);
      return get('app', `referrers/${subject.digest}`);
    };

    it('are none if the registry gives the manifest itself there, as GitLab does', async (t) => {
      assert.deepEqual(digestsIn(await none(t, platforms, platforms)), []);
      assert.deepEqual(digestsIn(await none(t, image, image)), []);
    });

    it('are none if an image is there, or the index of one', async (t) => {
      const rewritten = Buffer.from(JSON.stringify(JSON.parse(platforms.bytes.toString())));
      assert.notDeepEqual(rewritten, platforms.bytes);
      const again = { ...platforms, bytes: rewritten };
      assert.deepEqual(digestsIn(await none(t, platforms, again)), []);
      assert.deepEqual(digestsIn(await none(t, platforms, image)), []);
    });

    it('are those without a platform', async (t) => {
      const index = JSON.parse(platforms.bytes.toString()) as { manifests: object[] };
      const attached = { mediaType: sbom.mediaType, digest: sbom.digest, size: sbom.bytes.length };
      const bytes = Buffer.from(JSON.stringify({ ...index, manifests: [...index.manifests, attached] }));
      assert.deepEqual(digestsIn(await none(t, platforms, { ...platforms, bytes })), [sbom.digest]);
    });

    it('are asked of the next endpoint if the first gives the manifest itself', async (t) => {
      const mirror = await startFakeRegistry({ referrers: false });
      t.after(() => mirror.stop());
      mirror.putManifest('app', image.digest.replace(':', '-'), image);
      const { referrers } = await attached(t, { registries: ({ host }) => mirrorBefore(host, mirror.host) });
      assert.deepEqual(digestsIn(await referrers()), both);
    });
  });

  it('are none where the index under the referrers tag has null', async (t) => {
    const { registry, referrers } = await attached(t, { upstream: { referrers: false } });
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: null }));
    registry.putManifest('app', image.digest.replace(':', '-'), {
      ...image,
      bytes,
      mediaType: mediaTypes.ociIndex,
    });
    assert.deepEqual(digestsIn(await referrers('?artifactType=application/vnd.sig.v1')), []);
  });

  it('are an empty index where there are none', async (t) => {
    const { referrers } = await attached(t, { upstream: { referrers: false } });
    assert.deepEqual(digestsIn(await referrers()), []);
    assert.equal(cacheOf(await referrers()), 'hit');
  });

  for (const isPulled of [true, false]) {
    const what = isPulled ? 'a manifest that was pulled' : 'a manifest that was never pulled';
    it(`of ${what} that had none are none in an outage, marked stale`, async (t) => {
      const { registry, clock, get, referrers } = await attached(t, { upstream: { referrers: false } });
      if (isPulled) await get('app', `manifests/${image.digest}`);
      await referrers();
      await registry.refuse();
      await clock.advance(minute);
      const stale = await referrers();
      assert.deepEqual([cacheOf(stale), digestsIn(stale)], ['stale', []]);
    });
  }

  it('that are none leave nothing in the index for names and digests that are not here', async (t) => {
    const { proxy, get, referrers } = await attached(t);
    await get('app', `manifests/${image.digest}`);
    await referrers();
    for (let made = 0; made < 50; made += 1) {
      const digest = `sha256:${made.toString(16).padStart(64, '0')}`;
      assert.deepEqual(digestsIn(await get(`made-up/${made}`, `referrers/${digest}`)), []);
      assert.equal(cacheOf(await get(`made-up/${made}`, `referrers/${digest}`)), 'hit');
      assert.deepEqual(digestsIn(await get('app', `referrers/${digest}`)), []);
      assert.equal((await get(`made-up/${made}`, 'tags/list')).status, 404);
    }
    await proxy.stop();
    const index = new SqliteDatabase(join(proxy.data, 'index-v1.sqlite'), { readonly: true });
    t.after(() => index.close());
    const rows = (query: string) => index.prepare(query).pluck().all();
    assert.deepEqual(rows("SELECT name FROM names WHERE name LIKE '%made-up%'"), []);
    assert.deepEqual(rows('SELECT key FROM lists'), [image.digest]);
  });

  it('are none where the registry says null, as programs in Go do', async (t) => {
    const { registry, referrers } = await attached(t);
    const none = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: null });
    registry.on({ kind: 'referrers' }, status(200, { 'content-type': mediaTypes.ociIndex }, none));
    assert.deepEqual(digestsIn(await referrers()), []);
    assert.deepEqual(digestsIn(await referrers('?artifactType=application/vnd.sig.v1')), []);
  });

  describe('that are nested too deeply', () => {
    const deep = () => {
      const levels = 50_000;
      const descriptor = `{"mediaType":"a/b","digest":"${sbom.digest}","size":1,"deep":${'['.repeat(levels)}${']'.repeat(levels)}}`;
      return `{"schemaVersion":2,"mediaType":"${mediaTypes.ociIndex}","manifests":[${descriptor}]}`;
    };
    const index = { 'content-type': mediaTypes.ociIndex };

    async function withMirror(t: TestContext) {
      const mirror = await startFakeRegistry();
      t.after(() => mirror.stop());
      const mirrored = await attached(t, {
        registries: ({ host }) => mirrorBefore(host, mirror.host),
      });
      return { ...mirrored, mirror };
    }

    for (const query of ['', '?artifactType=application/spdx%2Bjson']) {
      it(`are refused as one endpoint's answer${query && ', with a filter'}: the source has the good ones`, async (t) => {
        const { mirror, registry, referrers } = await withMirror(t);
        mirror.on({ kind: 'referrers' }, status(200, index, deep()));
        const answer = await referrers(query);
        assert.deepEqual(digestsIn(answer), query ? [sbom.digest] : both);
        assert.equal(registry.count({ kind: 'referrers' }), 1);
      });
    }

    it('in a second page are refused in the same way', async (t) => {
      const { mirror, registry, referrers } = await withMirror(t);
      const next = { ...index, link: `</v2/app/referrers/${image.digest}?page=2>; rel="next"` };
      mirror.on({ kind: 'referrers', nth: 1 }, status(200, next, buildIndexOf([signature]).bytes.toString()));
      mirror.on({ kind: 'referrers' }, status(200, index, deep()));
      assert.deepEqual(digestsIn(await referrers()), both);
      assert.equal(mirror.count({ kind: 'referrers' }), 2);
      assert.equal(registry.count({ kind: 'referrers' }), 1);
    });

    it('are 502 with the reason if no endpoint has better ones', async (t) => {
      const { registry, referrers } = await attached(t);
      registry.on({ kind: 'referrers' }, status(200, index, deep()));
      const answer = await referrers();
      assert.equal(answer.status, 502);
      assert.match(answer.body.toString(), /nested more than 100 levels deep/);
    });
  });

  it('are 502, not empty, where nobody can know', async (t) => {
    const { registry, referrers } = await attached(t);
    await registry.refuse();
    assert.equal((await referrers()).status, 502);
  });

  it('may be pulled by digest like anything else, and stay when the registry is gone', async (t) => {
    const { registry, get } = await attached(t);
    await get('app', `manifests/${sbom.digest}`);
    await registry.refuse();
    const answer = await get('app', `manifests/${sbom.digest}`);
    assert.deepEqual([cacheOf(answer), answer.body], ['hit', sbom.bytes]);
  });
});
