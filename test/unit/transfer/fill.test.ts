/** Transfers that no reader reads: `OpenedTransfer.fill`. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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

const MiB = 1024 * 1024;
const never = new AbortController().signal;

describe('a transfer without a reader', () => {
  const hasher = hasherOfTests();
  const blob = seededBytes(3 * MiB + 17, 1);
  const digest = digestOf(blob);
  const good: ScriptedEndpoint = { host: 'good.example', bytes: blob };
  const request = (source: ReturnType<typeof scriptedSource>) => ({ digest, source, start: 0 });

  it('brings the blob into the store, even where unread blobs are never filled on, and tells how far it is', async (t) => {
    const bench = transferBench(tempFolder(t), hasher, { fill: 'never' });
    const source = scriptedSource('a/b', [good]);
    const transfer = opened(await bench.transfers.open(request(source)));
    const told: number[] = [];
    assert.equal(await transfer.fill(never, (present) => told.push(present)), true);
    assert.ok(bench.stored(digest)?.equals(blob), 'it is stored by then');
    transfer.close();
    assert.equal(source.bytesSent, blob.length);
    assert.ok(told.length >= 2 && told.length <= 4, `${told}`);
    assert.deepEqual(
      told,
      told.toSorted((a, b) => a - b),
    );
    assert.equal(bench.transfers.count, 0);
  });

  it('shares one request with the readers of the same blob', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const source = scriptedSource('a/b', [good]);
    const [one, other] = [
      opened(await bench.transfers.open(request(source))),
      opened(await bench.transfers.open(request(source))),
    ];
    const [isStored, bytes] = await Promise.all([one.fill(never, () => {}), readAll(other.reader(0))]);
    one.close();
    other.close();
    assert.equal(isStored, true);
    assert.ok(bytes.equals(blob));
    assert.equal(source.requests.length, 1);
  });

  it('brings the blob again where a transfer that is under way has given it up to another replica', async (t) => {
    let late: Promise<boolean> | undefined;
    const source = scriptedSource('a/b', [good]);
    async function store(): Promise<boolean> {
      const transfer = opened(await bench.transfers.open({ ...request(source), mustKeep: true }));
      const isStored = await transfer.fill(never, () => {});
      transfer.close();
      return isStored;
    }
    const keeps = (): boolean => {
      // It comes between the decision and the end of the transfer.
      queueMicrotask(() => {
        late = store();
      });
      return false;
    };
    const bench = transferBench(tempFolder(t), hasher, { deps: { keeps } });
    const first = opened(await bench.transfers.open(request(source)));
    assert.ok((await readAll(first.reader(0))).equals(blob));
    assert.equal(await late, true);
    assert.ok(bench.stored(digest)?.equals(blob));
    first.close();
    assert.equal(source.requests.length, 2);
    assert.equal(bench.transfers.count, 0);
  });

  it('goes on with the next endpoint where one breaks off or lies, and fails where none is left', async (t) => {
    const cut: ScriptedEndpoint = { host: 'cut.example', bytes: blob, resetAfter: MiB, resets: 2 };
    const liar: ScriptedEndpoint = { host: 'liar.example', bytes: seededBytes(blob.length, 2) };
    for (const [scripts, succeeds] of [
      [[cut, good], true],
      [[liar, good], true],
      [[cut], true],
      [[liar], false],
    ] as const) {
      const bench = transferBench(tempFolder(t), hasher);
      const transfer = opened(await bench.transfers.open(request(scriptedSource('a/b', scripts))));
      const filled = transfer.fill(never, () => {});
      if (succeeds) assert.equal(await filled, true);
      else await assert.rejects(filled);
      transfer.close();
      assert.equal(bench.stored(digest)?.equals(blob) ?? false, succeeds);
    }
  });

  it('says so where the cache has no room for the blob, and fetches no more of it', async (t) => {
    const bench = transferBench(tempFolder(t), hasher, { deps: { reserve: () => undefined } });
    const source = scriptedSource('a/b', [good]);
    const transfer = opened(await bench.transfers.open(request(source)));
    assert.equal(await transfer.fill(never, () => {}), false);
    transfer.close();
    assert.ok(source.bytesSent < blob.length);
    assert.equal(bench.transfers.count, 0);
  });

  it('ends when it is aborted, and leaves what came to the next one', async (t) => {
    const bench = transferBench(tempFolder(t), hasher, { fill: 'never' });
    const stalled: ScriptedEndpoint = { host: 'slow.example', bytes: blob, stallAfter: 2 * MiB };
    const transfer = opened(await bench.transfers.open(request(scriptedSource('a/b', [stalled]))));
    const aborting = new AbortController();
    const filled = transfer.fill(aborting.signal, (present) => {
      if (present >= MiB) aborting.abort(new Error('the job was cancelled'));
    });
    await assert.rejects(filled, /the job was cancelled/);
    transfer.close();
    await assert.rejects(
      transfer.fill(aborting.signal, () => {}),
      /the job was cancelled/,
    );
    assert.equal(bench.stored(digest), undefined);
  });

  it('counts as one that a client waits for only where a client uses it', async (t) => {
    const bench = transferBench(tempFolder(t), hasher);
    const source = scriptedSource('a/b', [{ ...good, stallAfter: MiB }]);
    const ofJob = opened(await bench.transfers.open({ ...request(source), isForJob: true }));
    assert.deepEqual([bench.transfers.count, bench.transfers.countForClients], [1, 0]);
    const ofClient = opened(await bench.transfers.open(request(source)));
    const second = opened(await bench.transfers.open(request(source)));
    assert.deepEqual([bench.transfers.count, bench.transfers.countForClients], [1, 1]);
    ofClient.close();
    second.close();
    assert.equal(bench.transfers.countForClients, 0);
    ofJob.close();
    await bench.transfers.close();
  });
});
