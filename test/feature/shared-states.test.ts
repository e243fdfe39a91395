/** Two servers and one PostgreSQL: jobs, events, schedules and tokens. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { JobKind } from '../../src/jobs/job.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { basic } from '../support/access.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { commandPatience, hurried, isConnected, startSite } from '../support/facts-site.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { startProcess } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const registries = insecureRegistry('registry.invalid');

interface HeldTimer {
  readonly ms: number;
  readonly run: () => void;
}

/** Real time, but timers of a second and more wait until they are fired. */
function heldClock() {
  const held = new Set<HeldTimer>();
  return {
    held,
    clock: {
      ...systemClock,
      after(ms: number, run: () => void) {
        if (ms < 1000) return systemClock.after(ms, run);
        const one = { ms, run };
        held.add(one);
        return { cancel: () => void held.delete(one) };
      },
    },
    /** Those of at most so many ms. */
    fire(most: number) {
      for (const one of [...held].filter(({ ms }) => ms <= most)) {
        held.delete(one);
        one.run();
      }
    },
  };
}
type HeldClock = ReturnType<typeof heldClock>;

/** A kind of jobs that tells what it runs. */
function chore(ran: string[], name: string): JobKind {
  return {
    name: 'chore',
    atOnce: 4,
    async run({ job }) {
      ran.push(`${name} ${job.key}`);
      return { kind: 'done', report: null };
    },
  };
}

