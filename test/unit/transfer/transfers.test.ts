import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TransferReader } from '../../../src/transfer/read/transfer-reader.ts';
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

describe('a transfer', () => {
  const hasher = hasherOfTests();

  const blob = seededBytes(3 * MiB + 17, 1);
  const digest = digestOf(blob);
  const good: ScriptedEndpoint = { host: 'good.example', bytes: blob };

  it('gives fifty readers the whole blob from one request', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const source = scriptedSource('docker.io/library/a', [good]);
    const bodies = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const transfer = opened(await bench.transfers.open({ digest, source, start: 0 }));
        const bytes = await readAll(transfer.reader(0));
        transfer.close();
        return bytes;
      }),
    );
    for (const body of bodies) assert.ok(body.equals(blob));
    assert.equal(source.requests.length, 1);
    assert.equal(source.bytesSent, blob.length);
    await bench.whenStored(digest);
    assert.ok(bench.stored(digest)?.equals(blob));
    assert.deepEqual(readdirSync(bench.incoming), []);
  });

  it('goes on with the next endpoint where the first one reset, and with the first where that was the only one', async (t) => {
    const cut: ScriptedEndpoint = { host: 'cut.example', bytes: blob, resetAfter: 2 * MiB, resets: 1 };
    for (const scripts of [[cut, good], [cut]]) {
      const bench = transferBench(tempFolder(t), hasher);
      const source = scriptedSource('docker.io/library/a', scripts);
      const transfer = opened(await bench.transfers.open({ digest, source, start: 0 }));
      assert.ok((await readAll(transfer.reader(0))).equals(blob));
      transfer.close();
      assert.equal(source.bytesSent, blob.length);
      assert.equal(bench.reports[0]?.endpoint, 'cut.example');
      await bench.whenStored(digest);
    }
  });

  it('never completes a body whose digest is wrong, and takes the next endpoint then', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const liar: ScriptedEndpoint = { host: 'liar.example', bytes: seededBytes(blob.length, 2) };
    const source = scriptedSource('docker.io/library/a', [liar, good]);
    const first = opened(await bench.transfers.open({ digest, source, start: 0 }));
    await assert.rejects(readAll(first.reader(0)), /wrong/);
    first.close();
    const second = opened(await bench.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(second.reader(0))).equals(blob));
    second.close();
    assert.deepEqual(
      bench.reports.map(({ endpoint, fault }) => [endpoint, fault]),
      [['liar.example', 'invalid']],
    );
    await bench.whenStored(digest);
  });

  it('hides a lie about a small blob: nothing of it had gone out, whether there is room for it or not', async (t) => {
    const small = seededBytes(100 * KiB, 3);
    for (const deps of [{}, { reserve: () => undefined }]) {
      const bench = transferBench(tempFolder(t), hasher, { deps });
      const liar: ScriptedEndpoint = { host: 'liar.example', bytes: seededBytes(small.length, 4) };
      const source = scriptedSource('a/b', [liar, { host: 'good.example', bytes: small }]);
      const transfer = opened(await bench.transfers.open({ digest: digestOf(small), source, start: 0 }));
      assert.ok((await readAll(transfer.reader(0))).equals(small));
      transfer.close();
      assert.deepEqual(
        bench.reports.map(({ endpoint }) => endpoint),
        ['liar.example'],
      );
    }
  });

  it('fetches a range far ahead directly, keeps it, and verifies the blob when the rest has come', async (t) => {
    const bench = transferBench(tempFolder(t), hasher, { fill: 'never', limits: { refetchThreshold: 0 } });
    const source = scriptedSource('docker.io/library/a', [good]);
    const far = opened(
      await bench.transfers.open({ digest, source, start: 2 * MiB, end: 2 * MiB + 700 * KiB }),
    );
    assert.ok(
      (await readAll(far.reader(2 * MiB, 2 * MiB + 700 * KiB))).equals(
        blob.subarray(2 * MiB, 2 * MiB + 700 * KiB),
      ),
    );
    assert.deepEqual(
      source.requests.map(({ start, end }) => [start, end]),
      [[2 * MiB, 2 * MiB + 700 * KiB]],
    );
    const whole = opened(await bench.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(whole.reader(0))).equals(blob));
    far.close();
    whole.close();
    assert.equal(source.bytesSent, blob.length);
    await bench.whenStored(digest);
  });

  it('wakes of a hundred readers far apart only those whose bytes have come', async (t) => {
    const wakes = t.mock.method(TransferReader.prototype, 'wake');
    const [apart, part] = [256 * KiB, 64 * KiB];
    const wide = seededBytes(100 * apart, 5);
    const name = digestOf(wide);
    const bench = transferBench(tempFolder(t), hasher, { fill: 'never', limits: { joinDistance: part } });
    const source = scriptedSource('a/b', [{ host: 'good.example', bytes: wide }], { chunk: 2 * KiB });
    const bodies = Array.from({ length: 100 }, async (_, index) => {
      const [start, end] = [index * apart, index * apart + part];
      const transfer = opened(await bench.transfers.open({ digest: name, source, start, end }));
      const body = await readAll(transfer.reader(start, end));
      transfer.close();
      return body.equals(wide.subarray(start, end));
    });
    assert.ok((await Promise.all(bodies)).every((isRight) => isRight));
    assert.equal(source.requests.length, 100);
    // Each reader is woken for its own 32 chunks and for the end of a fetch or two, not for the 3200 chunks of all.
    const calls = wakes.mock.callCount();
    assert.ok(calls > 100 && calls < 20_000, `${calls}`);
  });

  it('fills on when the last reader has left, unless told not to', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const source = scriptedSource('docker.io/library/a', [good]);
    const transfer = opened(await bench.transfers.open({ digest, source, start: 0 }));
    const reader = transfer.reader(0);
    await reader.next();
    reader.close();
    transfer.close();
    await bench.whenStored(digest);
    assert.equal(source.requests.length, 1);
  });

  it('starts nothing once it is closed, also for a request that was about to read', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const source = scriptedSource('docker.io/library/a', [good]);
    const transfer = opened(await bench.transfers.open({ digest, source, start: 0 }));
    const closed = bench.transfers.close();
    const reading = assert.rejects(readAll(transfer.reader(0)), /the server stops/);
    const late = await bench.transfers.open({ digest, source, start: MiB });
    assert.equal(late.ok, false);
    await Promise.all([closed, reading]);
    transfer.close();
    assert.equal(bench.transfers.count, 0);
    assert.equal(source.requests.length, 1);
  });

  it('resumes what an earlier run left', async (t) => {
    const folder = tempFolder(t);
    const earlier = transferBench(folder, hasher, { fill: 'never' });
    const dying: ScriptedEndpoint = { host: 'good.example', bytes: blob, resetAfter: 2 * MiB };
    const first = opened(
      await earlier.transfers.open({
        digest,
        source: scriptedSource('a/b', [dying]),
        start: 0,
        end: 2 * MiB,
      }),
    );
    await readAll(first.reader(0, 2 * MiB));
    first.close();
    await earlier.transfers.close();

    const later = transferBench(folder, hasher);
    await later.transfers.sweep(() => false);
    const source = scriptedSource('a/b', [good]);
    const second = opened(await later.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(second.reader(0))).equals(blob));
    second.close();
    assert.equal(source.requests[0]?.start, 2 * MiB);
    await later.whenStored(digest);
  });

  it('blames the endpoint that gave all bytes, though a transfer that has ended kept the first of them', async (t) => {
    const left = Promise.withResolvers<void>();
    const partialDownloads = { add: () => left.resolve(), hold() {}, forget() {} };
    const bench = transferBench(tempFolder(t), hasher, { fill: 'never', deps: { partialDownloads } });
    const liar: ScriptedEndpoint = { host: 'liar.example', bytes: seededBytes(blob.length, 10) };
    const source = scriptedSource('a/b', [liar, good]);
    const range = opened(await bench.transfers.open({ digest, source, start: 0, end: MiB }));
    await readAll(range.reader(0, MiB));
    range.close();
    await left.promise;
    assert.equal(bench.transfers.count, 0);
    const whole = opened(await bench.transfers.open({ digest, source, start: 0 }));
    const got = await readAll(whole.reader(0)).catch(() => undefined);
    whole.close();
    assert.ok(got === undefined || got.equals(blob), 'no wrong body is complete');
    assert.deepEqual(
      bench.reports.map(({ endpoint, fault }) => [endpoint, fault]),
      [['liar.example', 'invalid']],
    );
    const again = opened(await bench.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(again.reader(0))).equals(blob));
    again.close();
    await bench.whenStored(digest);
  });

  it('throws away a partial download that turns out wrong, and blames no endpoint', async (t) => {
    const folder = tempFolder(t);
    const earlier = transferBench(folder, hasher, { fill: 'never' });
    const lying: ScriptedEndpoint = { host: 'good.example', bytes: seededBytes(blob.length, 9) };
    const first = opened(
      await earlier.transfers.open({
        digest,
        source: scriptedSource('a/b', [lying]),
        start: 0,
        end: 2 * MiB,
      }),
    );
    await readAll(first.reader(0, 2 * MiB));
    first.close();
    await earlier.transfers.close();
    const later = transferBench(folder, hasher);
    const source = scriptedSource('a/b', [good]);
    const broken = opened(await later.transfers.open({ digest, source, start: 0 }));
    // Unless the verdict came before its first byte, it had wrong ones and must not come to its end.
    const got = await readAll(broken.reader(0)).catch(() => undefined);
    broken.close();
    assert.ok(got === undefined || got.equals(blob));
    assert.deepEqual(later.reports, []);
    const right = opened(await later.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(right.reader(0))).equals(blob));
    right.close();
    await later.whenStored(digest);
  });

  it('leaves what is here as it is, whatever an endpoint that sends it again says', async (t) => {
    // The second endpoint ignores ranges, and is right about all that is not here yet.
    const damaged = Buffer.from(blob);
    damaged.writeUInt8(blob.readUInt8(1000) ^ 0xff, 1000);
    const first = { ...good, down: false };
    const source = scriptedSource('a/b', [
      first,
      { host: 'damaged.example', bytes: damaged, ignoresRanges: true },
    ]);
    const bench = transferBench(tempFolder(t), hasher, { fill: 'never' });
    const prefix = opened(await bench.transfers.open({ digest, source, start: 0, end: 2 * MiB }));
    await readAll(prefix.reader(0, 2 * MiB));
    first.down = true;
    const far = opened(await bench.transfers.open({ digest, source, start: 3 * MiB }));
    assert.ok((await readAll(far.reader(3 * MiB))).equals(blob.subarray(3 * MiB)));
    const whole = opened(await bench.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(whole.reader(0))).equals(blob));
    for (const transfer of [prefix, far, whole]) transfer.close();
    await bench.whenStored(digest);
    assert.ok(bench.stored(digest)?.equals(blob));
  });

  it('fetches nothing twice from an endpoint that ignores ranges', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const source = scriptedSource('a/b', [{ ...good, ignoresRanges: true }]);
    const whole = opened(await bench.transfers.open({ digest, source, start: 0 }));
    const far = opened(await bench.transfers.open({ digest, source, start: 3 * MiB }));
    const bodies = await Promise.all([readAll(whole.reader(0)), readAll(far.reader(3 * MiB))]);
    assert.deepEqual([bodies[0].equals(blob), bodies[1].equals(blob.subarray(3 * MiB))], [true, true]);
    assert.equal(source.bytesSent, blob.length);
    whole.close();
    far.close();
    await bench.whenStored(digest);
  });

  it('copes with endpoints that ignore ranges and hide the size', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const source = scriptedSource('a/b', [{ ...good, ignoresRanges: true, hidesSize: true }]);
    const far = opened(await bench.transfers.open({ digest, source, start: 2 * MiB, end: 2 * MiB + 10 }));
    assert.ok(
      (await readAll(far.reader(2 * MiB, 2 * MiB + 10))).equals(blob.subarray(2 * MiB, 2 * MiB + 10)),
    );
    const whole = opened(await bench.transfers.open({ digest, source, start: 0 }));
    assert.ok((await readAll(whole.reader(0))).equals(blob));
    far.close();
    whole.close();
    await bench.whenStored(digest);
    assert.equal(source.requests.length, 1);
  });

  it('says why when no endpoint has the blob, and leaves nothing behind', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const source = scriptedSource('a/b', [{ ...good, down: true }]);
    const result = await bench.transfers.open({ digest, source, start: 0 });
    assert.equal(result.ok, false);
    assert.equal(result.trail[0]?.reason, 'down');
    assert.equal(bench.transfers.count, 0);
    assert.deepEqual(readdirSync(bench.incoming), []);
  });

  it('is not said to be missing where one image’s endpoints fail and another’s do not have it', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const endpoint = { ...good, down: false, resetAfter: MiB };
    const same = { endpointSet: 'the same hosts' };
    const first = opened(
      await bench.transfers.open({ digest, source: scriptedSource('a/b', [endpoint], same), start: 0 }),
    );
    endpoint.down = true;
    const source = scriptedSource('c/d', [{ ...good, host: 'lacking.example', lacks: true }], same);
    const second = await bench.transfers.open({
      ...{ digest, source, start: 2.9 * MiB },
      confirmed: blob.length,
    });
    assert.deepEqual(!second.ok && second.verdict, { kind: 'unavailable' });
    first.close();
  });

  it('is whole at once where the blob is empty', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const empty = Buffer.alloc(0);
    const source = scriptedSource('a/b', [{ host: 'good.example', bytes: empty }]);
    const transfer = opened(await bench.transfers.open({ digest: digestOf(empty), source, start: 0 }));
    assert.equal((await readAll(transfer.reader(0))).length, 0);
    transfer.close();
    await bench.whenStored(digestOf(empty));
  });

  it('tidies the incoming folder: what has no ranges or is stored already goes', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    writeFileSync(join(bench.incoming, digest.replace(':', '-')), 'half');
    writeFileSync(join(bench.incoming, 'sha256-zz.ranges'), '{}');
    await bench.transfers.sweep(() => false);
    assert.ok(!existsSync(join(bench.incoming, digest.replace(':', '-'))));
    assert.deepEqual(readdirSync(bench.incoming), []);
  });
});
