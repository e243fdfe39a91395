/** Referrers (signatures, SBOMs): kept as long as a tag is fresh, filtered here, there when nobody answers. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { status } from '../support/fake-registry-faults.ts';
import { type HttpAnswer, json } from '../support/http-client.ts';
import { buildArtifact, buildImage, buildIndexOf } from '../support/images.ts';
import { cacheOf, type MirroredOptions, startMirrored } from '../support/mirrored-registry.ts';

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

  it('are none where the registry says null, as programs in Go do', async (t) => {
    const { registry, referrers } = await attached(t);
    const none = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: null });
    registry.on({ kind: 'referrers' }, status(200, { 'content-type': mediaTypes.ociIndex }, none));
    assert.deepEqual(digestsIn(await referrers()), []);
    assert.deepEqual(digestsIn(await referrers('?artifactType=application/vnd.sig.v1')), []);
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
