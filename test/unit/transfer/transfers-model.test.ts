/**
 * Transfers held against the obvious model: a reader gets exactly the bytes that it asked for, or an error. Random blobs,
 * readers, ranges, speeds, departures, failing endpoints and restarts; the seed of a failure is printed.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ScriptedEndpoint, scriptedSource } from '../../support/scripted-source.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { digestOf, hasherOfTests, seededBytes, transferBench } from '../../support/transfer-bench.ts';
import { modelLimits, modelRuns, pace, turns } from './model-fixture.ts';

const fault = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  fc.record({ resetAfter: fc.integer({ min: 0, max: 30_000 }), resets: fc.integer({ min: 1, max: 2 }) }),
  fc.record({ shortBy: fc.integer({ min: 1, max: 9000 }) }),
  fc.record({ ignoresRanges: fc.constant(true) }),
  fc.record({ hidesSize: fc.constant(true) }),
  fc.constant({ down: true }),
  fc.constant({ lies: true }),
  /** Has only so much of the blob, and tells that for its size or nothing. */
  fc.record({ has: fc.double({ min: 0, max: 1, noNaN: true }), hidesSize: fc.boolean() }),
);

const reader = fc.record({
  start: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  ...pace,
  leavesAfter: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined, freq: 3 }),
});

const scenario = fc.record({
  size: fc.integer({ min: 0, max: 60_000 }),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  chunk: fc.integer({ min: 100, max: 5000 }),
  faults: fc.array(fault, { minLength: 0, maxLength: 2 }),
  readers: fc.array(reader, { minLength: 1, maxLength: 8 }),
  fetchers: fc.integer({ min: 1, max: 3 }),
  fill: fc.constantFrom<'always' | 'never' | number>('always', 'never', 0.5),
  restartAfter: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
  declared: fc.boolean(),
  /** Chunks that readers may hold before they are given copies. */
  lends: fc.constantFrom(0, 2, Number.POSITIVE_INFINITY),
});

describe('any number of readers, any ranges, any accident', () => {
  const hasher = hasherOfTests();

  it('gives right bytes or an error, and a blob that one endpoint has is never an error for long', async (t) => {
    await fc.assert(
      fc.asyncProperty(scenario, async (s) => {
        const blob = seededBytes(s.size, s.seed);
        const lie = seededBytes(s.size, s.seed + 1);
        const digest = digestOf(blob);
        const scripts: ScriptedEndpoint[] = s.faults.map((one, index) => ({
          host: `bad${index}.example`,
          bytes: 'lies' in one ? lie : 'has' in one ? blob.subarray(0, one.has * s.size) : blob,
          ...one,
        }));
        scripts.push({ host: 'good.example', bytes: blob });
        const lies = s.size > 0 && s.faults.some((one) => 'lies' in one || 'has' in one);
        const folder = tempFolder(t);
        const lent = new Set<Uint8Array>();
        const blocks = {
          retain() {},
          release() {},
          lend(chunk: Uint8Array) {
            if (lent.size >= s.lends) return false;
            // Each reader has a view of its own.
            lent.add(chunk);
            return true;
          },
          takeBack(chunk: Uint8Array) {
            assert.ok(lent.delete(chunk), 'what is taken back was lent');
          },
        };
        const make = () =>
          transferBench(folder, hasher, {
            limits: modelLimits,
            fill: s.fill,
            writeBehind: 12_000,
            deps: { fetchersFor: () => s.fetchers, blocks },
          });
        let bench = make();
        let stopping = false;
        const source = scriptedSource('a/b', scripts, { chunk: s.chunk });

        const read = async (one: (typeof s.readers)[number]): Promise<void> => {
          const start = Math.floor(one.start * s.size);
          const length =
            one.length === undefined ? undefined : Math.max(1, Math.floor(one.length * (s.size - start)));
          const end = length === undefined || s.size === start ? undefined : start + length;
          const wanted = blob.subarray(start, end);
          await turns(one.delay);
          // As the pull does it: what is in the store is not fetched.
          if (stopping || bench.stored(digest)) return;
          const transfer = await bench.transfers.open({
            digest,
            source,
            start,
            ...(end !== undefined && { end }),
            ...(s.declared && { size: s.size }),
          });
          if (!transfer.ok) return;
          const stream = transfer.reader(start, end);
          let got = 0;
          let chunks = 0;
          try {
            for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
              assert.ok(chunk.length > 0);
              if (!lies) {
                assert.ok(
                  wanted.subarray(got, got + chunk.length).equals(chunk),
                  `wrong bytes at ${start + got}`,
                );
              }
              got += chunk.length;
              if (one.leavesAfter !== undefined && ++chunks > one.leavesAfter) return;
              await turns(one.pause);
            }
            if (start === 0 || !lies) assert.equal(got, wanted.length, 'ended as if whole');
          } catch (error) {
            if (error instanceof assert.AssertionError) throw error;
          } finally {
            stream.close();
            transfer.close();
          }
        };
        const reading = Promise.all(s.readers.map(read));
        if (s.restartAfter !== undefined) {
          await turns(s.restartAfter);
          stopping = true;
          await bench.transfers.close();
          bench = make();
          stopping = false;
        }
        await reading;

        // Whatever happened: a few more whole reads must end with the right bytes, then everything is tidy.
        let right = false;
        for (let attempt = 0; attempt < 5 && !right; attempt++) {
          if (bench.stored(digest)) break;
          const transfer = await bench.transfers.open({ digest, source, start: 0 });
          if (!transfer.ok) continue;
          const stream = transfer.reader(0);
          const parts: Buffer[] = [];
          try {
            for (let chunk = await stream.next(); chunk; chunk = await stream.next())
              parts.push(Buffer.from(chunk));
            assert.ok(Buffer.concat(parts).equals(blob), 'a completed whole body is right');
            right = true;
          } catch (error) {
            if (error instanceof assert.AssertionError) throw error;
          } finally {
            stream.close();
            transfer.close();
          }
        }
        if (!bench.stored(digest)) await bench.whenStored(digest);
        assert.ok(bench.stored(digest)?.equals(blob), 'what is stored is right');
        await bench.transfers.close();
        assert.deepEqual(readdirSync(bench.incoming), []);
        assert.equal(lent.size, 0, 'what was lent is taken back');
      }),
      {
        numRuns: modelRuns,
        timeout: 300_000,
      },
    );
  });
});
