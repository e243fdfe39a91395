/** A large blob that is here already. */
import { pull, pullAtOnce } from './clients.ts';
import { alternate, type Line } from './measure.ts';
import { processorTime } from './processes.ts';
import type { Row } from './row.ts';
import { startUpstream } from './upstream.ts';

const row: Row = {
  name: 'warm',
  asks: 'a cached blob of 256 MiB, one reader and four',
  async run({ stage, start, quick, turns }) {
    const size = quick ? 64 : 256;
    const upstream = await startUpstream(stage, { blobs: [`${size}MiB`] });
    const path = upstream.blobs[0] ?? '';
    const peers = await start(upstream);
    for (const peer of peers) {
      await (peer.place?.(path, upstream.url + path) ?? pull(peer.url + path));
    }
    await upstream.quiet();
    const megabytes = (size * 1024 * 1024) / 1e6;
    const lines: Line[] = [];
    for (const readers of [1, 4]) {
      const { speed, cpu } = await alternate(peers, 2 * turns, async (peer) => {
        const began = processorTime(peer.pid);
        const pulled = await pullAtOnce(peer.url + path, readers);
        const slowest = Math.max(...pulled.map((one) => one.total));
        const spent = processorTime(peer.pid) - began;
        return { speed: (readers * megabytes) / (slowest / 1000), cpu: spent };
      });
      const line = {
        row: `warm ${size} MiB`,
        what: `${readers} reader${readers > 1 ? 's' : ''}`,
        unit: 'MB/s',
        values: speed,
      } as const;
      const goals = [
        { against: 'docker-registry', atLeast: 1 },
        { against: 'nginx', atLeast: 0.8 },
      ] as const;
      lines.push(
        { ...line, goals },
        { ...line, what: `${line.what}, processor time`, unit: 'ms', values: cpu },
      );
    }
    return lines;
  },
};

export const warm: readonly Row[] = [row];
