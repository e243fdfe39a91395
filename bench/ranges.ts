/** Parts of blobs that nobody has yet. */
import { pull, take } from './clients.ts';
import { repeat } from './cold.ts';
import { alternate, type Line, timed } from './measure.ts';
import type { Bench, Row } from './row.ts';
import { startUpstream } from './upstream.ts';

const MiB = 1024 * 1024;

const farRange: Row = {
  name: 'far-range',
  asks: '64 KiB at 80 MiB of a cold blob, from an origin that gives 24 MB/s',
  async run({ stage, start, turns }) {
    const rounds = Math.min(turns, 3);
    const upstream = await startUpstream(stage, { blobs: repeat('96MiB', rounds + 1), rate: '24000000' });
    const peers = await start(upstream);
    const range = `${80 * MiB}-${80 * MiB + 65535}`;
    const { time, bytes } = await alternate(peers, rounds, async (peer, turn) => {
      const pulled = await pull(peer.url + upstream.blobs[turn], ['--range', range]);
      return { time: pulled.total, bytes: pulled.bytes / 65536 };
    });
    const row = 'cold range, 64 KiB at 80 MiB';
    return [
      { row, what: 'time', unit: 'ms', values: time },
      { row, what: 'bytes received / asked for', unit: 'times', values: bytes, goals: [{ atMost: 1 }] },
    ];
  },
};

/** As containerd 2.1 does with `concurrent_layer_fetch_buffer`. */
const pieces: Row = {
  name: 'pieces',
  asks: 'a cold blob of 256 MiB by eight clients that ask bytes=N- in steps of 8 MiB and close early',
  run: (bench) => inPieces(bench, 'in pieces of 8 MiB'),
};

/** Where the network is the limit, and not what this machine's clients can take. */
const piecesPaced: Row = {
  name: 'pieces-paced',
  asks: 'the same from an upstream that gives each connection 50 MB/s',
  run: (bench) => inPieces(bench, 'in pieces, at 50 MB/s a connection', '50000000'),
};

async function inPieces(bench: Bench, name: string, rate?: string): Promise<readonly Line[]> {
  const { stage, start, quick, turns } = bench;
  const size = quick ? 64 : 256;
  const upstream = await startUpstream(stage, {
    blobs: repeat(`${size}MiB`, 2 * (turns + 1)),
    ...(rate !== undefined && { rate }),
  });
  const peers = await start(upstream);
  const { plain, pieces, share } = await alternate(peers, turns, async (peer, turn) => {
    stage.touchMemory(3 * size * MiB);
    // By the same client: this process takes longer over the bytes than curl does.
    const plain = await timed(() => take(peer.url + upstream.blobs[2 * turn], 0, size * MiB));
    const before = await upstream.quiet();
    stage.touchMemory(3 * size * MiB);
    const pieces = await timed(() => takePieces(peer.url + upstream.blobs[2 * turn + 1], size * MiB));
    const after = await upstream.quiet();
    return { plain, pieces, share: (after.bodyBytes - before.bodyBytes) / (size * MiB) };
  });
  const row = `${size} MiB ${name}`;
  return [
    { row, what: 'time', unit: 'ms', values: pieces },
    { row, what: 'the same by one plain GET', unit: 'ms', values: plain },
    { row, what: 'bytes upstream / blob', unit: 'times', values: share, goals: [{ atMost: 1.1 }] },
  ];
}

async function takePieces(url: string, size: number): Promise<void> {
  const step = 8 * MiB;
  let next = 0;
  const client = async () => {
    while (next < size) {
      const start = next;
      next += step;
      const bytes = Math.min(step, size - start);
      const got = await take(url, start, bytes);
      if (got < bytes) throw new Error(`${got} of ${bytes} bytes came from ${start} on`);
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
}

export const ranges: readonly Row[] = [farRange, pieces, piecesPaced];
