/** A body is paused for two reasons: memory is short, or the pace of a job allows no more yet. Neither ends the other's pause. */
import assert from 'node:assert/strict';
import { writev } from 'node:fs';
import { describe, it } from 'node:test';
import type { Pace } from '../../../src/lib/flow/pace.ts';
import type { ByteSource } from '../../../src/transfer/fetch/byte-source.ts';
import type { WriteVector } from '../../../src/transfer/file/file-writer.ts';
import { type ScriptedSource, scriptedSource } from '../../support/scripted-source.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { digestOf, hasherOfTests, opened, seededBytes, transferBench } from '../../support/transfer-bench.ts';
import { turns } from './model-fixture.ts';

const KiB = 1024;
const never = new AbortController().signal;
const limits = { writeBatch: 64 * KiB, keepWritten: 1024 * KiB };

/** A disk that takes nothing until `heal`. */
function hangingDisk() {
  const waiting: (() => void)[] = [];
  let hangs = true;
  const write: WriteVector = (...call) => {
    if (hangs) waiting.push(() => writev(...call));
    else writev(...call);
  };
  const heal = (): void => {
    hangs = false;
    for (const run of waiting.splice(0)) run();
  };
  return { writev: write, heal };
}

/** Notes each `resume` of a body while a chunk of any body is being taken: the HTTP parser of undici takes one body at a time. */
function parserOfAll() {
  let isBusy = false;
  const clashes: string[] = [];
  const watched = (source: ScriptedSource): ByteSource => ({
    ...source,
    async open(range, options) {
      const answer = await source.open(range, options);
      if (!answer.ok) return answer;
      const { body } = answer.value;
      const parsed: typeof body = {
        consume: (sink) =>
          body.consume({
            ...sink,
            data(chunk) {
              isBusy = true;
              const goesOn = sink.data(chunk);
              isBusy = false;
              return goesOn;
            },
          }),
        resume() {
          if (isBusy) clashes.push(source.image);
          body.resume();
        },
        cancel: () => body.cancel(),
      };
      return { ...answer, value: { ...answer.value, body: parsed } };
    },
  });
  return { clashes, watched };
}

describe('a body that is paused', () => {
  const hasher = hasherOfTests();
  const blob = seededBytes(2048 * KiB, 1);
  const digest = digestOf(blob);
  const job = { start: 0, isForJob: true };

  it('for memory is not resumed by the pace of its job', async (t) => {
    const disk = hangingDisk();
    const bench = transferBench(tempFolder(t), hasher, {
      limits,
      writeBehind: 128 * KiB,
      deps: { writev: disk.writev },
    });
    const source = scriptedSource('a/b', [{ host: 'good.example', bytes: blob }]);
    const pace: Pace = { take: () => Promise.resolve() };
    const transfer = opened(await bench.transfers.open({ ...job, digest, source, pace }));
    const filled = transfer.fill(never, () => {});
    await turns(200);
    const held = source.bytesSent;
    disk.heal();
    assert.equal(await filled, true);
    transfer.close();
    assert.ok(held <= 256 * KiB, `${held} bytes are in memory while the disk hangs`);
    assert.ok(bench.stored(digest)?.equals(blob));
  });

  it('for its pace is not resumed by memory, and no body is while another one is parsed', async (t) => {
    const { clashes, watched } = parserOfAll();
    const bench = transferBench(tempFolder(t), hasher, { limits, writeBehind: 256 * KiB });
    const other = seededBytes(2048 * KiB, 2);
    const slow = scriptedSource('a/slow', [{ host: 'good.example', bytes: blob }]);
    const fast = scriptedSource('a/fast', [{ host: 'good.example', bytes: other }]);
    const allowed = Promise.withResolvers<void>();
    const pace: Pace = { take: () => allowed.promise };
    const paced = opened(await bench.transfers.open({ ...job, digest, source: watched(slow), pace }));
    const filled = paced.fill(never, () => {});
    const quick = { digest: digestOf(other), source: watched(fast), start: 0 };
    const unpaced = opened(await bench.transfers.open(quick));
    assert.equal(await unpaced.fill(never, () => {}), true);
    unpaced.close();
    const sent = slow.bytesSent;
    allowed.resolve();
    assert.equal(await filled, true);
    paced.close();
    assert.equal(sent, 64 * KiB, 'one piece is free');
    assert.deepEqual(clashes, []);
  });
});
