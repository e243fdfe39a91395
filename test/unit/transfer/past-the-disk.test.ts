/** Disks that are full, broken or closed to us: every byte is passed on, a whole is always the right one, nothing half is kept. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { createPartialDownloads } from '../../../src/cache/capacity/partial-downloads.ts';
import { IncomingFolder } from '../../../src/cache/incoming/incoming-folder.ts';
import { findResumeState, partialFileOf } from '../../../src/transfer/file/resume-state.ts';
import { createManualClock } from '../../support/clock.ts';
import { type ScriptedEndpoint, scriptedSource } from '../../support/scripted-source.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import {
  digestOf,
  hasherOfTests,
  opened,
  readAll,
  seededBytes,
  transferBench,
} from '../../support/transfer-bench.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

describe('a transfer past the disk', () => {
  const hasher = hasherOfTests();

  const blob = seededBytes(3 * MiB + 17, 1);
  const digest = digestOf(blob);
  const good: ScriptedEndpoint = { host: 'good.example', bytes: blob };

  it('gives what an earlier run left, and passes the rest on, where there is no room for that', async (t) => {
    const folder = tempFolder(t);
    const earlier = transferBench(folder, hasher, { fill: 'never' });
    const source = scriptedSource('a/b', [good]);
    const first = opened(await earlier.transfers.open({ digest, source, start: 0, end: 2 * MiB }));
    await readAll(first.reader(0, 2 * MiB));
    first.close();
    await earlier.transfers.close();
    const later = transferBench(folder, hasher, { deps: { reserve: () => undefined } });
    const second = opened(await later.transfers.open({ digest, source, start: 0 }));
    const part = opened(await later.transfers.open({ digest, source, start: MiB, end: 3 * MiB }));
    assert.ok((await readAll(second.reader(0))).equals(blob));
    assert.ok((await readAll(part.reader(MiB, 3 * MiB))).equals(blob.subarray(MiB, 3 * MiB)));
    second.close();
    part.close();
    assert.deepEqual(readdirSync(later.incoming), []);
  });

  it('leaves what a successor got to the next one, and counts it, though the relay outlasts the successor', async (t) => {
    let hasRoom = false;
    const partialDownloads = createPartialDownloads(assert.fail);
    const bench = transferBench(tempFolder(t), hasher, {
      fill: 'never',
      deps: { partialDownloads, reserve: () => (hasRoom ? { release() {} } : undefined) },
    });
    const source = scriptedSource('a/b', [good]);
    const relayed = opened(await bench.transfers.open({ digest, source, start: 0 }));
    const slow = relayed.reader(0);
    await slow.next();
    hasRoom = true;
    const successor = opened(await bench.transfers.open({ digest, source, start: 0, end: MiB }));
    await readAll(successor.reader(0, MiB));
    successor.close();
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    while (bench.transfers.count > 1) await turn();
    const left = findResumeState(partialFileOf(new IncomingFolder(bench.incoming), digest, source)).ranges
      .bytes;
    assert.equal(left, MiB);
    assert.equal(partialDownloads.bytes, left);
    slow.close();
    relayed.close();
    while (bench.transfers.count > 0) await turn();
    assert.equal(partialDownloads.bytes, left);
  });

  it('does without what an earlier run left where that cannot be opened', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const source = scriptedSource('a/b', [good]);
    const { path } = partialFileOf(new IncomingFolder(bench.incoming), digest, source);
    mkdirSync(path);
    writeFileSync(`${path}.ranges`, JSON.stringify({ size: blob.length, ranges: [[0, 1000]] }));
    for (const start of [0, 500]) {
      const transfer = opened(await bench.transfers.open({ digest, source, start }));
      assert.ok((await readAll(transfer.reader(start))).equals(blob.subarray(start)));
      transfer.close();
    }
  });

  it('goes on past the disk where that does not give back what it took', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const endpoint = { ...good, stallAfter: 2 * MiB };
    const source = scriptedSource('a/b', [endpoint]);
    const transfer = opened(await bench.transfers.open({ digest, source, start: 0 }));
    // When they are saved, they have left memory, too.
    const partial = partialFileOf(new IncomingFolder(bench.incoming), digest, source);
    while (findResumeState(partial).ranges.bytes < 2 * MiB) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    endpoint.stallAfter = blob.length;
    truncateSync(partial.path, 0);
    const bodies = [0, 1000].map(async (start) =>
      (await readAll(transfer.reader(start))).equals(blob.subarray(start)),
    );
    assert.deepEqual(await Promise.all(bodies), [true, true]);
    transfer.close();
    assert.equal(bench.relayed.length, 1);
  });

  it('passes every byte on when the disk gives out in the middle, and keeps nothing', async (t) => {
    let written = 0;
    const bench = transferBench(tempFolder(t), hasher, {
      deps: {
        writev(_fd, buffers, _position, done) {
          const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
          written += bytes;
          const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
          // Lies about the first mebibyte would be found by the digest; here it simply is not there.
          setImmediate(() => done(written > 0 ? full : null, 0));
        },
      },
    });
    const source = scriptedSource('a/b', [good]);
    const bodies = await Promise.all(
      [0, 0, 5, 2 * MiB].map(async (start) => {
        const transfer = opened(await bench.transfers.open({ digest, source, start }));
        const bytes = await readAll(transfer.reader(start));
        transfer.close();
        return bytes.equals(blob.subarray(start));
      }),
    );
    assert.deepEqual(bodies, [true, true, true, true]);
    assert.equal(bench.relayed.length, 1);
    assert.deepEqual(readdirSync(bench.incoming), []);
    assert.equal(bench.stored(digest), undefined);
  });

  it('passes every byte on where the disk does not even let what is there be removed', async (t) => {
    const readOnly = Object.assign(new Error('read-only file system'), { code: 'EROFS' });
    const bench = transferBench(tempFolder(t), hasher, {
      deps: { writev: (_fd, _buffers, _position, done) => setImmediate(done, readOnly, 0) },
    });
    // No file that can be removed.
    const source = scriptedSource('a/b', [good]);
    mkdirSync(`${partialFileOf(new IncomingFolder(bench.incoming), digest, source).path}.ranges`);
    const transfer = opened(await bench.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(transfer.reader(0))).equals(blob));
    transfer.close();
    assert.deepEqual([bench.relayed.length, bench.transfers.count], [1, 0]);
  });

  it('has passed a blob on without keeping it where the store cannot take it', async (t) => {
    const commit = () => Promise.reject(new Error('ENOSPC'));
    const bench = transferBench(tempFolder(t), hasher, { deps: { commit } });
    const source = scriptedSource('docker.io/library/a', [good]);
    const transfer = opened(await bench.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(transfer.reader(0))).equals(blob));
    transfer.close();
    await bench.transfers.close();
    assert.deepEqual([bench.relayed.length, bench.stored(digest)], [1, undefined]);
    assert.deepEqual(readdirSync(bench.incoming), []);
  });

  it('gives back the room that it held as soon as the blob is counted as stored', async (t) => {
    const clock = createManualClock();
    const order: string[] = [];
    const bench = transferBench(tempFolder(t), hasher, {
      clock,
      deps: {
        reserve: () => ({ release: () => order.push('released') }),
        async commit() {
          // Its ranges are being saved.
          await clock.advance(50);
          // As the cache does, which would find that too much is here.
          setImmediate(() => order.push('looked for what must go'));
        },
      },
    });
    const source = scriptedSource('a/b', [good]);
    const transfer = opened(await bench.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(transfer.reader(0))).equals(blob));
    await bench.transfers.settled(digest);
    transfer.close();
    assert.deepEqual(order.slice(0, 2), ['released', 'looked for what must go']);
  });

  it('serves without keeping when there is no room to reserve', async (t) => {
    const bench = transferBench(tempFolder(t), hasher, { deps: { reserve: () => undefined } });
    const liar: ScriptedEndpoint = { host: 'liar.example', bytes: seededBytes(blob.length, 2) };
    const right = opened(
      await bench.transfers.open({ digest, source: scriptedSource('a/b', [good]), start: 0 }),
    );
    assert.ok((await readAll(right.reader(0))).equals(blob));
    right.close();
    const wrong = opened(
      await bench.transfers.open({ digest, source: scriptedSource('a/b', [liar]), start: 0 }),
    );
    await assert.rejects(readAll(wrong.reader(0)), /wrong/);
    wrong.close();
    assert.equal(bench.transfers.count, 0);
  });

  it('keeps what is asked for when there is room again, though somebody still reads what was passed on', async (t) => {
    let hasRoom = false;
    const reserve = () => (hasRoom ? { release() {} } : undefined);
    const bench = transferBench(tempFolder(t), hasher, { deps: { reserve } });
    const source = scriptedSource('a/b', [good]);
    const early = opened(await bench.transfers.open({ digest, source, start: 0 }));
    const slow = early.reader(0);
    const first = Buffer.from((await slow.next()) ?? []);
    hasRoom = true;
    const later = opened(await bench.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(later.reader(0))).equals(blob));
    later.close();
    await bench.whenStored(digest);
    assert.ok(Buffer.concat([first, await readAll(slow)]).equals(blob));
    early.close();
    assert.equal(bench.transfers.count, 0);
  });

  it('never completes a whole of which the reader had wrong bytes that the disk did not take', async (t) => {
    const held: (() => void)[] = [];
    const broken = Object.assign(new Error('input/output error'), { code: 'EIO' });
    const bench = transferBench(tempFolder(t), hasher, {
      deps: { writev: (_fd, _buffers, _position, done) => held.push(() => done(broken, 0)) },
    });
    const liar = {
      host: 'liar.example',
      bytes: seededBytes(blob.length, 2),
      down: false,
      stallAfter: 2 * MiB,
    };
    const source = scriptedSource('a/b', [liar, good]);
    const transfer = opened(await bench.transfers.open({ digest, source, start: 0 }));
    const reader = transfer.reader(0);
    for (let got = 0; got < MiB; ) got += (await reader.next())?.length ?? 0;
    liar.down = true;
    while (held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const fail of held) fail();
    await assert.rejects(readAll(reader), /wrong/);
    transfer.close();
    // Nobody can say which of the two it was.
    assert.deepEqual(bench.reports, []);
    assert.equal(bench.relayed.length, 1);
  });
});
