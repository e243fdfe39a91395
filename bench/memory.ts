/** Memory that many readers of a cold blob cost: of a very large one, and a thousand at once. */
import { writeFileSync } from 'node:fs';
import { pull, pullAtOnce } from './clients.ts';
import { repeat } from './cold.ts';
import { alternate, median } from './measure.ts';
import type { RunningPeer } from './peers/peer.ts';
import { memoryOf } from './processes.ts';
import type { Row } from './row.ts';
import { startUpstream } from './upstream.ts';

const large: Row = {
  name: 'memory',
  asks: 'memory of Entrepot with 50 readers of a cold blob of 1 GiB, ten of them slow',
  async run({ stage, start, quick }) {
    const size = quick ? '128MiB' : '1GiB';
    const upstream = await startUpstream(stage, { blobs: [size] });
    const [peer] = await start({ host: upstream.host }, ['entrepot']);
    if (!peer) return [];
    const idle = memoryOf(peer.pid, 'VmRSS');
    forgetHighest(peer);
    const url = peer.url + upstream.blobs[0];
    const slow = Array.from({ length: 10 }, (_, index) =>
      pull(url, ['--limit-rate', `${1 + 2 * index}M`, '--max-time', '20']).catch(() => undefined),
    );
    const fast = await pullAtOnce(url, 40);
    const highest = memoryOf(peer.pid, 'VmHWM');
    await Promise.all(slow);
    const time = Math.max(...fast.map((one) => one.total));
    const name = `50 readers of ${size}`;
    return [
      { row: name, what: 'memory, idle', unit: 'MiB', values: { entrepot: idle } },
      { row: name, what: 'memory, at most', unit: 'MiB', values: { entrepot: highest } },
      {
        row: name,
        what: 'growth',
        unit: 'MiB',
        values: { entrepot: highest - idle },
        goals: [{ atMost: 64 }],
      },
      { row: name, what: 'time of the 40 fast ones', unit: 'ms', values: { entrepot: time } },
    ];
  },
};

/** As when a cluster rolls out an image. */
const thousand: Row = {
  name: 'thousand',
  asks: 'a cold blob of 4 MiB, a thousand clients at once',
  async run({ stage, start, quick, turns }) {
    const rounds = Math.min(turns, 3);
    // curl takes at most 300 at once.
    const [processes, each] = quick ? [2, 50] : [4, 250];
    const upstream = await startUpstream(stage, { blobs: repeat('4MiB', rounds + 1) });
    const peers = await start(upstream);
    const { time, firstByte, requests, highest } = await alternate(peers, rounds, async (peer, turn) => {
      const url = `${peer.url}${upstream.blobs[turn]}`;
      const before = await upstream.asked();
      forgetHighest(peer);
      const pulled = await Promise.all(Array.from({ length: processes }, () => pullAtOnce(url, each)));
      // nginx works in processes of its own.
      const highest = peer.name === 'nginx' ? undefined : memoryOf(peer.pid, 'VmHWM');
      const after = await upstream.quiet();
      return {
        time: Math.max(...pulled.flat().map(({ total }) => total)),
        firstByte: median(pulled.flat().map(({ firstByte }) => firstByte)),
        requests: after.requests.blob - before.requests.blob,
        highest,
      };
    });
    const row = `${processes * each} cold readers, 4 MiB`;
    return [
      { row, what: 'time until all have it', unit: 'ms', values: time },
      { row, what: 'first byte, median', unit: 'ms', values: firstByte },
      { row, what: 'requests upstream', unit: 'requests', values: requests, goals: [{ atMost: 1 }] },
      { row, what: 'memory, at most', unit: 'MiB', values: highest },
    ];
  },
};

export const memory: readonly Row[] = [large, thousand];

/** What starting up took is not asked for (proc(5)). */
function forgetHighest({ pid }: RunningPeer): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
