/** Blobs that nobody has yet: one reader, many at once, and a slow one who comes first. */
import { pull, pullAll, pullAtOnce } from './clients.ts';
import { alternate, type Line, median, timed } from './measure.ts';
import { processorTime } from './processes.ts';
import type { Bench, Row } from './row.ts';
import { startUpstream, type Upstream } from './upstream.ts';

const MiB = 1024 * 1024;

const unlimited: Row = {
  name: 'cold',
  asks: 'a blob of 256 MiB that nobody has yet, one reader, an upstream as fast as the machine',
  run: (bench) => oneReader(bench, 'cold'),
};

/** What a pull waits for where upstream, proxy and client do not fight for the same cores. */
const paced: Row = {
  name: 'cold-paced',
  asks: 'the same from an upstream that gives 250 MB/s: a network of 2 Gbit/s',
  run: (bench) => oneReader(bench, 'cold at 250 MB/s', '250000000'),
};

async function oneReader(bench: Bench, name: string, rate?: string): Promise<readonly Line[]> {
  const { stage, start, quick, turns } = bench;
  const size = quick ? 64 : 256;
  const upstream = await startUpstream(stage, {
    blobs: repeat(`${size}MiB`, turns + 1),
    ...(rate !== undefined && { rate }),
  });
  const peers = await start(upstream);
  const figures = await alternate(peers, turns, async (peer, turn) => {
    stage.touchMemory(2 * size * MiB);
    const began = processorTime(peer.pid);
    const { pulled, share } = await countBytes(upstream, size * MiB, () =>
      pull(peer.url + upstream.blobs[turn]),
    );
    const cpu = processorTime(peer.pid) - began;
    return { total: pulled.total, firstByte: pulled.firstByte, cpu, share };
  });
  const row = `${name}, ${size} MiB`;
  const notSlower = [{ against: 'docker-registry', atLeast: 1 }] as const;
  return [
    { row, what: 'time', unit: 'ms', values: figures.total, goals: notSlower },
    { row, what: 'first byte', unit: 'ms', values: figures.firstByte },
    { row, what: 'processor time', unit: 'ms', values: figures.cpu },
    { row, what: 'bytes upstream / blob', unit: 'times', values: figures.share, goals: [{ atMost: 1.01 }] },
  ];
}

/** What a runtime does with an image: containerd and Docker fetch three layers at a time. */
const image: Row = {
  name: 'cold-image',
  asks: 'the eight layers of 64 MiB of an image that nobody has yet, three at a time',
  async run({ stage, start, quick, turns }) {
    const layers = 8;
    const size = quick ? 8 : 64;
    const upstream = await startUpstream(stage, { blobs: repeat(`${size}MiB`, layers * (turns + 1)) });
    const peers = await start(upstream);
    const figures = await alternate(peers, turns, async (peer, turn) => {
      const urls = upstream.blobs
        .slice(layers * turn, layers * (turn + 1))
        .map((path) => `${peer.url}${path}`);
      stage.touchMemory(2 * layers * size * MiB);
      const began = processorTime(peer.pid);
      const { pulled, share } = await countBytes(upstream, layers * size * MiB, () =>
        timed(() => pullAll(urls, 3)),
      );
      return { time: pulled, cpu: processorTime(peer.pid) - began, share };
    });
    const row = `cold image, ${layers} x ${size} MiB`;
    return [
      {
        row,
        what: 'time',
        unit: 'ms',
        values: figures.time,
        goals: [{ against: 'docker-registry', atLeast: 1 }],
      },
      { row, what: 'processor time', unit: 'ms', values: figures.cpu },
      { row, what: 'bytes upstream / blob', unit: 'times', values: figures.share, goals: [{ atMost: 1.01 }] },
    ];
  },
};

const manyReaders: Row = {
  name: 'readers',
  asks: 'one cold blob of 32 MiB, 1, 10, 50 and 200 readers at once',
  async run({ stage, start, quick, turns }) {
    const size = 32;
    const counts = quick ? [1, 10] : [1, 10, 50, 200];
    const rounds = Math.min(turns, 3);
    const blobs = repeat(`${size}MiB`, counts.length * (rounds + 1));
    const upstream = await startUpstream(stage, { blobs });
    const peers = await start(upstream);
    const lines: Line[] = [];
    for (const [index, readers] of counts.entries()) {
      const figures = await alternate(peers, rounds, async (peer, turn) => {
        const path = upstream.blobs[index * (rounds + 1) + turn];
        stage.touchMemory(2 * size * MiB);
        const { pulled, share, requests } = await countBytes(upstream, size * MiB, () =>
          pullAtOnce(peer.url + path, readers),
        );
        const firsts = pulled.map((one) => one.firstByte).sort((a, b) => a - b);
        return {
          time: Math.max(...pulled.map((one) => one.total)),
          lag: readers === 1 ? undefined : median(firsts.slice(1)) - (firsts[0] ?? 0),
          requests,
          share,
        };
      });
      const row = `${readers} cold readers, ${size} MiB`;
      lines.push(
        { row, what: 'time until all have it', unit: 'ms', values: figures.time },
        {
          row,
          what: 'requests upstream',
          unit: 'requests',
          values: figures.requests,
          goals: [{ atMost: 1 }],
        },
        {
          row,
          what: 'bytes upstream / blob',
          unit: 'times',
          values: figures.share,
          goals: [{ atMost: 1.01 }],
        },
      );
      if (readers > 1) {
        lines.push({
          row,
          what: "a follower's first byte after the leader's",
          unit: 'ms',
          values: figures.lag,
          ...(readers === 50 && { goals: [{ atMost: 50 }] }),
        });
      }
    }
    return lines;
  },
};

const slowFirst: Row = {
  name: 'slow-reader',
  asks: 'a cold blob of 64 MiB whose first reader takes 1 MB/s: how long for the second?',
  async run({ stage, start, turns }) {
    const rounds = Math.min(turns, 3);
    const upstream = await startUpstream(stage, { blobs: repeat('64MiB', 2 * (rounds + 1)) });
    const peers = await start(upstream);
    const { alone, beside } = await alternate(peers, rounds, async (peer, turn) => {
      const alonePull = await pull(peer.url + upstream.blobs[2 * turn]);
      await upstream.quiet();
      const url = peer.url + upstream.blobs[2 * turn + 1];
      // Nine seconds of it are enough; the slow one is cut then.
      const slow = pull(url, ['--limit-rate', '1M', '--max-time', '9']).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 200));
      const second = await pull(url, ['--max-time', '9']).catch(() => undefined);
      await slow;
      await upstream.quiet();
      return { alone: alonePull.total, beside: second?.total ?? 9000 };
    });
    const row = 'slow first reader, 64 MiB';
    return [
      { row, what: 'a pull alone', unit: 'ms', values: alone },
      { row, what: 'the second reader', unit: 'ms', values: beside, note: '9000: not within nine seconds' },
    ];
  },
};

export const cold: readonly Row[] = [unlimited, paced, image, manyReaders, slowFirst];

/** What went on upstream while `work` was done, and after it as long as the peer fetched on. */
async function countBytes<T>(upstream: Upstream, size: number, work: () => Promise<T>) {
  const before = await upstream.asked();
  const pulled = await work();
  const after = await upstream.quiet();
  return {
    pulled,
    share: (after.bodyBytes - before.bodyBytes) / size,
    requests: after.requests.blob - before.requests.blob,
  };
}

export function repeat<T>(value: T, times: number): T[] {
  return Array.from({ length: times }, () => value);
}
