/** Memory that many readers of a very large cold blob cost. */
import { writeFileSync } from 'node:fs';
import { pull, pullAtOnce } from './clients.ts';
import { memoryOf } from './processes.ts';
import type { Row } from './row.ts';
import { startUpstream } from './upstream.ts';

const row: Row = {
  name: 'memory',
  asks: 'memory of Entrepot with 50 readers of a cold blob of 1 GiB, ten of them slow',
  async run({ stage, start, quick }) {
    const size = quick ? '128MiB' : '1GiB';
    const upstream = await startUpstream(stage, { blobs: [size] });
    const [peer] = await start({ host: upstream.host }, ['entrepot']);
    if (!peer) return [];
    const idle = memoryOf(peer.pid, 'VmRSS');
    // Forgets the highest memory so far (proc(5)): what starting up took is not asked for.
    writeFileSync(`/proc/${peer.pid}/clear_refs`, '5');
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

export const memory: readonly Row[] = [row];
