/** Durable jobs in the whole program: the commands, over the admin socket and on the folder itself, and a killed process. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { JobId, JobKind, JobOutcome } from '../../src/jobs/job.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { runCommand } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { startProcess } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

/** Jobs end with the outcome that their arguments say; without one, when they are aborted. */
const scripted: JobKind = {
  name: 'chore',
  atOnce: 5,
  run: ({ job, signal }) =>
    new Promise((resolve) => {
      if (job.arguments !== null) resolve(job.arguments as unknown as JobOutcome);
      signal.addEventListener('abort', () => resolve({ kind: 'again', reason: 'aborted' }));
    }),
};

async function start(t: TestContext, folder?: string): Promise<RunningApp> {
  const files = { registries: '', ...(folder !== undefined && { folder }) };
  return startApp(t, files, { jobKinds: [scripted] });
}

async function add(
  { app }: RunningApp,
  key: string,
  outcome: JobOutcome | null,
  becomes: string,
): Promise<JobId> {
  const job = { kind: 'chore', key, priority: 0, cause: 'manual', arguments: outcome as never };
  const id = await app.jobs.add(job);
  await eventually(`job ${key} is ${becomes}`, async () => (await app.jobs.find(id))?.state === becomes);
  return id;
}

/** One job in each state. */
async function filled(t: TestContext) {
  const proxy = await start(t);
  const failed = await add(proxy, 'failing', { kind: 'failed', reason: 'quay.io: HTTP 404' }, 'failed');
  const done = await add(proxy, 'ubi', { kind: 'done', report: { bytes: 12 } }, 'done');
  const at = Date.now() + 3_600_000;
  const waiting = await add(proxy, 'limited', { kind: 'again', reason: 'HTTP 429', at }, 'pending');
  await eventually('it was tried', async () => (await proxy.app.jobs.find(waiting))?.reason);
  const cancelled = await add(proxy, 'unwanted', { kind: 'failed', reason: 'HTTP 403' }, 'failed');
  const { code } = await runCommand(proxy, 'jobs', 'cancel', `${cancelled}`);
  assert.equal(code, 0);
  return { proxy, failed, done, waiting, cancelled };
}

type Filled = Awaited<ReturnType<typeof filled>>;

function eitherWay(sentence: string, check: (all: Filled) => Promise<void>): void {
  it(`${sentence}: while a server runs`, async (t) => check(await filled(t)));
  it(`${sentence}: while none does`, async (t) => {
    const all = await filled(t);
    await all.proxy.stop();
    await check(all);
  });
}

