import assert from 'node:assert/strict';
import { writeFileSync, writev } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { PartialFile } from '../../../../src/cache/incoming/partial-file.ts';
import type { ByteStream } from '../../../../src/lib/bytes/byte-stream.ts';
import { createReadBlocks } from '../../../../src/lib/bytes/read-blocks.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { BlobSize } from '../../../../src/transfer/blob-size.ts';
import { noContributors } from '../../../../src/transfer/fetch/contributor-memory.ts';
import { Contributors } from '../../../../src/transfer/fetch/contributors.ts';
import { createDistrustMemory } from '../../../../src/transfer/fetch/distrust.ts';
import { MemoryBudget } from '../../../../src/transfer/file/memory-budget.ts';
import { RangeSet } from '../../../../src/transfer/file/range-set.ts';
import { SparseFile } from '../../../../src/transfer/file/sparse-file.ts';
import { defaultLimits } from '../../../../src/transfer/limits.ts';
import { createRelay } from '../../../../src/transfer/read/relay.ts';
import { RelayMemory } from '../../../../src/transfer/read/relay-memory.ts';
import type { TransferDeps } from '../../../../src/transfer/transfer-deps.ts';
import { endpointKey } from '../../../../src/upstream/endpoint.ts';
import {
  endpointAt,
  type ScriptedEndpoint,
  type ScriptedSource,
  scriptedSource,
} from '../../../support/scripted-source.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { digestOf, hasherOfTests, readAll, seededBytes } from '../../../support/transfer-bench.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const blob = seededBytes(4 * MiB, 5);
const digest = digestOf(blob);
const good: ScriptedEndpoint = { host: 'good.example', bytes: blob };
const liar: ScriptedEndpoint = { host: 'liar.example', bytes: seededBytes(blob.length, 6) };

