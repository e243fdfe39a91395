/** Whether a full cache is slower than an empty one: the same questions with 1, 100 and 10,000 images in it. */
import { blobOf } from '../test/support/byte-source.ts';
import { startFakeRegistry } from '../test/support/fake-registry.ts';
import { buildImage } from '../test/support/images.ts';
import { walk } from './clients.ts';
import type { Line } from './measure.ts';
import type { RunningPeer } from './peers/peer.ts';
import { memoryOf } from './processes.ts';
import { manifestHeaders as headers, rateLines } from './rates.ts';
import type { Row } from './row.ts';

const row: Row = {
  name: 'images',
  asks: 'manifests by tag, start and memory with 1, 100 and 10,000 cached images',
  async run(bench) {
    const registry = await startFakeRegistry();
    bench.stage.defer(() => registry.stop());
    // So that no tag grows old while the others are pulled.
    const toml = '[freshness]\ntag = "24h"\n';
    const peers = await bench.start({ host: registry.host, toml }, ['entrepot', 'docker-registry']);
    const lines: Line[] = [];
    const paths: string[] = [];
    for (const count of bench.quick ? [1, 100] : [1, 100, 10_000]) {
      const fresh: string[] = [];
      for (let index = paths.length; index < count; index += 1) {
        const image = buildImage({ layers: [blobOf(`layer ${index}`)], seed: index });
        registry.putImage(`bench/image-${index}`, 'v1', image);
        fresh.push(`/v2/bench/image-${index}/manifests/v1`);
      }
      paths.push(...fresh);
      const cold: Record<string, number> = {};
      for (const peer of peers) {
        const began = performance.now();
        await walk(
          peer.url,
          fresh.map((path) => ({ method: 'GET', path, headers })),
        );
        cold[peer.name] = (performance.now() - began) / fresh.length;
      }
      const name = `${count} cached images`;
      lines.push(
        { row: name, what: 'one more, cold', unit: 'ms', values: cold },
        ...(await rateLines(bench, peers, name, paths)),
        { row: name, what: 'start', unit: 'ms', values: await byPeer(peers, restartTime) },
        {
          row: name,
          what: 'memory after start',
          unit: 'MiB',
          values: await byPeer(peers, async ({ pid }) => memoryOf(pid, 'VmRSS')),
        },
      );
    }
    return lines;
  },
};

export const images: readonly Row[] = [row];

async function byPeer(peers: readonly RunningPeer[], figure: (peer: RunningPeer) => Promise<number>) {
  const values: Record<string, number> = {};
  for (const peer of peers) values[peer.name] = await figure(peer);
  return values;
}

/** Until it answers `/v2/`. */
async function restartTime(peer: RunningPeer): Promise<number> {
  await peer.stop();
  const began = performance.now();
  await peer.start();
  return performance.now() - began;
}
