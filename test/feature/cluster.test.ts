/** Replicas that share what they fetch: the owner asks upstream, the others follow its transfer (docs/cluster.md). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startCluster } from '../support/cluster.ts';
import { entry, readError, startRegistry } from '../support/endpoints.ts';
import { holdHeaders } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';

const MiB = 1024 * 1024;
const image = buildImage({ layers: [3 * MiB] });
const [layer] = image.layers;

async function hub(t: Parameters<typeof startRegistry>[0]) {
  const registry = await startRegistry(t);
  registry.putImage('library/app', '1', image);
  return { registry, registries: entry('docker.io', { source: registry.host }) };
}

describe('a cluster', () => {
  it('asks upstream once for a blob, whatever replicas and clients want it', async (t) => {
    const { registry, registries } = await hub(t);
    const { replicas } = await startCluster(t, { registries });
    const hold = gate();
    registry.on({ kind: 'blob', digest: layer!.digest }, holdHeaders(hold));
    const answers = Array.from({ length: 20 }, (_, at) =>
      get(`${replicas[at % 4]!.url}/v2/library/app/blobs/${layer!.digest}`),
    );
    await hold.arrived;
    hold.release();
    for (const answer of await Promise.all(answers)) {
      assert.equal(answer.status, 200);
      assert.ok(answer.body.equals(layer!.bytes()), 'the bytes are right');
    }
    assert.equal(registry.count({ kind: 'blob', method: 'GET' }), 1);
  });

  it('asks upstream once for a missing tag', async (t) => {
    const { registry, registries } = await hub(t);
    const { replicas, ofTag } = await startCluster(t, { registries });
    const answers = await Promise.all(replicas.map(({ url }) => get(`${url}/v2/library/app/manifests/none`)));
    for (const answer of answers) assert.equal(answer.status, 404);
    assert.equal(registry.count({ kind: 'manifest' }), 1);
    const [owner] = ofTag('none');
    const follower = answers[replicas.findIndex(({ id }) => id !== owner?.id)]!;
    assert.deepEqual(readError(follower).outline, [`${owner!.id} notFound`, `${registry.host} notFound`]);
  });
});
