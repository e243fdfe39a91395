/**
 * Two images that name one digest, held against the obvious model: each gets what its own endpoints alone would give it, or what is
 * verified. The victim's endpoints are honest. The stranger's lie about size and bytes, break off, stall or say nothing, and its
 * manifest tells any size; on one registry only its manifest lies. Ranges, departures and restarts come at random.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ScriptedEndpoint, type ScriptedSource, scriptedSource } from '../../support/scripted-source.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { digestOf, hasherOfTests, seededBytes, transferBench } from '../../support/transfer-bench.ts';
import { modelLimits, modelRuns, pace, turns } from './model-fixture.ts';

const ways = fc.record({
  hidesSize: fc.boolean(),
  ignoresRanges: fc.boolean(),
});

/** How the stranger's one endpoint behaves. `size`: of what it has, as a share of the blob's. */
const behaviour = fc.record({
  ...{ hidesSize: fc.boolean(), ignoresRanges: fc.boolean(), silent: fc.boolean(), lies: fc.boolean() },
  size: fc.constantFrom(0.5, 0.9, 1, 1, 1, 1.1),
  stallAfter: fc.option(fc.integer({ min: 0, max: 30_000 }), { nil: undefined }),
  resetAfter: fc.option(fc.integer({ min: 0, max: 30_000 }), { nil: undefined }),
});

const reader = fc.record({
  isVictim: fc.boolean(),
  start: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 0.99, noNaN: true })),
  length: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  ...pace,
  leavesAfter: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined, freq: 4 }),
});

const scenario = fc.record({
  size: fc.integer({ min: 1, max: 40_000 }),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  chunk: fc.integer({ min: 100, max: 5000 }),
  victim: ways,
  stranger: behaviour,
  isOneRegistry: fc.boolean(),
  victimDeclares: fc.boolean(),
  /** The size in the stranger's manifest, as a share of the blob's. */
  strangerDeclares: fc.option(fc.constantFrom(0.5, 0.95, 1, 1.05, 2), { nil: undefined }),
  readers: fc.array(reader, { minLength: 1, maxLength: 8 }),
  fill: fc.constantFrom<'always' | 'never'>('always', 'never'),
  restartAfter: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
});

interface Image {
  readonly source: ScriptedSource;
  readonly declared: number | undefined;
  /** What its own endpoint tells when it is asked whether it has the blob. */
  readonly head: number | undefined;
}

