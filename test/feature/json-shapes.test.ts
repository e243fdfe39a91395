/** What `--json` of the commands of syncs, replicas, jobs and events prints: scripts read these names and kinds of values. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runCommand } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { status } from '../support/fake-registry-faults.ts';
import { buildImage } from '../support/images.ts';
import { startWithSink } from '../support/sink-app.ts';
import { world } from '../support/sync-world.ts';

const image = buildImage({ seed: 'shapes', layers: [1000] });
const other = buildImage({ seed: 'other shapes', layers: [1000] });

/** Kinds of values in place of the values; of a list, each different shape once. */
function shapeOf(value: unknown): unknown {
  if (value === null) return null;
  if (Array.isArray(value)) {
    const shapes = value.map(shapeOf);
    return shapes.filter((one, at) => shapes.findIndex((two) => isSame(one, two)) === at);
  }
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shapeOf(member)]));
  }
  if (typeof value !== 'string') return typeof value;
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)) return 'time';
  return /^sha256:[0-9a-f]{64}$/.test(value) ? 'digest' : 'text';
}

function isSame(one: unknown, two: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(two);
}

/** A world with a tag that is done, and one of which a layer is missing. */
async function filled(t: Parameters<typeof world>[0]) {
  const made = await world(t);
  made.registry.putImage('team/app', '1', image);
  made.registry.putImage('team/app', '2', other);
  made.registry.on({ digest: other.layers[0]!.digest }, status(404));
  const json = async (...args: readonly string[]) => {
    const printed = await runCommand(made.proxy, ...args, '--json');
    return { code: printed.code, json: printed.json, shape: shapeOf(printed.json) };
  };
  return { ...made, json };
}

it('sync --dry-run', async (t) => {
  const { json, run, registry } = await filled(t);
  await run();
  registry.putImage('team/app', '3', image);
  const tag = { tag: 'text', action: 'text', digest: 'digest' };
  assert.deepEqual((await json('sync', '--dry-run')).shape, [
    {
      name: 'text',
      repositories: [
        {
          image: 'text',
          listed: 'number',
          tags: [
            { ...tag, was: 'digest', bytes: null, reason: null, endpoint: 'text', until: null },
            { ...tag, was: 'digest', bytes: 'number', reason: 'text', endpoint: 'text', until: null },
            { ...tag, was: null, bytes: 'number', reason: null, endpoint: 'text', until: null },
          ],
          problem: null,
          warning: null,
        },
      ],
      problem: null,
      warning: null,
    },
  ]);
});

it('sync', async (t) => {
  const { json } = await filled(t);
  const tag = { tag: 'text', action: 'text', state: 'text', digest: 'digest', bytes: 'number' };
  const { code, shape } = await json('sync', 'app');
  assert.equal(code, 3);
  assert.deepEqual(shape, [
    {
      name: 'text',
      repositories: [
        {
          image: 'text',
          listed: 'number',
          tags: [
            { ...tag, reason: null },
            { ...tag, reason: 'text' },
          ],
          problem: null,
          warning: null,
        },
      ],
      state: 'text',
      problem: null,
      warning: null,
      resumes: null,
      bytes: 'number',
      seconds: 'number',
    },
  ]);
});

it('replicas list, with and without --tags, and replicas resync', async (t) => {
  const { run, json, registry } = await filled(t);
  await run();
  const state = { image: 'text', state: 'text', geoState: 'number', bytes: 'number' };
  assert.deepEqual((await json('replicas')).shape, [
    {
      ...state,
      ...{ reason: 'text', failed: 'time', nextAttempt: null, verified: 'time' },
      ...{ tags: 'number', done: 'number' },
    },
  ]);
  const { json: rows, shape } = await json('replicas', 'list', '--tags');
  const tag = { ...{ tag: 'text', sync: 'text', wanted: 'digest' }, attempts: 'number', seconds: 'number' };
  assert.deepEqual(shape, [
    {
      ...{ ...state, ...tag, changed: 'time' },
      ...{ reason: null, failed: null, nextAttempt: null, verified: 'time', here: 'digest', done: 'time' },
    },
    {
      ...{ ...state, ...tag, changed: 'time' },
      ...{ reason: 'text', failed: 'time', nextAttempt: null, verified: null, here: null, done: null },
    },
  ]);
  assert.deepEqual(
    (rows as { state: string; geoState: number }[]).map((row) => [row.state, row.geoState]),
    [
      ['done', 2],
      ['partial', 3],
    ],
  );
  assert.deepEqual((await json('replicas', 'resync', `${registry.host}/team/app`)).json, { jobs: 1 });
  assert.deepEqual((await json('replicas', '--state', 'running')).json, []);
});

it('jobs list, show, retry and cancel', async (t) => {
  const { proxy, json, registry } = await filled(t);
  await json('replicas', 'resync', `${registry.host}/team/app`);
  await eventually('it was tried', async () => {
    const [job] = await proxy.app.jobs.list({ kind: 'replicate', limit: 1 });
    return job?.state === 'pending' && job.attempts > 0;
  });
  const listed = {
    ...{ id: 'number', kind: 'text', key: 'text', state: 'text', cause: 'text', attempts: 'number' },
    ...{ reason: 'text', note: null, created: 'time', due: 'time', started: 'time', ended: 'time' },
  };
  const { json: jobs, shape } = await json('jobs', 'list');
  assert.deepEqual(shape, [listed]);
  const id = String((jobs as { id: number }[])[0]!.id);
  const change = { image: 'text', tag: null, digest: null, change: 'text', at: 'number', sender: 'text' };
  const shown = (await json('jobs', 'show', id)).shape as { progress: unknown };
  assert.deepEqual(
    { ...shown, progress: null },
    { ...listed, priority: 'number', arguments: change, progress: null },
  );
  assert.deepEqual((await json('jobs', 'retry', id)).json, { retried: 1 });
  await eventually('it was tried again', async () => {
    const [job] = await proxy.app.jobs.list({ kind: 'replicate', limit: 1 });
    return job?.state === 'pending' && job.attempts > 1;
  });
  const { state } = (await json('jobs', 'cancel', id)).json as { state: string };
  assert.equal(state, 'cancelled');
});

it('events list, with and without --dead, and events replay', async (t) => {
  const { receiver, app, push } = await startWithSink(t, { sink: 'format = "cloudevents"' });
  receiver.answer(() => 500);
  await push('1', 'config');
  await eventually('it was tried', () => app.log.some(({ event }) => event === 'events.failed'));
  const listed = async (...args: readonly string[]) =>
    shapeOf((await runCommand(app, 'events', 'list', ...args, '--json')).json);
  const event = {
    id: 'text',
    sink: 'text',
    kind: 'text',
    about: 'text',
    tag: 'text',
    at: 'time',
    state: 'text',
  };
  const waiting = { ...event, since: 'time', tries: 'number', reason: 'text', next: 'time' };
  assert.deepEqual(await listed(), [waiting]);
  assert.deepEqual(await listed('--dead'), []);
  const replay = ['events', 'replay', '--sink', 'audit', '--since', '1h', '--json'];
  assert.deepEqual((await runCommand(app, ...replay)).json, { replayed: 0 });
});
