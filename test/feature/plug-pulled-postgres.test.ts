/** The plug of PostgreSQL is pulled while the whole program runs with [facts]. Rows of the table in docs/operations.md. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { startEventReceiver } from '../support/event-receiver.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { cacheOf, insecureRegistry } from '../support/mirrored-registry.ts';
import { type PostgresServer, startPostgres } from '../support/postgres.ts';
import { imageManifest, pusher } from '../support/pusher.ts';
import { sinkOf } from '../support/sink-app.ts';
import { tempFolder } from '../support/temp-folder.ts';

const name = 'images.local/team/app';

async function site(t: TestContext, url: string) {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  const receiver = await startEventReceiver(t);
  const folder = tempFolder(t);
  const [urlFile, secretFile] = [join(folder, 'facts-url'), join(folder, 'secret')];
  const setUrl = (text: string) => writeFileSync(urlFile, text);
  setUrl(url);
  writeFileSync(secretFile, 'a secret of events');
  const toml = `
[access]
anonymous = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
[freshness]
tag = "1h"
[facts]
url_file = "${urlFile}"
[[events.in]]
name = "gitlab"
format = "distribution"
secret_file = "${secretFile}"
registry = "${registry.host}"
${sinkOf(receiver, 'audit', 'format = "distribution"')}`;
  const replica = () =>
    startApp(t, { registries: insecureRegistry(registry.host), toml }, { clock: systemClock });
  return { registry, receiver, replica, setUrl };
}

async function push({ url }: RunningApp, tag: string): Promise<void> {
  const client = pusher(url, name);
  const blobs = ['{}', `a layer of ${tag}`];
  for (const blob of blobs) await client.blob(blob);
  assert.equal((await client.manifest(tag, imageManifest(blobs))).status, 201);
}

async function tagsOf({ url }: RunningApp): Promise<string> {
  const { status, body } = await get(`${url}/v2/${name}/tags/list`);
  return status === 200 ? (JSON.parse(body.toString()) as { tags: string[] }).tags.join(' ') : `${status}`;
}

const knows = (app: RunningApp, tags: string) =>
  eventually(`it knows ${tags}`, async () => (await tagsOf(app)) === tags);

async function metric({ url }: RunningApp, wanted: string): Promise<string | undefined> {
  const { body } = await get(`${url}/metrics`);
  return new RegExp(`^${wanted} (.+)$`, 'm').exec(body.toString())?.[1];
}

interface Fault {
  begin(server: PostgresServer, setUrl: (url: string) => void): Promise<void>;
  end(server: PostgresServer, setUrl: (url: string) => void): Promise<void>;
}

/** What each connection of the program gets to feel: it is ended, and the next one finds the fault. */
const cut = (server: PostgresServer) =>
  server.sql('select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()');

const faults: Readonly<Record<string, Fault>> = {
  'is killed': {
    begin: (server) => server.signal('SIGKILL'),
    end: (server) => server.start(),
  },
  'stands still': {
    begin: (server) => server.signal('SIGSTOP'),
    end: (server) => server.signal('SIGCONT'),
  },
  'takes no writes': {
    begin: (server) => server.readOnly(true),
    end: (server) => server.readOnly(false),
  },
  'has no address any more': {
    async begin(server, setUrl) {
      setUrl('postgresql://entrepot@db.invalid/postgres');
      await cut(server);
    },
    async end(server, setUrl) {
      setUrl(server.url);
    },
  },
};

describe('PostgreSQL, while replicas run,', () => {
  for (const [what, { begin, end }] of Object.entries(faults))
    it(`${what}: pulls and pushes go on, facts and events, in and out, wait, and all is told afterwards`, async (t) => {
      const server = await startPostgres(t);
      if (!server) return;
      const { registry, receiver, replica, setUrl } = await site(t, server.url);
      const [warm, cold] = ['warm', 'cold'].map((seed) => buildImage({ seed }));
      assert.ok(warm && cold);
      registry.putImage('team/warm', 'v1', warm);
      registry.putImage('team/cold', 'v1', cold);
      const [one, other] = [await replica(), await replica()];
      const pull = async (repository: string) => {
        const answer = await get(`${one.url}/v2/${repository}/manifests/v1?ns=${registry.host}`);
        return `${answer.status} ${cacheOf(answer)}`;
      };
      assert.equal(await pull('team/warm'), '200 fetched');
      await push(one, 'before');
      await knows(other, 'before');

      await begin(server, setUrl);
      assert.equal(await pull('team/warm'), '200 hit');
      assert.equal(await pull('team/cold'), '200 fetched');
      await push(one, 'meanwhile');
      assert.equal(await tagsOf(one), 'before meanwhile');
      const taken = await get(`${one.url}/events/gitlab`, {
        method: 'POST',
        headers: { authorization: 'a secret of events' },
        body: JSON.stringify({ events: [eventOf(warm.digest)] }),
      });
      assert.equal(taken.status, 202, taken.body.toString());
      await eventually('metrics say it', async () => (await metric(one, 'entrepot_facts_connected')) === '0');
      assert.ok(Number(await metric(one, 'entrepot_facts_waiting')) > 0);
      assert.ok(one.log.some(({ event }) => event === 'postgres.lost' || event === 'postgres.unreachable'));
      assert.equal(await tagsOf(other), 'before', 'the other one goes by what it knows');

      await end(server, setUrl);
      await knows(other, 'before meanwhile');
      await eventually('nothing waits', async () => (await metric(one, 'entrepot_facts_waiting')) === '0');
      await eventually('the event has its job', async () => {
        const jobs = await other.app.jobs.list({ limit: 9 });
        return jobs.some(({ key }) => key.includes('team/warm'));
      });
      const told = () => [
        ...new Set(receiver.taken.map(({ event }) => (event.target as { tag: string }).tag)),
      ];
      await eventually('the sink has both pushes', () => told().length === 2);
      assert.deepEqual(told(), ['before', 'meanwhile']);
    });

  it('fails over to a standby that lacks the last facts: what was told to nothing but the dead one is told again', async (t) => {
    const primary = await startPostgres(t);
    if (!primary) return;
    const standby = await startPostgres(t, { standbyOf: primary });
    assert.ok(standby);
    const hosts = [primary, standby].map(({ host }) => host).join(',');
    const { replica } = await site(
      t,
      `postgresql://entrepot@${hosts}/postgres?target_session_attrs=read-write&connect_timeout=2`,
    );
    const [one, other] = [await replica(), await replica()];
    await push(one, '1');
    await knows(other, '1');
    await eventually('the standby has it', async () => {
      const [[count] = []] = await standby
        .sql("select count(*) from facts where kind = 'hostedTag'")
        .catch(() => []);
      return count === '1';
    });
    await standby.stop();
    await push(one, '2');
    await knows(other, '1 2');
    await primary.signal('SIGKILL');
    await push(other, '3');
    assert.equal(await tagsOf(other), '1 2 3');
    await standby.start();
    await standby.sql('select pg_promote()');
    await knows(one, '1 2 3');
    await eventually('nothing waits', async () => (await metric(other, 'entrepot_facts_waiting')) === '0');
    const fresh = await replica();
    await knows(fresh, '1 2 3');
  });
});

function eventOf(digest: string) {
  return {
    id: 'e1',
    action: 'push',
    target: {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      ...{ digest, repository: 'team/warm', tag: 'v1' },
    },
  };
}
