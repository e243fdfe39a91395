import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JobInbox } from '../../../src/jobs/job-inbox.ts';
import type { JobStore } from '../../../src/jobs/job-store.ts';
import { createSchedule, type Scheduled, type When } from '../../../src/jobs/schedule.ts';
import { cronProblem, nextCron } from '../../../src/lib/cron.ts';
import { createManualClock } from '../../support/clock.ts';
import { createMemoryInbox } from '../../support/memory-inbox.ts';
import { createMemoryJobs } from '../../support/memory-jobs.ts';

const [second, minute, hour] = [1000, 60_000, 3_600_000];
const iso = (time: number | undefined) => time && new Date(time).toISOString();

function scheduled(key: string, when: When): Scheduled {
  return { kind: 'sync', key, arguments: { name: key }, when };
}

interface Start {
  readonly random?: () => number;
  /** ISO time. */
  readonly at?: string;
  readonly store?: JobStore;
  readonly inbox?: JobInbox;
}

/** Jobs end at once. */
function start({
  random = () => 0.5,
  at = '2026-01-01T00:00:00Z',
  store = createMemoryJobs(),
  inbox = createMemoryInbox(store),
}: Start = {}) {
  const clock = createManualClock(Date.parse(at));
  const added: string[] = [];
  const events: string[] = [];
  const schedule = createSchedule({
    store,
    inbox,
    clock,
    random,
    log: { error: (line: { event: string }) => void events.push(line.event) } as never,
    added() {
      void store.claim(['sync'], 'o', 1, clock.now()).then(async (job) => {
        if (!job) return;
        added.push(`${job.key} ${iso(clock.now())}`);
        await store.settle(
          { id: job.id, owner: 'o' },
          { outcome: { kind: 'done', report: null } },
          clock.now(),
        );
      });
    },
  });
  return { clock, store, schedule, added, events };
}

