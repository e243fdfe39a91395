/** `every` and `cron` of `[[sync]]`: blocks as durable jobs of the server. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Job, JobState } from '../../src/jobs/job.ts';
import { parseTag } from '../../src/oci/reference.ts';
import { replicateJob } from '../../src/replication/image-change.ts';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { status } from '../support/fake-registry-faults.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';

const image = buildImage({ seed: 'scheduled', layers: [2000] });
const hour = 3_600_000;

async function start(t: TestContext, times: string) {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  registry.putImage('team/app', '1', image);
  const clock = createManualClock();
  const block = (name: string, more: string) =>
    `[[sync]]\nname = "${name}"\nsource = "${registry.host}/team/app"\n${more}\n`;
  const proxy = await startApp(
    t,
    { registries: insecureRegistry(registry.host), toml: block('app', times) },
    { clock },
  );
  const jobs = async (): Promise<readonly Job[]> => await proxy.app.jobs.list({ kind: 'sync', limit: 10 });
  return {
    registry,
    clock,
    proxy,
    name: `${registry.host}/team/app`,
    block,
    jobs,
    async pull(tag: string) {
      const answer = await get(`${proxy.url}/v2/${registry.host}/team/app/manifests/${tag}`);
      return answer.headers['docker-content-digest'];
    },
    /** Resolves with the newest job once there are so many, and it is in this state. */
    async became(state: JobState, count: number): Promise<Job> {
      await eventually(`job ${count} is ${state}`, async () => {
        const all = await jobs();
        return all.length === count && all[0]?.state === state;
      });
      return (await jobs())[0] ?? assert.fail('no job');
    },
  };
}

describe('a block with times', () => {
  it('runs soon after the start, and then every so often', async (t) => {
    const { registry, clock, became, pull } = await start(t, 'every = "6h"');
    await clock.armed();
    await clock.advance(60_000);
    const job = await became('done', 1);
    assert.deepEqual([job.key, job.cause], ['app', 'schedule']);
    registry.putImage('team/app', '2', image);
    await clock.advance(7 * hour);
    await became('done', 2);
    await registry.refuse();
    assert.equal(await pull('2'), image.digest);
  });

  it('runs at the times of its cron expression', async (t) => {
    const { clock, jobs, became } = await start(t, 'cron = "30 2 * * *"\ntimezone = "Asia/Kolkata"');
    await clock.armed();
    // The clock begins at midnight in UTC, which is 05:30 there.
    await clock.advance(20 * hour);
    assert.deepEqual(await jobs(), []);
    await clock.advance(hour);
    await became('done', 1);
  });

  it('is tried again after a failure, with the reason in one sentence', async (t) => {
    const { registry, clock, jobs, became } = await start(t, 'every = "6h"');
    const rule = registry.on({ kind: 'tags' }, status(403));
    await clock.armed();
    await clock.advance(60_000);
    await eventually('it has failed', async () => ((await jobs())[0]?.failures ?? 0) > 0);
    const reason = (await jobs())[0]?.reason;
    assert.match(reason ?? '', /team\/app: its tags could not be listed: .*403/);
    rule.remove();
    await clock.advance(120_000);
    assert.ok((await became('done', 1)).attempts > 1);
  });

  it('has not failed however often its registry asks for a pause', async (t) => {
    const { registry, clock, jobs, became } = await start(t, 'every = "6h"');
    const rule = registry.on({ kind: 'tags' }, status(429, { 'retry-after': '600' }));
    await clock.armed();
    await clock.advance(60_000);
    for (let pause = 1; pause <= 7; pause++) {
      const waits = async () =>
        (await jobs())[0]?.attempts === pause && (await jobs())[0]?.state === 'pending';
      await eventually(`pause ${pause}`, waits);
      if (pause === 7) rule.remove();
      await clock.advance(600_000);
    }
    assert.equal((await became('done', 1)).attempts, 8);
  });

  it('runs by the times of a reload, and not at all once it is gone', async (t) => {
    const { clock, proxy, block, jobs, became } = await start(t, '');
    await clock.advance(10 * hour);
    assert.deepEqual(await jobs(), []);
    await proxy.reload({ toml: block('app', 'every = "1h"') });
    await clock.armed();
    await clock.advance(60_000);
    await became('done', 1);
    await proxy.reload({ toml: block('other', '') });
    await clock.advance(10 * hour);
    assert.equal((await jobs()).length, 1);
  });

  it('does not run a job whose block is gone', async (t) => {
    const { proxy, became } = await start(t, '');
    await proxy.app.jobs.add({ kind: 'sync', key: 'gone', arguments: null, priority: 0, cause: 'manual' });
    assert.match(JSON.stringify((await became('done', 1)).progress), /no \[\[sync\]\] named gone/);
  });

  it('that has failed is over once the block is gone, and so are jobs of its events', async (t) => {
    const { registry, clock, proxy, block, name } = await start(t, 'every = "6h"');
    registry.on({}, status(403));
    await clock.armed();
    const change = {
      image: name,
      tag: parseTag('1')!,
      digest: null,
      change: 'updated',
      sender: 'test',
    } as const;
    await proxy.app.jobs.add(replicateJob({ ...change, at: clock.now() }));
    const statesOf = async () => {
      const all = await proxy.app.jobs.list({ limit: 9 });
      return all.map(({ kind, state }) => `${kind} ${state}`).toSorted();
    };
    const failed = ['replicate failed', 'sync failed'];
    await eventually('both have failed', async () => {
      await clock.advance(60_000);
      return (await statesOf()).join() === failed.join();
    });
    await proxy.reload({ toml: block('app', 'every = "6h"') });
    assert.deepEqual(await statesOf(), failed, 'the block is still there');
    await proxy.reload({ toml: '' });
    const over = ['replicate done', 'sync done'];
    await eventually('both are over', async () => (await statesOf()).join() === over.join());
  });
});
