import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FetchEnd, Fetcher, type FetcherHost } from '../../../../src/transfer/fetch/fetcher.ts';
import { endpointKey } from '../../../../src/upstream/endpoint.ts';
import { createManualClock, type ManualClock } from '../../../support/clock.ts';
import {
  endpointAt,
  type ScriptedEndpoint,
  type ScriptedSource,
  scriptedSource,
} from '../../../support/scripted-source.ts';
import { digestOf, seededBytes } from '../../../support/transfer-bench.ts';

const MiB = 1024 * 1024;
const blob = seededBytes(3 * MiB, 7);
const good: ScriptedEndpoint = { host: 'good.example', bytes: blob };

interface Run {
  readonly fetcher: Fetcher;
  readonly source: ScriptedSource;
  readonly clock: ManualClock;
  /** The bytes that came, from `start` on; they must come in order. */
  got(): Buffer;
  readonly broken: [host: string, fault: string, reason: string][];
  readonly ended: Promise<FetchEnd>;
  readonly endings: number;
}

function run(
  scripts: readonly ScriptedEndpoint[],
  options: {
    start?: number;
    end?: number;
    host?: Partial<FetcherHost>;
    known?: { exclude?: string[]; distrust?: string[] };
    stallTimeout?: number;
  } = {},
): Run {
  const { start = 0, end, host, known } = options;
  const clock = createManualClock();
  const source = scriptedSource('a/b', scripts);
  const chunks: Buffer[] = [];
  const broken: Run['broken'] = [];
  const ended = Promise.withResolvers<FetchEnd>();
  let endings = 0;
  const fetcher: Fetcher = new Fetcher(
    {
      digest: digestOf(blob),
      open: source.open,
      accept: () => 'take',
      stopAt: () => end ?? blob.length,
      data(offset, chunk) {
        assert.equal(offset, fetcher.position - chunk.length);
        chunks.push(Buffer.from(chunk));
        return true;
      },
      broke: (endpoint, fault, reason) => broken.push([endpoint.host, fault, reason]),
      ended(how) {
        endings += 1;
        ended.resolve(how);
      },
      ...host,
    },
    { clock, limits: { stallBytes: 4096 }, stallTimeoutOf: () => options.stallTimeout ?? 30_000 },
    { start, end },
    { exclude: new Set(known?.exclude), distrust: new Set(known?.distrust) },
  );
  void fetcher.run(undefined);
  return {
    fetcher,
    source,
    clock,
    got: () => Buffer.concat(chunks),
    broken,
    ended: ended.promise,
    get endings() {
      return endings;
    },
  };
}

const keyOf = (script: ScriptedEndpoint): string => endpointKey(endpointAt(script.host));

