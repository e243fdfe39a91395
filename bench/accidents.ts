/** A mirror that breaks off in the middle, and an origin that throttles each connection. */
import { type FakeRegistry, startFakeRegistry } from '../test/support/fake-registry.ts';
import { cutAfter } from '../test/support/fake-registry-faults.ts';
import { pull } from './clients.ts';
import { repeat } from './cold.ts';
import { alternate, median } from './measure.ts';
import type { Row } from './row.ts';
import { startUpstream } from './upstream.ts';

const MiB = 1024 * 1024;

const failover: Row = {
  name: 'failover',
  asks: 'a cold blob of 256 MiB whose mirror resets at 60 %, and the same undisturbed',
  async run({ stage, start, quick, turns }) {
    const size = (quick ? 64 : 256) * MiB;
    const [mirror, source] = [await startFakeRegistry(), await startFakeRegistry()];
    for (const registry of [mirror, source]) stage.defer(() => registry.stop());
    const put = (seed: string) => {
      source.putGeneratedBlob(size, seed);
      return mirror.putGeneratedBlob(size, seed);
    };
    const peers = await start({ host: source.host, mirrors: [mirror.host] }, ['entrepot']);
    const figures = await alternate(peers, turns, async (peer, turn) => {
      const timed = async (digest: string) => {
        const { total, bytes } = await pull(`${peer.url}/v2/bench/image/blobs/${digest}`);
        if (bytes !== size) throw new Error(`${bytes} of ${size} bytes came`);
        return total;
      };
      const undisturbed = await timed(put(`whole ${turn}`));
      const digest = put(`cut ${turn}`);
      const cut = mirror.on({ digest }, cutAfter(Math.floor(size * 0.6)));
      const disturbed = await timed(digest);
      cut.remove();
      return { undisturbed, disturbed, share: given(digest, mirror, source) / size };
    });
    const row = `mirror resets at 60 % of ${size / MiB} MiB`;
    return [
      { row, what: 'time', unit: 'ms', values: figures.disturbed },
      { row, what: 'the same undisturbed', unit: 'ms', values: figures.undisturbed },
      { row, what: 'bytes upstream / blob', unit: 'times', values: figures.share, goals: [{ atMost: 1.05 }] },
    ];
  },
};

const throttled: Row = {
  name: 'fetchers',
  asks: 'a cold blob of 64 MiB from an origin that gives each connection 20 MB/s; fetchers = 4',
  async run({ stage, start, turns }) {
    const rounds = Math.min(turns, 3);
    const upstream = await startUpstream(stage, { blobs: repeat('64MiB', rounds + 1), rate: '20000000' });
    const toml = `[[upstream.host]]\nhost = "${upstream.host}"\nfetchers = 4\n`;
    const peers = await start({ host: upstream.host, toml });
    const direct: number[] = [];
    const { time } = await alternate(peers, rounds, async (peer, turn) => {
      const path = upstream.blobs[turn];
      if (peer === peers[0]) direct.push((await pull(upstream.url + path)).total);
      return { time: (await pull(peer.url + path)).total };
    });
    const alone = median(direct);
    const row = 'each connection throttled, 64 MiB';
    return [
      {
        row,
        what: 'time',
        unit: 'ms',
        values: time,
        goals: [{ atMost: Math.round(alone / 3) }],
        note: `a third of a direct pull's ${Math.round(alone)} ms`,
      },
    ];
  },
};

export const accidents: readonly Row[] = [failover, throttled];

function given(digest: string, ...registries: readonly FakeRegistry[]): number {
  const sent = (registry: FakeRegistry) =>
    registry.bodyBytes({ when: (request) => request.digest === digest });
  return registries.reduce((sum, registry) => sum + sent(registry), 0);
}