describe('a stranger whose image names the same digest', () => {
  const hasher = hasherOfTests();

  it('decides nothing for the other image, and no wrong body is ever whole', async (t) => {
    await fc.assert(
      fc.asyncProperty(scenario, async (s) => {
        const blob = seededBytes(s.size, s.seed);
        const digest = digestOf(blob);
        const { stranger } = s;
        const theirs = s.isOneRegistry
          ? blob
          : seededBytes(Math.max(1, Math.round(s.size * stranger.size)), s.seed + (stranger.lies ? 1 : 0));
        const image = (name: string, script: ScriptedEndpoint, declared: number | undefined): Image => ({
          source: scriptedSource(name, [script], {
            chunk: s.chunk,
            endpointSet: s.isOneRegistry ? 'one.example' : script.host,
          }),
          declared,
          head: script.hidesSize ? undefined : script.bytes.length,
        });
        const victim = image(
          'one.example/victim',
          { host: 'good.example', bytes: blob, ...s.victim },
          s.victimDeclares ? s.size : undefined,
        );
        const other = image(
          'one.example/stranger',
          s.isOneRegistry
            ? { host: 'good.example', bytes: blob, ...s.victim }
            : {
                ...{ host: 'evil.example', bytes: theirs, silent: stranger.silent },
                ...{ hidesSize: stranger.hidesSize, ignoresRanges: stranger.ignoresRanges },
                ...(stranger.stallAfter !== undefined && { stallAfter: stranger.stallAfter }),
                ...(stranger.resetAfter !== undefined && { resetAfter: stranger.resetAfter, resets: 2 }),
              },
          s.strangerDeclares === undefined ? undefined : Math.round(s.size * s.strangerDeclares),
        );
        const folder = tempFolder(t);
        const make = () =>
          transferBench(folder, hasher, { limits: modelLimits, fill: s.fill, writeBehind: 12_000 });
        let bench = make();
        const all = [bench];
        let run = 0;
        let isStopping = false;

        /** As the pull does it; resolves with the whole of what came, where it came to its end. */
        const read = async (one: (typeof s.readers)[number], of: Image): Promise<Buffer | undefined> => {
          await turns(one.delay);
          const { transfers } = bench;
          const began = run;
          if (isStopping || bench.stored(digest)) return undefined;
          // Where nothing tells the size, ranges are ignored.
          const isSizeless = of.head === undefined && of.declared === undefined;
          const start = isSizeless ? 0 : Math.floor(one.start * s.size);
          const length =
            one.length === undefined || isSizeless
              ? undefined
              : Math.max(1, Math.floor(one.length * (s.size - start)));
          const end = length === undefined ? undefined : start + length;
          let confirmed: number | undefined;
          if (transfers.couldJoin(of.source, digest)) {
            await turns(2);
            confirmed = of.head;
          }
          if (began !== run) return undefined;
          const transfer = await transfers.open({
            ...{ digest, source: of.source, start, size: of.declared, confirmed },
            ...(end !== undefined && { end }),
          });
          if (!transfer.ok) {
            assert.ok(of !== victim || began !== run, 'the victim is given what its endpoint has');
            return undefined;
          }
          const promised = transfer.size;
          if (of === victim) assert.ok(promised === undefined || promised === s.size, 'its own size');
          const stream = transfer.reader(start, end);
          const parts: Buffer[] = [];
          let got = start;
          let chunks = 0;
          try {
            for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
              parts.push(Buffer.from(chunk));
              if (of === victim)
                assert.ok(blob.subarray(got, got + chunk.length).equals(chunk), `wrong bytes at ${got}`);
              got += chunk.length;
              assert.ok(got <= (promised ?? Number.POSITIVE_INFINITY), 'no more than was promised');
              if (one.leavesAfter !== undefined && ++chunks > one.leavesAfter) return undefined;
              await turns(one.pause);
            }
            const body = Buffer.concat(parts);
            if (of === victim) assert.ok(body.equals(blob.subarray(start, end)), 'ended as if whole');
            if (start === 0 && (end === undefined || end === promised)) {
              assert.ok(body.equals(blob), 'a completed whole body is right');
            }
            return body;
          } catch (error) {
            if (error instanceof assert.AssertionError) throw error;
            assert.ok(of !== victim || began !== run, `the victim was cut off: ${error}`);
            return undefined;
          } finally {
            stream.close();
            transfer.close();
          }
        };

        const faults: unknown[] = [];
        const victims: Promise<unknown>[] = [];
        const strangers: Promise<unknown>[] = [];
        for (const one of s.readers) {
          const reading = read(one, one.isVictim ? victim : other).catch((error: unknown) => {
            faults.push(error);
          });
          (one.isVictim ? victims : strangers).push(reading);
        }
        if (s.restartAfter !== undefined) {
          await turns(s.restartAfter);
          run += 1;
          isStopping = true;
          await bench.transfers.close();
          bench = make();
          all.push(bench);
          isStopping = false;
        }
        // The stranger may be silent for ever: nothing here waits for it.
        await Promise.all(victims);
        const whole = {
          isVictim: true,
          start: 0,
          length: undefined,
          delay: 0,
          pause: 0,
          leavesAfter: undefined,
        };
        if (!bench.stored(digest)) await read({ ...whole, start: 0.5 }, victim);
        if (!bench.stored(digest)) await read(whole, victim);
        await bench.whenStored(digest);
        assert.ok(bench.stored(digest)?.equals(blob), 'what is stored is right');
        run += 1;
        isStopping = true;
        await bench.transfers.close();
        await Promise.all(strangers);
        if (faults.length > 0) throw faults[0];
        const blamed = all.flatMap(({ reports }) => reports.map(({ endpoint }) => endpoint));
        assert.ok(!blamed.includes('good.example'), 'the honest endpoint is not blamed');
      }),
      { numRuns: modelRuns },
    );
  });
});
