/** Endpoints that do not agree on how many bytes a blob has, or do not say: no reader takes a part for the whole, or waits for ever. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OpenedTransfer } from '../../../src/transfer/transfers.ts';
import { endpointKey } from '../../../src/upstream/endpoint.ts';
import { endpointAt, type ScriptedEndpoint, scriptedSource } from '../../support/scripted-source.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import {
  digestOf,
  hasherOfTests,
  readAll,
  seededBytes,
  type TransferBench,
  transferBench,
} from '../../support/transfer-bench.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const blob = seededBytes(2 * MiB + 5, 21);
const digest = digestOf(blob);
const good: ScriptedEndpoint = { host: 'good.example', bytes: blob };

describe('a blob of which two endpoints tell different sizes', () => {
  const hasher = hasherOfTests();

  async function open(
    { transfers }: TransferBench,
    scripts: readonly ScriptedEndpoint[],
    start = 0,
  ): Promise<OpenedTransfer & { ok: true }> {
    const source = scriptedSource('a/b', scripts, { endpointSet: 'the same hosts' });
    const opened = await transfers.open({ digest, source, start });
    assert.ok(opened.ok);
    return opened;
  }

  /** An earlier run leaves a part of a blob of one MiB. */
  async function leaveSome(folder: string): Promise<void> {
    const earlier = transferBench(folder, hasher, { fill: 'never' });
    const begun = await open(earlier, [{ host: 'short.example', bytes: blob.subarray(0, MiB) }]);
    await begun.reader(0).next();
    await earlier.transfers.close();
  }

  for (const size of [0, 5000]) {
    for (const hidesSize of [false, true]) {
      const second = hidesSize ? 'tells no size' : 'tells its own';
      it(`comes from the second, which ${second}, where the first ended after ${size} bytes and had not said so`, async (t) => {
        const bench = transferBench(tempFolder(t), hasher);
        const short = { host: 'short.example', bytes: blob.subarray(0, size), hidesSize: true };
        const transfer = await open(bench, [short, { ...good, hidesSize }]);
        assert.equal(transfer.size, undefined);
        assert.ok((await readAll(transfer.reader(0))).equals(blob));
        transfer.close();
        await bench.whenStored(digest);
        assert.deepEqual(
          bench.reports.map(({ endpoint }) => endpoint),
          ['short.example'],
        );
      });
    }
  }

  it('fails for whom the first size was promised, and comes for the next one', async (t) => {
    for (const hidesSize of [false, true]) {
      const bench = transferBench(tempFolder(t), hasher);
      const scripts = [
        { host: 'short.example', bytes: blob.subarray(0, 5000) },
        { ...good, hidesSize },
      ];
      const promised = await open(bench, scripts);
      assert.equal(promised.size, 5000);
      await assert.rejects(readAll(promised.reader(0, 5000)), /not as many as were announced/);
      const next = await open(bench, scripts);
      assert.ok((await readAll(next.reader(0))).equals(blob));
      promised.close();
      next.close();
      await bench.whenStored(digest);
    }
  });

  it('comes for the next one where there is no room, too, though the first one is still there', async (t) => {
    const bench = transferBench(tempFolder(t), hasher, { deps: { reserve: () => undefined } });
    const scripts = [{ host: 'short.example', bytes: blob.subarray(0, MiB) }, good];
    const promised = await open(bench, scripts);
    await assert.rejects(readAll(promised.reader(0, MiB)), /wrong/);
    const next = await open(bench, scripts);
    assert.equal(next.size, blob.length);
    assert.ok((await readAll(next.reader(0, blob.length))).equals(blob));
    promised.close();
    next.close();
  });

  it('goes on from nothing where the first size was that of an earlier run, though bytes are on their way', async (t) => {
    const folder = tempFolder(t);
    await leaveSome(folder);
    const bench = transferBench(folder, hasher, { writeBehind: MiB });
    const cut = { ...good, host: 'cut.example', hidesSize: true, resetAfter: 500 * KiB, resets: 1 };
    const promised = await open(bench, [cut, good]);
    assert.equal(promised.size, MiB);
    await assert.rejects(readAll(promised.reader(0, MiB)));
    promised.close();
    await bench.whenStored(digest);
    assert.deepEqual(bench.relayed, []);
  });

  it('has its wrong bytes blamed on the one endpoint that gave them, whatever an earlier run had left', async (t) => {
    const folder = tempFolder(t);
    await leaveSome(folder);
    const bench = transferBench(folder, hasher);
    const liar = { host: 'liar.example', bytes: seededBytes(blob.length, 23) };
    const deceived = await open(bench, [liar, good]);
    await assert.rejects(readAll(deceived.reader(0)), /wrong/);
    assert.deepEqual(
      bench.reports.map(({ endpoint, fault }) => [endpoint, fault]),
      [['liar.example', 'invalid']],
    );
    deceived.close();
  });

  it('has them blamed on none where a body that was on its way gave some of them', async (t) => {
    const folder = tempFolder(t);
    await leaveSome(folder);
    const bench = transferBench(folder, hasher, { limits: { joinDistance: 0 } });
    const liar = { host: 'liar.example', bytes: seededBytes(blob.length, 24), hidesSize: true, down: false };
    const source = scriptedSource('a/b', [liar, good], { endpointSet: 'the same hosts', chunk: 4 * KiB });
    const first = await bench.transfers.open({ digest, source, start: 0 });
    const prefer = endpointKey(endpointAt(good.host));
    const second = await bench.transfers.open({ digest, source, start: MiB - 8 * KiB, prefer });
    liar.down = true;
    assert.ok(first.ok && second.ok);
    const [sent] = source.requests.map((request) => request.sent);
    await assert.rejects(readAll(second.reader(0)), /wrong/);
    assert.ok(
      sent !== undefined && (source.requests[0]?.sent ?? 0) > sent,
      'it went on after the size was told',
    );
    assert.deepEqual(bench.reports, []);
    first.close();
    second.close();
  });

  it('is thrown away where more has come than there is', async (t) => {
    const reserve = (bytes: number) => {
      assert.ok(bytes >= 0, `${bytes} bytes`);
      return { release() {} };
    };
    const bench = transferBench(tempFolder(t), hasher, { limits: { joinDistance: 0 }, deps: { reserve } });
    const bytes = Buffer.concat([blob, seededBytes(MiB, 22)]);
    const long = { host: 'long.example', bytes, hidesSize: true, stallAfter: 2.5 * MiB, down: false };
    const scripts = [long, good];
    const first = await open(bench, scripts);
    const reader = first.reader(0);
    for (let got = 0; got < 2 * MiB; ) got += (await reader.next())?.length ?? 0;
    long.down = true;
    // It tells the size.
    const far = await open(bench, scripts, 2.9 * MiB);
    await assert.rejects(readAll(reader), /wrong/);
    const second = await open(bench, scripts);
    assert.ok((await readAll(second.reader(0))).equals(blob));
    for (const transfer of [first, far, second]) transfer.close();
    await bench.whenStored(digest);
  });

  it('is thrown away where a body of unknown size ended before bytes that are here', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const sizeless = { ...good, hidesSize: true, down: false };
    const short = { host: 'short.example', bytes: blob.subarray(0, MiB), hidesSize: true };
    const source = scriptedSource('a/b', [sizeless, short]);
    const end = MiB + 100 * KiB;
    const part = await bench.transfers.open({ digest, source, start: MiB, end });
    assert.ok(part.ok);
    await readAll(part.reader(MiB, end));
    sizeless.down = true;
    const whole = await bench.transfers.open({ digest, source, start: 0 });
    assert.ok(whole.ok);
    await assert.rejects(readAll(whole.reader(0)), /wrong/);
    sizeless.down = false;
    const next = await bench.transfers.open({ digest, source, start: 0 });
    assert.ok(next.ok && (await readAll(next.reader(0))).equals(blob));
    for (const transfer of [part, whole, next]) transfer.close();
    await bench.whenStored(digest);
  });

  it('reserves room for as many as it turns out to have', async (t) => {
    const held: number[] = [];
    const reserve = (bytes: number) => {
      held.push(bytes);
      return { release: () => held.splice(held.indexOf(bytes), 1) };
    };
    const bench = transferBench(tempFolder(t), hasher, { deps: { reserve } });
    const transfer = await open(bench, [{ host: 'short.example', bytes: blob.subarray(0, 5000) }, good]);
    await assert.rejects(readAll(transfer.reader(0)));
    const next = await open(bench, [good]);
    assert.deepEqual(held, [blob.length]);
    transfer.close();
    next.close();
    await bench.transfers.close();
    assert.deepEqual(held, []);
  });

  it('is not asked again and again for bytes after its end', async (t) => {
    const bench = transferBench(tempFolder(t), hasher, { fill: 'never' });
    const source = scriptedSource('a/b', [good]);
    const transfer = await bench.transfers.open({ digest, source, start: MiB });
    assert.ok(transfer.ok);
    await assert.rejects(readAll(transfer.reader(MiB, 3 * MiB)), /not as many as were announced/);
    transfer.close();
    assert.equal(source.requests.length, 1);
  });
});