describe('the schedule of jobs', () => {
  it('adds a job soon after the first start, and then every so often', async () => {
    const { clock, schedule, added, store } = start();
    schedule.configure([scheduled('ubi', { every: 6 * hour })]);
    await clock.advance(30 * second);
    assert.deepEqual(added, ['ubi 2026-01-01T00:00:30.000Z']);
    await clock.advance(12 * hour);
    assert.deepEqual(added.slice(1), ['ubi 2026-01-01T06:00:30.000Z', 'ubi 2026-01-01T12:00:30.000Z']);
    const [job] = await store.list({ limit: 1 });
    assert.deepEqual([job?.cause, job?.arguments], ['schedule', { name: 'ubi' }]);
    schedule.stop();
    assert.deepEqual(clock.pending, []);
  });

  it('comes up to a tenth earlier or later, so that sites do not ask in step', async () => {
    for (const [random, wait] of [
      [() => 0, 0.9 * hour],
      [() => 0.9999999, 1.1 * hour],
    ] as const) {
      const { clock, schedule, store } = start({ random });
      schedule.configure([scheduled('ubi', { every: hour })]);
      await clock.advance(minute);
      const first = (await store.last('sync', 'ubi'))!.created;
      await clock.advance(wait + second);
      assert.ok(Math.abs((await store.last('sync', 'ubi'))!.created - first - wait) < 10);
    }
  });

  it('adds a job once that was missed while the server was down, and none that was not', async () => {
    const store = createMemoryJobs();
    const entries = [
      scheduled('ubi', { every: 6 * hour }),
      scheduled('nightly', { cron: '15 2 * * *', timezone: 'UTC' }),
    ];
    const before = start({ store });
    before.schedule.configure(entries);
    await before.clock.advance(3 * hour);
    assert.deepEqual(before.added, ['ubi 2026-01-01T00:00:30.000Z', 'nightly 2026-01-01T02:15:00.000Z']);
    before.schedule.stop();
    const soonAfter = start({ store, at: '2026-01-01T05:00:00Z' });
    soonAfter.schedule.configure(entries);
    await soonAfter.clock.advance(30 * minute);
    assert.deepEqual(soonAfter.added, []);
    soonAfter.schedule.stop();
    const daysLater = start({ store, at: '2026-01-05T05:00:00Z' });
    daysLater.schedule.configure(entries);
    await daysLater.clock.advance(hour);
    assert.deepEqual(daysLater.added, ['ubi 2026-01-05T05:00:30.000Z', 'nightly 2026-01-05T05:00:30.000Z']);
    await daysLater.clock.advance(22 * hour);
    assert.equal(
      daysLater.added.filter((one) => one.startsWith('nightly')).at(-1),
      'nightly 2026-01-06T02:15:00.000Z',
    );
  });

  it('waits for the next time of a cron expression that has never run', async () => {
    const { clock, schedule, added } = start({ at: '2026-01-01T03:00:00Z' });
    schedule.configure([scheduled('nightly', { cron: '15 2 * * *', timezone: 'Asia/Tokyo' })]);
    await clock.advance(24 * hour);
    assert.deepEqual(added, ['nightly 2026-01-01T17:15:00.000Z']);
  });

  it('runs once in an hour that the time zone skips, and once in one that comes twice', () => {
    const times = (from: string, count: number) => {
      const found: (string | number | undefined)[] = [];
      for (let at = Date.parse(from); found.length < count; ) {
        at = nextCron('30 2 * * *', 'Europe/Berlin', at)!;
        found.push(iso(at));
      }
      return found;
    };
    assert.deepEqual(times('2026-03-28T12:00:00Z', 2), [
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    assert.deepEqual(times('2026-10-24T12:00:00Z', 2), [
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  it('keeps the times of what a reload leaves, and drops what it removes', async () => {
    const { clock, schedule, added } = start();
    const [kept, removed] = [
      scheduled('kept', { every: 6 * hour }),
      scheduled('removed', { every: 6 * hour }),
    ];
    schedule.configure([kept, removed]);
    await clock.advance(minute);
    assert.equal(added.length, 2);
    const before = clock.pending;
    schedule.configure([kept]);
    assert.deepEqual(clock.pending, before.slice(0, 1));
    schedule.configure([scheduled('kept', { every: hour })]);
    await clock.advance(hour);
    assert.deepEqual(added.slice(2), ['kept 2026-01-01T01:00:30.000Z']);
  });

  it('tries again when the store fails', async () => {
    const memory = createMemoryJobs();
    let isBroken = true;
    const add: typeof memory.add = (...args) =>
      isBroken ? Promise.reject(new Error('disk full')) : memory.add(...args);
    const { clock, schedule, added, events } = start({ store: { ...memory, add } });
    schedule.configure([scheduled('ubi', { every: hour })]);
    await clock.advance(30 * second);
    assert.deepEqual(events, ['jobs.notScheduled']);
    isBroken = false;
    await clock.advance(30 * second);
    assert.deepEqual(added, ['ubi 2026-01-01T00:01:00.000Z']);
  });

  it('adds a job once where several replicas have the same schedule', async () => {
    for (const [when, times] of [
      [{ every: hour }, 24],
      [{ cron: '0 * * * *', timezone: 'UTC' }, 23],
    ] as const) {
      const store = createMemoryJobs();
      const inbox = createMemoryInbox(store);
      const randoms = [0, 0.3, 0.3, 0.99];
      const all = randoms.map((random) => start({ store, inbox, random: () => random }));
      for (const { schedule } of all) schedule.configure([scheduled('ubi', when)]);
      for (let at = 0; at < 24 * 60 - 1; at++) for (const { clock } of all) await clock.advance(minute);
      const added = all.flatMap((one) => one.added);
      // With `every` the replica comes first whose chance is the earliest: nine tenths of an hour.
      assert.ok(added.length >= times && added.length <= Math.ceil(24 / 0.9) + 1, `${added.length}`);
      const jobs = (await store.list({ limit: 1000 }))
        .map(({ created }) => created)
        .toSorted((a, b) => a - b);
      const gaps = jobs.slice(1).map((created, n) => created - jobs[n]!);
      assert.ok(Math.min(...gaps) >= 0.85 * hour, `${gaps}`);
    }
  });

  it('comes at each of its times though the history of jobs is cut in between, and once for all replicas', async () => {
    for (const random of [0, 0.5, 0.9999999]) {
      const store = createMemoryJobs();
      const inbox = createMemoryInbox(store);
      const all = [1, 2].map(() => start({ store, inbox, random: () => random }));
      for (const { schedule } of all) schedule.configure([scheduled('ubi', { every: 6 * hour })]);
      const hours = 5 * 24;
      for (let at = 0; at < hours; at++) {
        for (const { clock } of all) {
          await clock.advance(hour);
          // A burst of other jobs has ended.
          await store.forget({ since: 0, most: 0 }, 10);
        }
      }
      const { length } = all.flatMap(({ added }) => added);
      assert.ok(length >= Math.floor(hours / (6 * 1.1)), `${length} with ${random}`);
      assert.ok(length <= Math.ceil(hours / (6 * 0.9)), `${length} with ${random}`);
    }
  });

  it('says what is wrong with a cron expression or a time zone', () => {
    const now = Date.UTC(2026, 0, 1);
    assert.equal(cronProblem('15 2 * * *', 'Europe/Berlin', now), undefined);
    assert.match(cronProblem('61 * * * *', 'UTC', now) ?? '', /^Invalid value for minute: 61/);
    assert.equal(cronProblem('* * * * *', 'Nowhere/X', now), 'no time zone is named "Nowhere/X"');
    assert.equal(cronProblem('0 0 31 2 *', 'UTC', now), 'names no time that will ever come');
    assert.ok(cronProblem('often', 'UTC', now));
  });
});