describe('two servers with one PostgreSQL', () => {
  it('run each job once, and those that were asked for while PostgreSQL was gone as well', async (t) => {
    const site = await startSite(t);
    if (!site) return;
    const ran: string[] = [];
    const clock = hurried(20, [commandPatience]);
    const deps = (name: string) => ({ clock, jobKinds: [chore(ran, name)] });
    const files = { registries, toml: site.facts };
    const [a, b] = [await startApp(t, files, deps('a')), await startApp(t, files, deps('b'))];
    await isConnected(a);
    await isConnected(b);
    const add = ({ app }: RunningApp, key: string) =>
      app.jobs.add({ kind: 'chore', key, arguments: null, priority: 10, cause: 'manual' });
    const id = await add(a, 'first');
    await eventually('it ran', () => ran.length === 1);
    await eventually('both know', async () => (await b.app.jobs.find(id))?.state === 'done');

    await site.postgres.stop();
    const keys = Array.from({ length: 40 }, (_, n) => `${n}`);
    for (const key of keys) await add(Number(key) % 2 === 0 ? a : b, key);
    assert.equal(ran.length, 1, 'nothing runs without PostgreSQL');
    await site.postgres.start();
    await eventually('all ran', () => ran.length >= 41);
    await eventually('all are done', async () => {
      const left = await b.app.jobs.list({ states: ['pending', 'running'], limit: 99 });
      return left.length === 0;
    });
    const done = ran.map((one) => one.split(' ')[1]);
    assert.deepEqual(done.toSorted(), ['first', ...keys].toSorted());
  });

  it('answer events while PostgreSQL is gone, and follow each of them once', async (t) => {
    const site = await startSite(t);
    if (!site) return;
    const upstream = await startFakeRegistry();
    t.after(() => upstream.stop());
    const secret = join(tempFolder(t), 'secret');
    writeFileSync(secret, 'secret');
    const name = 'registry.corp';
    const sender = `name = "primary"\nformat = "distribution"\nsecret_file = "${secret}"\nregistry = "${name}"\n`;
    const block = `name = "all"\nsource = "${name}/group/**"\nreferrers = "none"\n`;
    const files = {
      registries: `[[registry]]\nprefix = "${name}"\nlocation = "${upstream.host}"\ninsecure = true\n`,
      toml: `${site.facts}[[events.in]]\n${sender}[[sync]]\n${block}`,
    };
    const deps = { clock: hurried(20) };
    const both = [await startApp(t, files, deps), await startApp(t, files, deps)];
    for (const app of both) await isConnected(app);
    const image = buildImage({ seed: 'event', layers: [2000] });
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    async function tell(app: RunningApp | undefined, id: number): Promise<void> {
      const [repository, tag] = ['group/app', `v${id}`];
      const digest = upstream.putImage(repository, tag, image);
      const event = { id: `${id}`, action: 'push', target: { mediaType, repository, tag, digest } };
      const answer = await get(`${app?.url}/events/primary`, {
        method: 'POST',
        headers: { authorization: 'secret' },
        body: JSON.stringify({ events: [event] }),
      });
      assert.equal(answer.status, 202);
    }
    const jobs = async (state: string) => {
      const of = `from jobs where kind = 'replicate' and state ${state}`;
      const [row] = await site.postgres.sql(`select count(*), count(distinct key) ${of}`);
      return row?.map(Number);
    };

    await site.postgres.stop();
    for (let id = 0; id < 20; id++) for (const _ of [1, 2]) await tell(both[id % 2], id);
    await site.postgres.start();
    await eventually('all are followed', async () => (await jobs("= 'done'"))?.[1] === 20);
    await tell(both[0], 20);
    await tell(both[1], 20);
    await eventually('the next one is', async () => (await jobs("= 'done'"))?.[1] === 21);
    assert.deepEqual(await jobs("<> 'none'"), [21, 21]);
  });

  it('take over the job of one that was killed', async (t) => {
    const site = await startSite(t);
    if (!site) return;
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'registries.conf'), registries);
    writeFileSync(join(folder, 'entrepot.toml'), site.facts);
    const script = join(import.meta.dirname, '..', 'support', 'endless-job.ts');
    const dying = startProcess(process.execPath, [script, folder]);
    await eventually('it runs', () => dying.stdout.includes('running'));
    await dying.stop('SIGKILL');
    const ran: string[] = [];
    const files = { registries, toml: site.facts };
    const heir = await startApp(t, files, { clock: hurried(20), jobKinds: [chore(ran, 'heir')] });
    await isConnected(heir);
    await site.postgres.sql('update jobs set expires = expires - 120000');
    await eventually('the other one finishes it', () => ran.length === 1);
    await eventually('it is done', async () => {
      const [job] = await heir.app.jobs.list({ limit: 9 });
      return job?.state === 'done' && job.attempts === 2;
    });
  });

  it('add a scheduled sync once', async (t) => {
    const site = await startSite(t);
    if (!site) return;
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/app', '1', buildImage({ seed: 'once', layers: [2000] }));
    const block = `[[sync]]\nname = "app"\nsource = "${registry.host}/team/app"\nevery = "6h"\n`;
    const files = { registries: insecureRegistry(registry.host), toml: `${site.facts}${block}` };
    const sites = [heldClock(), heldClock()];
    const [a, b] = [
      await startApp(t, files, { clock: sites[0]!.clock }),
      await startApp(t, files, { clock: sites[1]!.clock }),
    ];
    const hour = 3_600_000;
    const hourly = ({ held }: HeldClock) => [...held].filter(({ ms }) => ms === hour).length;
    // A first time is a part of a minute by chance.
    const isPlanned = ({ held }: HeldClock) => [...held].some(({ ms }) => !Number.isInteger(ms));
    await eventually('both have planned it', () => sites.every(isPlanned));
    const before = sites.map(hourly);
    for (const site of sites) site.fire(60_000);
    await eventually('both have seen its time', () => sites.every((one, n) => hourly(one) > before[n]!));
    await eventually('it is done', async () => {
      const jobs = await a.app.jobs.list({ kind: 'sync', limit: 9 });
      return jobs[0]?.state === 'done';
    });
    assert.equal((await b.app.jobs.list({ kind: 'sync', limit: 9 })).length, 1);
  });

  it('know the tokens of each other, and refuse what the other one has revoked', async (t) => {
    const site = await startSite(t);
    if (!site) return;
    const files = { registries, toml: `${site.facts}[access]\nanonymous = []\n` };
    const deps = { clock: hurried(20) };
    const [a, b] = [await startApp(t, files, deps), await startApp(t, files, deps)];
    await isConnected(a);
    await isConnected(b);
    const status = async ({ url }: RunningApp, token: string, name = 'ci') =>
      (await get(`${url}/v2/`, { headers: basic(name, token) })).status;
    const wanted = { match: ['**'], may: ['pull'], expires: undefined };
    const { token } = await a.app.administration.tokens.create({ name: 'ci', ...wanted });
    await eventually('the other one asks for it', async () => (await status(b, `${token}x`)) === 401);
    assert.deepEqual([await status(a, token), await status(b, token)], [200, 200]);
    await site.postgres.stop();
    const late = await b.app.administration.tokens.create({ name: 'late', ...wanted });
    await b.app.administration.tokens.revoke('ci');
    assert.equal(await status(b, token), 401, 'it ends at once where it is revoked');
    assert.equal(await status(a, token), 200, 'the other one goes by what it knows');
    assert.ok(b.log.some(({ event }) => event === 'access.tokenWaits'));
    await site.postgres.start();
    await eventually('the revocation has come', async () => (await status(a, token)) === 401);
    await eventually('so has the new token', async () => (await status(a, late.token, 'late')) === 200);
    const stored = JSON.stringify(await site.postgres.sql('select * from tokens'));
    assert.ok(!stored.includes(token) && !stored.includes(late.token), 'no token is in the database');
    assert.deepEqual(
      (await a.app.administration.tokens.list()).map(({ name }) => name),
      ['late'],
    );
  });
});
