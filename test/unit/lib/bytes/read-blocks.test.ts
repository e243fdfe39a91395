import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Agent } from 'undici';
import { createReadBlocks, type ReadBlocks } from '../../../../src/lib/bytes/read-blocks.ts';

const KiB = 1024;

/** The byte at an offset of an answer: says which answer it is of, and where. */
function byteAt(seed: number, offset: number): number {
  return (seed * 31 + offset * 7 + (offset >>> 8)) & 0xff;
}

function body(seed: number, size: number): Buffer {
  const bytes = Buffer.allocUnsafe(size);
  for (let offset = 0; offset < size; offset++) bytes[offset] = byteAt(seed, offset);
  return bytes;
}

interface Asked {
  readonly seed: number;
  readonly size: number;
  readonly how: string;
  /** Turns of the event loop that each chunk is held. */
  readonly hold: number;
  readonly pauses: boolean;
  readonly seen: Set<ArrayBufferLike>;
}

describe('blocks that sockets read into', () => {
  let server: Server;
  let url: string;
  before(async () => {
    server = createServer((request, response) => {
      const [, seed, size, how] = (request.url ?? '').split('/');
      const bytes = body(Number(seed), Number(size));
      // Chunked, with a chunk's frame in the middle of every read, or with a length.
      if (how === 'chunked')
        for (let at = 0; at < bytes.length; at += 3001) response.write(bytes.subarray(at, at + 3001));
      response.end(how === 'chunked' ? undefined : bytes);
    });
    // On a busy machine a connection would be idle for that long, and end under the next request.
    server.keepAliveTimeout = 0;
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  /** Reads an answer; each chunk is held for some turns of the event loop, then looked at and given back. */
  function read(agent: Agent, blocks: ReadBlocks, asked: Asked) {
    const { seed, size, how, hold, pauses, seen } = asked;
    return new Promise<number>((resolve, reject) => {
      let offset = 0;
      let paused = 0;
      const checks: Promise<void>[] = [];
      const check = async (chunk: Buffer, start: number): Promise<void> => {
        for (let turn = 0; turn < hold; turn++) await new Promise((next) => setImmediate(next));
        for (let index = 0; index < chunk.length; index += 13) {
          assert.equal(chunk[index], byteAt(seed, start + index), `answer ${seed}, byte ${start + index}`);
        }
        blocks.release(chunk);
      };
      agent.dispatch(
        { origin: url, path: `/${seed}/${size}/${how}`, method: 'GET' },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData(controller, chunk) {
            blocks.retain(chunk);
            seen.add(chunk.buffer);
            checks.push(check(chunk, offset));
            offset += chunk.length;
            // A reader that cannot keep up leaves a read half parsed.
            if (pauses && ++paused % 5 === 0) {
              controller.pause();
              setImmediate(() => controller.resume());
            }
          },
          onResponseEnd: () => void Promise.all(checks).then(() => resolve(offset), reject),
          onResponseError: (_, error) => reject(error),
        },
      );
    });
  }

  it('are used again', async () => {
    const blocks = createReadBlocks({ size: 128 * KiB, sockets: 64, keep: 64, lend: 2 });
    const agent = new Agent({ connect: { onread: blocks.onread } });
    const seen = new Set<ArrayBufferLike>();
    const size = 3 * 1024 * KiB;
    for (let seed = 1; seed <= 8; seed++) {
      assert.equal(
        await read(agent, blocks, { seed, size, how: 'length', hold: 1, pauses: false, seen }),
        size,
      );
    }
    const worth = (8 * size) / (128 * KiB);
    assert.ok(seen.size < worth / 2, `${seen.size} blocks for the bytes of ${worth}`);
    await agent.close();
  });

  it('are smaller for each socket beyond a number, and whole again when sockets have closed', async () => {
    const blocks = createReadBlocks({ size: 256 * KiB, sockets: 1, keep: 0, lend: 2 });
    const first = new Agent({ connect: { onread: blocks.onread } });
    const asked = { size: 3 * 1024 * KiB, how: 'length', hold: 1, pauses: false };
    const sizes = async (agent: Agent, seed: number) => {
      const seen = new Set<ArrayBufferLike>();
      await read(agent, blocks, { ...asked, seed, seen });
      return Math.max(...[...seen].map(({ byteLength }) => byteLength));
    };
    assert.equal(await sizes(first, 1), 256 * KiB);
    const second = new Agent({ connect: { onread: blocks.onread } });
    assert.ok((await sizes(second, 2)) <= 256 * KiB);
    const third = new Agent({ connect: { onread: blocks.onread } });
    assert.equal(await sizes(third, 3), 64 * KiB);
    await Promise.all([first.close(), second.close(), third.close()]);
    const last = new Agent({ connect: { onread: blocks.onread } });
    assert.equal(await sizes(last, 4), 256 * KiB);
    await last.close();
  });

  it('are kept in no greater number than wanted', async () => {
    const blocks = createReadBlocks({ size: 128 * KiB, sockets: 64, keep: 2, lend: 2 });
    const agent = new Agent({ connect: { onread: blocks.onread } });
    const asked = {
      size: 3 * 1024 * KiB,
      how: 'length',
      hold: 1,
      pauses: false,
      seen: new Set<ArrayBufferLike>(),
    };
    await read(agent, blocks, { ...asked, seed: 1 });
    await read(agent, blocks, { ...asked, seed: 2 });
    assert.ok(blocks.idle <= 2);
    await agent.close();
  });

  it('are never used again while somebody holds a chunk of them', async () => {
    const blocks = createReadBlocks({ size: 128 * KiB, sockets: 64, keep: 4, lend: 2 });
    const agent = new Agent({ connect: { onread: blocks.onread } });
    const size = 3 * 1024 * KiB;
    let seed = 0;
    const one = async (how: string, hold: number, pauses: boolean): Promise<void> => {
      for (let round = 0; round < 4; round++) {
        seed += 1;
        assert.equal(await read(agent, blocks, { seed, size, how, hold, pauses, seen: new Set() }), size);
      }
    };
    await Promise.all([
      one('length', 0, false),
      one('length', 3, false),
      one('length', 2, true),
      one('chunked', 1, false),
      one('chunked', 7, true),
    ]);
    await agent.close();
  });

  it('are left to the garbage collector by those who never give chunks back', async () => {
    const blocks = createReadBlocks({ size: 128 * KiB, sockets: 64, keep: 4, lend: 2 });
    const agent = new Agent({ connect: { onread: blocks.onread } });
    const held: Buffer[] = [];
    await new Promise<void>((resolve, reject) => {
      agent.dispatch(
        { origin: url, path: `/9/${1024 * KiB}/length`, method: 'GET' },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData(_, chunk) {
            blocks.retain(chunk);
            held.push(chunk);
          },
          onResponseEnd: () => resolve(),
          onResponseError: (_, error) => reject(error),
        },
      );
    });
    await read(agent, blocks, {
      seed: 10,
      size: 2048 * KiB,
      how: 'length',
      hold: 0,
      pauses: false,
      seen: new Set(),
    });
    assert.ok(Buffer.concat(held).equals(body(9, 1024 * KiB)));
    await agent.close();
  });

  it('are not taken for small answers', async () => {
    const blocks = createReadBlocks({ size: 128 * KiB, sockets: 64, keep: 4, lend: 2 });
    const agent = new Agent({ connect: { onread: blocks.onread }, connections: 1 });
    const seen = new Set<ArrayBufferLike>();
    for (let seed = 1; seed <= 50; seed++) {
      await read(agent, blocks, { seed, size: 700, how: 'length', hold: 0, pauses: false, seen });
    }
    for (const buffer of seen) assert.ok(buffer.byteLength <= 16 * KiB);
    await agent.close();
  });

  it('are lent to slow readers up to a number, however many chunks of them and readers there are', async () => {
    const blocks = createReadBlocks({ size: 128 * KiB, sockets: 64, keep: 4, lend: 2 });
    const agent = new Agent({ connect: { onread: blocks.onread } });
    const chunks: Buffer[] = [];
    await new Promise<void>((resolve, reject) => {
      agent.dispatch(
        { origin: url, path: `/1/${1024 * KiB}/length`, method: 'GET' },
        {
          onRequestStart() {},
          onResponseStart() {},
          onResponseData(_, chunk) {
            blocks.retain(chunk);
            chunks.push(chunk);
          },
          onResponseEnd: () => resolve(),
          onResponseError: (_, error) => reject(error),
        },
      );
    });
    const ofBlock = Map.groupBy(chunks, ({ buffer }) => buffer);
    // The first bytes of a connection are in a small buffer that is of no block.
    const [[first], [second], [third]] = [...ofBlock.values()].slice(-3) as [Buffer[], Buffer[], Buffer[]];
    assert.ok(first && second && third);
    for (let reader = 0; reader < 10; reader += 1) assert.ok(blocks.lend(first));
    assert.ok(blocks.lend(second));
    assert.ok(!blocks.lend(third));
    assert.ok(blocks.lend(second.subarray(1)), 'one that is lent already');
    for (let reader = 0; reader < 9; reader += 1) blocks.takeBack(first);
    assert.ok(!blocks.lend(third));
    blocks.takeBack(first);
    assert.ok(blocks.lend(third));
    await agent.close();
  });
});
