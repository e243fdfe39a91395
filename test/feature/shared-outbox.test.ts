/** Several servers and one PostgreSQL: events for other systems. Rows of the tables in docs/operations.md. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type RunningApp, startApp } from '../support/app.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';
import { eventually } from '../support/eventually.ts';
import { hurried, isConnected, type Site, startSite } from '../support/facts-site.ts';
import { get } from '../support/http-client.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { imageManifest, pusher } from '../support/pusher.ts';
import { image, rules, sinkOf } from '../support/sink-app.ts';
import { tempFolder } from '../support/temp-folder.ts';

const registries = '[[registry]]\nlocation = "listed.test"\n';

interface World {
  readonly site: Site;
  readonly receiver: EventReceiver;
  readonly toml: string;
  start(): Promise<RunningApp>;
}

async function world(t: TestContext): Promise<World | undefined> {
  const site = await startSite(t);
  if (!site) return undefined;
  const receiver = await startEventReceiver(t);
  // By the hurried clock three minutes: on a busy machine an answer must not be late.
  const sink = 'format = "distribution"\ntimeout = "1h"';
  const toml = `${rules}${sinkOf(receiver, 'audit', sink)}${site.facts}`;
  return {
    site,
    receiver,
    toml,
    async start() {
      const app = await startApp(t, { registries, toml }, { clock: hurried(20) });
      await isConnected(app);
      return app;
    },
  };
}

async function push(url: string, tag: string, name = image): Promise<void> {
  const client = pusher(url, name);
  await client.blob('{}');
  const blob = `a layer of ${tag}`;
  await client.blob(blob);
  assert.equal((await client.manifest(tag, imageManifest(['{}', blob]))).status, 201);
}

type One = EventReceiver['taken'][number];
const tagOf = ({ event }: One) => (event.target as { tag: string }).tag;
const imageOf = ({ event }: One) => (event.target as { repository: string }).repository;

async function metric({ url }: RunningApp, wanted: string): Promise<string | undefined> {
  const { body } = await get(`${url}/metrics`);
  return new RegExp(`^${wanted}\\{sink="audit"\\} (.+)$`, 'm').exec(body.toString())?.[1];
}

/** Resolves once PostgreSQL has so many deliveries. */
function areMoved({ site }: World, count: number): Promise<unknown> {
  return eventually(`${count} deliveries are shared`, async () => {
    const [[found] = []] = await site.postgres.sql('select count(*) from outbox_deliveries');
    return found === String(count);
  });
}

