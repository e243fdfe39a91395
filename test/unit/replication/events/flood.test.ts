/** As many events as a sender likes: the queue stays bounded, and no change is lost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSqliteInbox } from '../../../../src/cache/index/jobs/sqlite-inbox.ts';
import { createSqliteJobs } from '../../../../src/cache/index/jobs/sqlite-jobs.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import type { EventSender } from '../../../../src/config/event-senders.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { createEventSources } from '../../../../src/replication/events/event-sources.ts';

const registry = 'registry.corp';
const total = process.env.LONG === '1' ? 100_000 : 20_000;

function sender(name: string): EventSender {
  const rest = { secretFile: '/secret', signatureHeader: 'x', secretInPath: false, match: '**' };
  return { name, format: 'distribution', registry, ...rest };
}

/** Sends `total` events of `repositoryOf` and gives the keys that wait then. */
async function flood(repositoryOf: (n: number) => string, perBody: number) {
  const { index } = openIndex(':memory:', 0);
  const deps = { inbox: createSqliteInbox(index), clock: systemClock, ownAgent: undefined };
  const sources = createEventSources(deps, [sender('flooding'), sender('other')]);
  const event = (repository: string, n: number) => ({
    ...{ id: `${n}`, action: 'push' },
    target: { mediaType: 'application/vnd.oci.image.index.v1+json', repository, tag: `v${n}` },
  });
  let accepted = 0;
  for (let first = 0; first < total; first += perBody) {
    const events = Array.from({ length: perBody }, (_, at) => event(repositoryOf(first + at), first + at));
    accepted += (await sources.get('flooding')!.receive({ events }, () => undefined)).accepted;
  }
  assert.equal(accepted, total);
  await sources.get('other')!.receive({ events: [event('other/app', 1)] }, () => undefined);
  const jobs = await createSqliteJobs(index).list({ limit: total });
  index.close();
  return new Set(jobs.map(({ key }) => key));
}

test('distinct tags of a few repositories are covered each, by a job of its own or of its repository', async () => {
  const repository = (n: number) => `team/app-${n % 5}`;
  const keys = await flood(repository, 50);
  assert.ok(keys.size <= 2000 + 5 + 1, `${keys.size} jobs`);
  for (let n = 0; n < total; n++) {
    const image = `${registry}/${repository(n)}`;
    if (!keys.has(`${image}:v${n}`) && !keys.has(image)) assert.fail(`v${n} is lost`);
  }
});

test('distinct repositories without end are covered by one job for the registry', async () => {
  const keys = await flood((n) => `team/app-${n}`, 50);
  assert.ok(keys.size <= 4000 + 1 + 1, `${keys.size} jobs`);
  assert.ok(keys.has('flooding'), 'the job for the registry');
  assert.ok(keys.has(`${registry}/other/app:v1`), 'another sender has jobs of its own');
});

test('a body of far too many events makes few jobs', async () => {
  const keys = await flood((n) => `team/app-${n % 150}`, 1000);
  assert.deepEqual([...keys].toSorted(), ['flooding', `${registry}/other/app:v1`]);
});