describe('a fetch', () => {
  it('brings the bytes from its start to its end, in order', async () => {
    for (const [start, end] of [
      [0, blob.length],
      [5, blob.length],
      [MiB + 1, 2 * MiB - 1],
    ] as const) {
      const one = run([good], { start, end });
      assert.deepEqual(await one.ended, { kind: 'complete', eof: false });
      assert.ok(one.got().equals(blob.subarray(start, end)));
      assert.equal(one.endings, 1);
    }
  });

  it('stops at once where its end has come nearer', async () => {
    let stop = blob.length;
    const one = run([good], {
      host: {
        stopAt: () => stop,
        data: () => {
          stop = MiB + 77;
          return true;
        },
      },
    });
    await one.ended;
    assert.equal(one.fetcher.position, MiB + 77);
    assert.ok(one.source.bytesSent < MiB + 200_000, 'the rest is not waited for');
  });

  it('ends by itself where the size is not known', async () => {
    const one = run([{ ...good, hidesSize: true }], { host: { stopAt: () => undefined } });
    assert.deepEqual(await one.ended, { kind: 'complete', eof: true });
    assert.ok(one.got().equals(blob));
  });

  it('takes what it wants of an endpoint that ignores the range', async () => {
    const one = run([{ ...good, ignoresRanges: true }], { start: 2 * MiB + 3 });
    await one.ended;
    assert.ok(one.got().equals(blob.subarray(2 * MiB + 3)));
  });

  it('does not take the end of a body that ends before the byte that was reached for the end of the blob', async () => {
    const short = { host: 'short.example', bytes: blob.subarray(0, MiB), hidesSize: true };
    const one = run([short, { ...good, hidesSize: true }], {
      start: 2 * MiB,
      host: { stopAt: () => undefined },
    });
    assert.deepEqual(await one.ended, { kind: 'complete', eof: true });
    assert.ok(one.got().equals(blob.subarray(2 * MiB)));
    assert.deepEqual(one.broken, [
      ['short.example', 'invalid', `sent too little: ended ${MiB} bytes before byte ${2 * MiB}`],
    ]);
  });

  it('goes on with the next endpoint at the byte that was reached', async () => {
    const faults: [Partial<ScriptedEndpoint>, string][] = [
      [{ resetAfter: MiB }, 'unreachable'],
      [{ shortBy: 2 * MiB }, 'invalid'],
    ];
    for (const [fault, kind] of faults) {
      const one = run([{ ...good, host: 'bad.example', ...fault }, good]);
      assert.equal((await one.ended).kind, 'complete');
      assert.ok(one.got().equals(blob));
      assert.deepEqual(
        one.source.requests.map(({ host, start }) => [host, start]),
        [
          ['bad.example', 0],
          ['good.example', MiB],
        ],
      );
      assert.deepEqual(
        one.broken.map(([host, fault]) => [host, fault]),
        [['bad.example', kind]],
      );
    }
  });

  it('lives with an endpoint that breaks after every mebibyte, not with one that drips', async () => {
    const cutting = run([{ ...good, resetAfter: MiB }]);
    assert.equal((await cutting.ended).kind, 'complete');
    assert.equal(cutting.source.requests.length, 3);

    const dripping = run([{ ...good, resetAfter: 1000 }]);
    const end = await dripping.ended;
    assert.equal(end.kind, 'failed');
    assert.equal(dripping.source.requests.length, 2);
    assert.ok(dripping.got().equals(blob.subarray(0, 2000)));
  });

  it('says which endpoints failed and how when none is left', async () => {
    const one = run([
      { ...good, host: 'bad.example', resetAfter: 10 },
      { ...good, host: 'down.example', down: true },
    ]);
    const end = await one.ended;
    assert.ok(end.kind === 'failed');
    assert.deepEqual(end.verdict, { kind: 'unavailable' });
    assert.deepEqual(
      end.trail
        .filter(({ outcome }) => outcome !== 'ok')
        .map(({ endpoint, reason }) => [endpoint, reason])
        .slice(0, 2),
      [
        [keyOf({ ...good, host: 'bad.example' }), 'connection reset'],
        [keyOf({ ...good, host: 'down.example' }), 'down'],
      ],
    );
  });

  it('believes no 404 where another endpoint had the blob, and failed', async () => {
    const lacking = { ...good, host: 'lacking.example', lacks: true };
    for (const other of [{ resetAfter: 10 }, { down: true }]) {
      const end = await run([{ ...good, ...other }, lacking]).ended;
      assert.deepEqual(end.kind === 'failed' && end.verdict, { kind: 'unavailable' });
    }
    const end = await run([lacking]).ended;
    assert.deepEqual(end.kind === 'failed' && end.verdict, { kind: 'notFound' });
  });

  it('gives up an endpoint that stalls', async () => {
    const stalled = { ...good, host: 'stalled.example', stallAfter: MiB };
    const one = run([stalled, good]);
    while (one.fetcher.position < MiB) await new Promise((resolve) => setImmediate(resolve));
    await one.clock.advance(30_000);
    assert.deepEqual(one.broken, [], 'there was progress');
    await one.clock.advance(30_000);
    assert.equal((await one.ended).kind, 'complete');
    assert.deepEqual(one.broken, [['stalled.example', 'unreachable', 'stalled: 0 bytes in 30 s']]);
    assert.ok(one.got().equals(blob));
    // The end of the body comes a turn after its last byte.
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(one.clock.pending, [], 'no timer is left');
  });

  it('does not hold a pause against the endpoint', async () => {
    let room = false;
    const one = run([good], { host: { data: () => room } });
    while (one.fetcher.position === 0) await new Promise((resolve) => setImmediate(resolve));
    const paused = one.fetcher.position;
    await one.clock.advance(300_000);
    assert.equal(one.fetcher.position, paused, 'nothing comes during a pause');
    assert.deepEqual(one.broken, []);
    room = true;
    one.fetcher.resume();
    assert.equal((await one.ended).kind, 'complete');
  });

  it('asks distrusted endpoints last and excluded ones not at all', async () => {
    const liar = { ...good, host: 'liar.example' };
    const distrusting = run([liar, good], { known: { distrust: [keyOf(liar)] } });
    await distrusting.ended;
    assert.deepEqual(
      distrusting.source.requests.map(({ host }) => host),
      ['good.example'],
    );
    const alone = run([liar], { known: { distrust: [keyOf(liar)] } });
    assert.equal((await alone.ended).kind, 'complete');
    const excluding = run([liar], { known: { exclude: [keyOf(liar)] } });
    assert.equal((await excluding.ended).kind, 'failed');
    assert.equal(excluding.source.requests.length, 0);
  });

  it('counts a refused answer against its endpoint, and takes the next one', async () => {
    const one = run([{ ...good, host: 'odd.example' }, good], {
      host: { accept: ({ endpoint }) => (endpoint.host === 'odd.example' ? { refuse: 'is odd' } : 'take') },
    });
    assert.equal((await one.ended).kind, 'complete');
    assert.deepEqual(one.broken, [['odd.example', 'invalid', 'is odd']]);
    assert.equal(one.source.requests[0]?.sent, 0);
    assert.ok(one.got().equals(blob));
  });

  it('is over without a byte where the host wants none', async () => {
    const one = run([good], { host: { accept: () => 'end' } });
    assert.deepEqual(await one.ended, { kind: 'complete', eof: false });
    assert.equal(one.got().length, 0);
  });

  it('says nothing any more once it was stopped, before the headers or after them', async () => {
    const before = run([good]);
    before.fetcher.stop();
    const after = run([good]);
    while (after.fetcher.position === 0) await new Promise((resolve) => setImmediate(resolve));
    after.fetcher.stop();
    const reached = after.got().length;
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(before.endings + after.endings, 0);
    assert.equal(before.got().length, 0);
    assert.equal(after.got().length, reached);
    assert.deepEqual(after.clock.pending, []);
  });
});