describe('servers with one PostgreSQL and a sink', () => {
  it('send an event whose author has stopped', async (t) => {
    const made = await world(t);
    if (!made) return;
    const { receiver, start } = made;
    receiver.answer(() => 503);
    const [author, other] = [await start(), await start()];
    await push(author.url, '1');
    await push(author.url, '2');
    await areMoved(made, 2);
    await author.stop();
    receiver.answer(() => 200);
    const taken = await receiver.took(2);
    assert.deepEqual(taken.map(tagOf), ['1', '2']);
    await eventually(
      'nothing waits',
      async () => (await metric(other, 'entrepot_events_out_waiting')) === '0',
    );
    const ids = new Set(receiver.received.filter((one) => tagOf(one) === '1').map(({ event }) => event.id));
    assert.equal(ids.size, 1, 'each try has the same id');
  });

  it('send an event whose author was killed while it was the sender', async (t) => {
    const made = await world(t);
    if (!made) return;
    const { receiver, start, site, toml } = made;
    receiver.answer(() => 503);
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'registries.conf'), registries);
    writeFileSync(join(folder, 'entrepot.toml'), `listen = "127.0.0.1:0"\n${toml}`);
    const author = await startProgramIn(t, folder);
    await push(author.url, '1');
    await receiver.got(1);
    const other = await start();
    author.kill('SIGKILL');
    await author.exited;
    await site.postgres.sql("update outbox_senders set expires = expires + interval '1 hour'");
    await push(other.url, '2', `${image}-other`);
    await areMoved(made, 2);
    receiver.answer(() => 200);
    await other.app.administration.events.replay({ dead: true });
    assert.equal(receiver.taken.length, 0, 'the lease of the dead one holds');
    await site.postgres.sql("update outbox_senders set expires = expires - interval '2 hours'");
    assert.deepEqual((await receiver.took(2)).map(tagOf).toSorted(), ['1', '2']);
  });

  it('send each event once, and those of one image in order', async (t) => {
    const made = await world(t);
    if (!made) return;
    const { receiver, start } = made;
    const apps = [await start(), await start(), await start()];
    const numbers = Array.from({ length: 12 }, (_, n) => String(n));
    await Promise.all(
      apps.map(async ({ url }, n) => {
        for (const tag of numbers) await push(url, tag, `${image}-${n}`);
      }),
    );
    const all = apps.length * numbers.length;
    await receiver.took(all);
    await areMoved(made, 0);
    assert.equal(receiver.received.length, all, 'none came twice');
    const byImage = Map.groupBy(receiver.taken, imageOf);
    for (const its of byImage.values()) assert.deepEqual(its.map(tagOf), numbers);
    const counted = await Promise.all(
      apps.map(async ({ url }) => {
        const { body } = await get(`${url}/metrics`);
        const sample =
          /^entrepot_events_out_total\{outcome="delivered",sink="audit"\} (.+)$|^entrepot_events_out_total\{sink="audit",outcome="delivered"\} (.+)$/m;
        const [, one, other] = sample.exec(body.toString()) ?? [];
        return Number(one ?? other);
      }),
    );
    assert.deepEqual(
      counted.toSorted((a, b) => a - b),
      [0, 0, all],
      'one of them has sent all',
    );
  });

  it('keep events while PostgreSQL is gone, also those of a server that is killed meanwhile, and send each once', async (t) => {
    const made = await world(t);
    if (!made) return;
    const { receiver, start, site, toml } = made;
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'registries.conf'), registries);
    writeFileSync(join(folder, 'entrepot.toml'), `listen = "127.0.0.1:0"\n${toml}`);
    const [one, dying] = [await start(), await startProgramIn(t, folder)];
    await push(one.url, 'before');
    await receiver.took(1);
    await site.postgres.signal('SIGKILL');
    for (const tag of ['1', '2', '3']) await push(one.url, tag);
    for (const tag of ['1', '2']) await push(dying.url, tag, `${image}-dying`);
    assert.equal(await metric(one, 'entrepot_events_out_waiting'), '3');
    await assert.rejects(Array.fromAsync(one.app.administration.events.list({})), {
      code: 'FACTS_UNAVAILABLE',
    });
    dying.kill('SIGKILL');
    await dying.exited;
    assert.equal(receiver.received.length, 1, 'nothing is sent meanwhile');
    await site.postgres.start();
    await receiver.took(4);
    const again = await startProgramIn(t, folder);
    await receiver.took(6);
    await areMoved(made, 0);
    assert.equal(receiver.received.length, 6, 'none came twice');
    const byImage = Map.groupBy(receiver.taken, imageOf);
    assert.deepEqual(byImage.get(image)?.map(tagOf), ['before', '1', '2', '3']);
    assert.deepEqual(byImage.get(`${image}-dying`)?.map(tagOf), ['1', '2']);
    assert.equal((await again.stop()).code, 0);
  });

  it('write what was delivered while PostgreSQL went away, and do not send it again', async (t) => {
    const made = await world(t);
    if (!made) return;
    const { receiver, start, site } = made;
    const { promise: asked, resolve: ask } = Promise.withResolvers<() => void>();
    receiver.answer(() => (answer) => ask(() => answer.writeHead(200).end()));
    const [one] = [await start(), await start()];
    await push(one.url, '1');
    const answer = await asked;
    await site.postgres.signal('SIGKILL');
    receiver.answer(() => 200);
    answer();
    await push(one.url, '2', `${image}-other`);
    await site.postgres.start();
    assert.deepEqual((await receiver.took(1)).map(tagOf), ['2']);
    await areMoved(made, 0);
    assert.equal(receiver.received.length, 2, 'each was sent once');
  });

  it('leave a sink alone that wants nothing more', async (t) => {
    const made = await world(t);
    if (!made) return;
    const { receiver, start } = made;
    receiver.answer(() => 410);
    const apps = [await start(), await start(), await start()];
    for (const [n, { url }] of apps.entries()) await push(url, '1', `${image}-${n}`);
    await areMoved(made, 3);
    await receiver.got(1);
    for (const { app } of apps) await app.administration.events.replay({ dead: true });
    const sinksGone = apps.filter(({ log }) => log.some(({ event }) => event === 'events.sinkGone'));
    assert.equal(sinksGone.length, 1);
    assert.ok(receiver.received.length <= 3, 'what was on its way already');
  });
});