describe('entrepot jobs', () => {
  eitherWay('lists jobs, the newest first, each with a sentence', async ({ proxy }) => {
    const { stdout, code } = await runCommand(proxy, 'jobs', 'list');
    assert.equal(code, 0);
    assert.equal((await runCommand(proxy, 'jobs')).stdout, stdout);
    const [head, ...lines] = stdout.trimEnd().split('\n');
    assert.match(head ?? '', /^ID +KIND +ABOUT +STATE +TRIES +CREATED +WHY$/);
    assert.equal(lines.length, 4);
    assert.match(lines[0]!, /unwanted +cancelled .* was cancelled: HTTP 403$/);
    assert.match(lines[1]!, /limited +pending .* runs again from [\d-]+ [\d:]+Z on: HTTP 429$/);
    assert.match(lines[2]!, /ubi +done .* succeeded at /);
    assert.match(lines[3]!, /failing +failed .* failed at [\d-]+ [\d:]+Z: quay\.io: HTTP 404$/);
  });

  eitherWay('lists only what is asked for', async ({ proxy, failed }) => {
    const { json } = await runCommand(proxy, 'jobs', 'list', '--state', 'failed', '--json');
    assert.deepEqual(
      json.map(({ id, state, reason, due }: Record<string, unknown>) => [id, state, reason, due]),
      [[failed, 'failed', 'quay.io: HTTP 404', null]],
    );
    assert.equal((await runCommand(proxy, 'jobs', 'list', '--kind', 'export')).stdout, 'no such jobs\n');
    const { code, stderr } = await runCommand(proxy, 'jobs', 'list', '--state', 'broken');
    assert.equal(code, 2);
    assert.match(stderr, /"broken" is no state of a job: use pending, running, done, failed, cancelled/);
  });

  eitherWay('shows one job with its report', async ({ proxy, done }) => {
    const { json } = await runCommand(proxy, 'jobs', 'show', `${done}`, '--json');
    assert.deepEqual([json.key, json.state, json.progress], ['ubi', 'done', { bytes: 12 }]);
    const { stdout } = await runCommand(proxy, 'jobs', 'show', `${done}`);
    assert.match(stdout, /^job +\d+\nkind +chore\nabout +ubi\nstate +done: it succeeded at /);
    for (const id of ['999', 'x', '0'])
      assert.equal((await runCommand(proxy, 'jobs', 'show', id)).code, 2, id);
  });

  eitherWay('retries one job, those that have failed, or all', async ({ proxy, failed, done, waiting }) => {
    const retry = async (...args: string[]) => runCommand(proxy, 'jobs', 'retry', ...args, '--json');
    assert.deepEqual((await retry('--failed')).json, { retried: 1 });
    assert.deepEqual((await retry(`${waiting}`)).json, { retried: 1 });
    assert.equal((await runCommand(proxy, 'jobs', 'retry', '--all')).code, 0);
    const { code, stderr } = await retry(`${done}`);
    assert.equal(code, 2);
    assert.match(stderr, /cannot be retried: it is done/);
    for (const args of [[], ['--failed', '--all'], [`${failed}`, '--all']]) {
      assert.match((await retry(...args)).stderr, /name one job by its number, or use --failed or --all/);
    }
  });

  eitherWay('cancels a job that waits, and no job that is over', async ({ proxy, waiting, done }) => {
    const { json } = await runCommand(proxy, 'jobs', 'cancel', `${waiting}`, '--json');
    assert.equal(json.state, 'cancelled');
    const { code, stderr } = await runCommand(proxy, 'jobs', 'cancel', `${done}`);
    assert.equal(code, 2);
    assert.match(stderr, /cannot be cancelled: it is done/);
  });

  it('cancel ends a run under way', async (t) => {
    const proxy = await start(t);
    const id = await add(proxy, 'endless', null, 'running');
    const { stdout } = await runCommand(proxy, 'jobs', 'cancel', `${id}`);
    assert.match(stdout, /\(chore endless\) is cancelled/);
    assert.equal((await proxy.app.jobs.find(id))?.state, 'cancelled');
  });
});

describe('jobs', () => {
  it('are handed back by a server that stops, and run after its next start', async (t) => {
    const first = await start(t);
    const id = await add(first, 'endless', null, 'running');
    await first.stop();
    const second = await start(t, first.folder);
    await eventually('it runs again', async () => (await second.app.jobs.find(id))?.state === 'running');
    assert.equal((await second.app.jobs.find(id))?.attempts, 1);
  });

  it('do not stay running when their process is killed, each time that it is', async (t) => {
    const folder = tempFolder(t);
    for (const name of ['registries.conf', 'entrepot.toml']) writeFileSync(join(folder, name), '');
    const program = join(import.meta.dirname, '..', 'support', 'endless-job.ts');
    const killed = startProcess(process.execPath, [program, folder]);
    t.after(() => killed.kill());
    await killed.line(/^running 1 attempt 1$/);
    killed.kill('SIGKILL');
    await killed.exited;
    const proxy = await start(t, folder);
    await proxy.stop();
    const { json } = await runCommand(proxy, 'jobs', 'list', '--json');
    assert.deepEqual(
      json.map(({ id, state, reason }: Record<string, unknown>) => [id, state, reason]),
      [[1, 'pending', 'the process that ran it ended before the job was over']],
    );
    const again = startProcess(process.execPath, [program, folder]);
    t.after(() => again.kill());
    await again.line(/^running 1 attempt 2$/);
  });
});