describe('a relay', () => {
  const hasher = hasherOfTests();

  interface Bench {
    readonly source: ScriptedSource;
    readonly reports: [string, string][];
    readonly distrusted: ReadonlySet<string>;
    relay(range: { start?: number; end?: number; verify?: boolean; size?: number | undefined }): ByteStream;
  }

  /** `onDisk`: how many bytes of the blob the file had when the disk gave out. */
  function bench(t: TestContext, scripts: readonly ScriptedEndpoint[], onDisk = 0): Bench {
    const path = join(tempFolder(t), 'file');
    writeFileSync(path, blob.subarray(0, onDisk));
    const file = new SparseFile(
      {
        size: new BlobSize(digest, blob.length, undefined),
        clock: systemClock,
        writev,
        budget: new MemoryBudget(MiB, MiB),
        blocks: { release() {} },
        limits: defaultLimits,
        hasher,
        digest,
        onError() {},
        writeFailed() {},
      },
      { file: new PartialFile(path), ranges: new RangeSet([{ start: 0, end: onDisk }]), size: blob.length },
    );
    t.after(() => file.close());
    const source = scriptedSource('a/b', scripts);
    const memory = new RelayMemory({ total: 4 * MiB, least: 64 * KiB, most: MiB });
    const reports: Bench['reports'] = [];
    const distrust = createDistrustMemory();
    const report: TransferDeps['report'] = ({ host }, fault) => reports.push([host, fault]);
    const contributors = new Contributors(
      { distrust, report, log: { debug() {}, info() {}, warn() {}, error() {} } },
      digest,
      noContributors,
    );
    return {
      source,
      reports,
      get distrusted() {
        return distrust.of(digest);
      },
      relay: ({ start = 0, end, verify = start === 0 && end === undefined, ...rest }) =>
        createRelay(
          {
            hasher,
            stallTimeoutOf: () => 30_000,
            clock: systemClock,
            limits: defaultLimits,
            blocks: createReadBlocks({ size: 1024, sockets: 64, keep: 0, lend: 0 }),
            relayMemory: memory,
            report,
            contributors,
            metrics: { received() {}, transferRead() {}, transferEnded() {} },
            open: source.open,
            file,
          },
          { digest, size: 'size' in rest ? rest.size : blob.length, start, end, verify },
        ),
    };
  }

  it('passes on the whole, or a part, whether the size is known or not', async (t) => {
    const { relay } = bench(t, [good]);
    assert.ok((await readAll(relay({}))).equals(blob));
    assert.ok((await readAll(relay({ size: undefined }))).equals(blob));
    assert.ok((await readAll(relay({ start: 5, end: 2 * MiB }))).equals(blob.subarray(5, 2 * MiB)));
    assert.ok((await readAll(relay({ start: 3 * MiB }))).equals(blob.subarray(3 * MiB)));
  });

  it('goes on for a reader that had its first bytes from the file, hashing those from there', async (t) => {
    const { relay, source } = bench(t, [good], 2 * MiB);
    const bytes = await readAll(relay({ start: MiB, verify: true }));
    assert.ok(bytes.equals(blob.subarray(MiB)));
    assert.equal(source.requests[0]?.start, MiB);
  });

  it('completes no whole of which the first bytes are not here any more', async (t) => {
    const { relay, source } = bench(t, [good], MiB);
    await assert.rejects(readAll(relay({ start: 2 * MiB, verify: true })), /not here any more/);
    assert.deepEqual(source.requests, []);
  });

  it('goes on with the next endpoint where one breaks', async (t) => {
    const { relay, source, reports } = bench(t, [{ ...good, host: 'cut.example', resetAfter: MiB }, good]);
    assert.ok((await readAll(relay({}))).equals(blob));
    assert.equal(source.bytesSent, blob.length);
    assert.deepEqual(reports, [['cut.example', 'unreachable']]);
  });

  it('keeps the last bytes of a wrong whole back, and remembers which endpoint gave it', async (t) => {
    const here = bench(t, [liar]);
    const stream = here.relay({});
    let bytes = 0;
    await assert.rejects(async () => {
      for (let chunk = await stream.next(); chunk; chunk = await stream.next()) bytes += chunk.length;
    }, /wrong/);
    stream.close();
    assert.ok(bytes <= blob.length - defaultLimits.holdBack);
    assert.deepEqual(here.reports, [['liar.example', 'invalid']]);
    assert.deepEqual([...here.distrusted], [endpointKey(endpointAt('liar.example'))]);
  });

  it('completes no whole where the rest cannot be had', async (t) => {
    const { relay } = bench(t, [{ ...good, resetAfter: 100_000 }]);
    await assert.rejects(readAll(relay({})), /rest/);
  });

  it('reads no faster than its reader', async (t) => {
    const { relay, source } = bench(t, [good]);
    const stream = relay({});
    await stream.next();
    for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(source.bytesSent < 2 * MiB, `${source.bytesSent} bytes for a reader that stands still`);
    while (await stream.next());
    assert.equal(source.bytesSent, blob.length);
    stream.close();
  });

  it('queues less for each slow reader the more of them there are, and more again when they leave', async (t) => {
    const { relay, source } = bench(t, [good]);
    const settle = async () => {
      for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    const streams = Array.from({ length: 64 }, () => relay({}));
    for (const stream of streams) await stream.next();
    await settle();
    const each = source.bytesSent / streams.length;
    assert.ok(each < 512 * KiB, `${each} bytes for each of many readers that stand still`);
    for (const stream of streams.slice(1)) stream.close();
    const before = source.bytesSent;
    await streams[0]?.next();
    await settle();
    assert.ok(source.bytesSent - before > 256 * KiB);
    assert.ok((await readAll(streams[0] as ByteStream)).length > 0);
  });

  it('ends with its reader', async (t) => {
    const { relay, source } = bench(t, [good]);
    const stream = relay({});
    await stream.next();
    stream.close();
    const sent = source.bytesSent;
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(source.bytesSent, sent);
    assert.equal(await stream.next(), undefined);
  });
});
