import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JobId } from '../../../src/jobs/job.ts';
import { createMemoryJobs } from '../../support/memory-jobs.ts';
import { done, scriptedKind, startRunner } from './jobs-fixture.ts';

const minute = 60_000;
const year = 365 * 24 * 60 * minute;

describe('the runner of jobs', () => {
  it('runs what is due, and sleeps without a timer when nothing is', async (t) => {
    const kind = scriptedKind();
    const { clock, store, add, ends } = startRunner(t, { kinds: [kind] });
    await clock.advance(0);
    assert.deepEqual(clock.pending, []);
    const id = await add('a');
    await clock.advance(1500);
    kind.runs[0]!.end({ kind: 'done', report: { bytes: 3 } });
    await clock.advance(0);
    const job = (await store.find(id))!;
    assert.deepEqual([job.state, job.progress], ['done', { bytes: 3 }]);
    assert.deepEqual(ends, ['sync done 1.5']);
    await clock.advance(minute);
    assert.deepEqual(clock.pending, []);
  });

  it('waits for a job that is not due yet, and for none whose kind it does not know', async (t) => {
    const kind = scriptedKind();
    const { clock, add } = startRunner(t, { kinds: [kind] });
    await add('a', { notBefore: clock.now() + 5000 });
    await add('b', { kind: 'of a later version' });
    await clock.advance(4999);
    assert.equal(kind.runs.length, 0);
    await clock.advance(1);
    assert.equal(kind.runs.length, 1);
  });

  it('runs as many at once as its own bound and that of each kind allow', async (t) => {
    const [sync, event] = [scriptedKind('sync', 2), scriptedKind('event', 5)];
    const { clock, add } = startRunner(t, { kinds: [sync, event], atOnce: 3 });
    for (const key of ['a', 'b', 'c']) await add(key);
    assert.equal(sync.runs.length, 2);
    for (const key of ['d', 'e']) await add(key, { kind: 'event' });
    assert.equal(event.runs.length, 1);
    sync.runs[0]!.end(done);
    await clock.advance(0);
    assert.equal(sync.runs.length + event.runs.length, 4);
  });

  it('tries again after a random part of 15 s, 30 s and so on up to an hour', async (t) => {
    const kind = scriptedKind();
    const { clock, store, add } = startRunner(t, { kinds: [kind], random: () => 0.99999 });
    const id = await add('a');
    const waits: number[] = [];
    for (let n = 0; n < 11; n++) {
      kind.runs.at(-1)!.end({ kind: 'again', reason: 'HTTP 503' });
      await clock.advance(0);
      const { notBefore } = (await store.find(id))!;
      waits.push(Math.round((notBefore - clock.now()) / 1000));
      await clock.advance(notBefore - clock.now());
    }
    assert.deepEqual(waits, [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
  });

  it('runs again exactly when the kind says so, which the backoff can tell it before', async (t) => {
    const kind = scriptedKind();
    const { clock, store, add, events } = startRunner(t, { kinds: [kind], random: () => 0.5 });
    const id = await add('a');
    const { nextTry, end } = kind.runs[0]!;
    assert.equal(nextTry(), clock.now() + 7500);
    end({ kind: 'again', reason: 'it is not there yet', at: clock.now() + 1000 });
    await clock.advance(0);
    assert.equal((await store.find(id))?.notBefore, clock.now() + 1000);
    assert.deepEqual(events, ['jobs.again']);
    await clock.advance(999);
    assert.equal(kind.runs.length, 1);
    await clock.advance(1);
    assert.equal(kind.runs.length, 2);
  });

  it('does not wait for a time that only a clock knew which was set back since', async (t) => {
    const kind = scriptedKind();
    const { clock, add } = startRunner(t, { kinds: [kind] });
    clock.set(clock.now() + year);
    await add('a');
    kind.runs[0]!.end({ kind: 'later', reason: 'its window opens', at: clock.now() + 600 * minute });
    await clock.advance(0);
    clock.set(clock.now() - year);
    await clock.advance(59 * minute);
    assert.equal(kind.runs.length, 1);
    await clock.advance(minute);
    assert.equal(kind.runs.length, 2);
  });

  it('tries a job again that failed by a bug, and says so', async (t) => {
    const kind = scriptedKind();
    const { clock, store, add, events } = startRunner(t, { kinds: [kind] });
    const id = await add('a');
    kind.runs[0]!.crash(new TypeError('x is undefined'));
    await clock.advance(0);
    const { state, reason } = (await store.find(id))!;
    assert.deepEqual([state, reason], ['pending', 'x is undefined']);
    assert.deepEqual(events, ['jobs.crashed', 'jobs.again']);
  });

  it('leaves a failed job alone', async (t) => {
    const kind = scriptedKind();
    const { clock, store, add, events } = startRunner(t, { kinds: [kind] });
    const id = await add('a');
    kind.runs[0]!.end({ kind: 'failed', reason: 'the tag is immutable and has moved' });
    await clock.advance(100 * minute);
    assert.equal((await store.find(id))?.state, 'failed');
    assert.deepEqual(events, ['jobs.failed']);
    assert.equal(kind.runs.length, 1);
  });

  it('keeps the lease of a long run, and its progress once a second at most', async (t) => {
    const kind = scriptedKind();
    const memory = createMemoryJobs();
    let beats = 0;
    const store = {
      ...memory,
      beat: (...args: Parameters<typeof memory.beat>) => {
        beats += 1;
        return memory.beat(...args);
      },
    };
    const { clock, add } = startRunner(t, { kinds: [kind], store });
    const id = await add('a');
    for (let n = 0; n < 100; n++) kind.runs[0]!.tell({ bytes: n });
    await clock.advance(1000);
    assert.equal(beats, 1);
    assert.deepEqual((await store.find(id))?.progress, { bytes: 99 });
    await clock.advance(9 * minute);
    assert.equal(beats, 19, 'every 30 s');
    assert.equal((await store.find(id))?.state, 'running');
    assert.equal(kind.runs[0]!.signal.aborted, false);
  });

  it('aborts a run that was cancelled, and keeps nothing of it', async (t) => {
    const kind = scriptedKind();
    const { clock, store, add, runner, ends } = startRunner(t, { kinds: [kind] });
    const id = await add('a');
    await store.cancel(id, clock.now());
    await runner.check(id);
    assert.equal(kind.runs[0]!.signal.aborted, true);
    await clock.advance(0);
    const { state, reason } = (await store.find(id))!;
    assert.deepEqual([state, reason], ['cancelled', undefined]);
    assert.deepEqual(ends, ['sync stopped 0']);
  });

  it('aborts a run whose lease another process has taken', async (t) => {
    const kind = scriptedKind();
    const { clock, store, add } = startRunner(t, { kinds: [kind] });
    const id = await add('a');
    assert.equal((await store.claim(['sync'], 'another process', 1e9, clock.now() + 121_000))?.id, id);
    await clock.advance(30_000);
    assert.equal(kind.runs[0]!.signal.aborted, true);
    await clock.advance(0);
    assert.equal((await store.find(id))?.state, 'running', 'there');
  });

  it('aborts a run whose lease it has taken itself, since the clock of the machine was set', async (t) => {
    const kind = scriptedKind();
    const memory = createMemoryJobs();
    let ahead = 0;
    const store = {
      ...memory,
      claim: (...[kinds, owner, lease, now]: Parameters<typeof memory.claim>) =>
        memory.claim(kinds, owner, lease, now + ahead),
      beat: (...[claim, lease, told, now]: Parameters<typeof memory.beat>) =>
        memory.beat(claim, lease, told, now + ahead),
    };
    const { clock, runner, add } = startRunner(t, { kinds: [kind], store });
    const id = await add('a');
    ahead = 60 * minute;
    runner.wake();
    await clock.advance(0);
    assert.equal(kind.runs.length, 2, 'its lease has ended by that clock');
    await clock.advance(30_000);
    assert.deepEqual(
      kind.runs.map(({ signal }) => signal.aborted),
      [true, false],
    );
    await clock.advance(0);
    assert.equal((await store.find(id))?.state, 'running', 'the second run');
  });

  it('goes on when the store fails for a while', async (t) => {
    const kind = scriptedKind();
    const memory = createMemoryJobs();
    let isBroken = true;
    const store = {
      ...memory,
      claim: (...args: Parameters<typeof memory.claim>) =>
        isBroken ? Promise.reject(new Error('disk full')) : memory.claim(...args),
    };
    const { clock, add, events } = startRunner(t, { kinds: [kind], store });
    await add('a');
    assert.ok(events.includes('jobs.storeFailed'));
    isBroken = false;
    await clock.advance(30_000);
    assert.equal(kind.runs.length, 1);
  });

  it('hands all jobs back when it stops, and their runs do not count', async (t) => {
    const kind = scriptedKind();
    const { clock, store, add, runner, ends } = startRunner(t, { kinds: [kind] });
    const [a, b] = [await add('a'), await add('b')];
    kind.runs[1]!.end(done);
    await runner.stop();
    assert.equal(kind.runs[0]!.signal.aborted, true);
    const { state, attempts, failures } = (await store.find(a))!;
    assert.deepEqual([state, attempts, failures], ['pending', 0, 0]);
    assert.equal((await store.find(b))?.state, 'done', 'what is done is kept');
    assert.deepEqual(ends, ['sync done 0', 'sync stopped 0']);
    runner.wake();
    await clock.advance(minute);
    assert.equal(kind.runs.length, 2);
    assert.deepEqual(clock.pending, []);
  });

  it('stops though its store has frozen, in the middle of a claim or of what the stop writes', async (t) => {
    const never = new Promise<never>(() => {});
    const claiming = startRunner(t, {
      kinds: [scriptedKind()],
      store: { ...createMemoryJobs(), claim: () => never },
    });
    await claiming.add('a');
    const stopping = claiming.runner.stop();
    await claiming.clock.advance(10_000);
    await stopping;

    const stubborn = { name: 'sync', atOnce: 1, run: () => never };
    const writing = startRunner(t, {
      kinds: [stubborn],
      store: { ...createMemoryJobs(), release: () => never },
    });
    await writing.add('a');
    const last = writing.runner.stop();
    await writing.clock.advance(10_000);
    await writing.clock.advance(2_000);
    await last;
  });

  it('stops without a run that does not end when it is told to', async (t) => {
    const stubborn = { name: 'sync', atOnce: 1, run: () => new Promise<never>(() => {}) };
    const { clock, store, add, runner, events } = startRunner(t, { kinds: [stubborn] });
    const id = await add('a');
    const stopping = runner.stop();
    await clock.advance(10_000);
    await stopping;
    assert.equal((await store.find(id))?.state, 'pending');
    assert.deepEqual(events, ['jobs.notStopped']);
  });

  it('forgets what was over 90 days ago', async (t) => {
    const kind = scriptedKind();
    const { clock, store, add } = startRunner(t, { kinds: [kind] });
    const old = await add('a');
    kind.runs[0]!.end(done);
    await clock.advance(91 * 24 * 60 * minute);
    for (let n = 0; n < 100; n++) {
      await add(`${n}`);
      kind.runs.at(-1)!.end(done);
      await clock.advance(0);
    }
    assert.equal(await store.find(old), undefined);
    assert.equal((await store.list({ limit: 1000 })).length, 100);
  });

  it('refuses two kinds of one name', (t) => {
    assert.throws(() => startRunner(t, { kinds: [scriptedKind(), scriptedKind()] }), /same name/);
  });

  it('lets clients go first: a job begins no transfer while many cold blobs are on their way for them', async (t) => {
    const kind = scriptedKind();
    let cold = 3;
    const { clock, add } = startRunner(t, { kinds: [kind], coldForClients: () => cold });
    await add('a');
    let isMyTurn = false;
    void kind.runs[0]!.turn().then(() => {
      isMyTurn = true;
    });
    await clock.advance(10_000);
    assert.equal(isMyTurn, false);
    cold = 2;
    await clock.advance(500);
    assert.equal(isMyTurn, true);
  });

  it('lets one transfer of a job begin each minute on a server that is never idle', async (t) => {
    const kind = scriptedKind();
    const { clock, add } = startRunner(t, { kinds: [kind], coldForClients: () => 100 });
    await add('a');
    let turns = 0;
    for (let n = 0; n < 3; n++)
      kind.runs[0]!.turn().then(
        () => (turns += 1),
        () => {},
      );
    await clock.advance(minute - 500);
    assert.equal(turns, 0);
    await clock.advance(500);
    assert.equal(turns, 1);
    await clock.advance(minute);
    assert.equal(turns, 2);
  });

  it('ends a wait for a turn when the job is aborted', async (t) => {
    const kind = scriptedKind();
    const { add, runner } = startRunner(t, { kinds: [kind], coldForClients: () => 100 });
    await add('a');
    const turn = assert.rejects(kind.runs[0]!.turn(), /the server stops/);
    await runner.stop();
    await turn;
  });

  it('has no run to look at for a job that is not its own', async (t) => {
    const { runner } = startRunner(t, { kinds: [scriptedKind()] });
    await runner.check(5 as JobId);
  });
});
