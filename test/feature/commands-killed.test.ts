/** A server that is killed (SIGKILL) in the middle of a command: the same command, given again, does all of it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { createAdminClient } from '../../src/cli/admin-client.ts';
import { connectSocket } from '../../src/cli/server-connection.ts';
import { adminSocket } from '../../src/config/admin-socket.ts';
import { startEventReceiver } from '../support/event-receiver.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { buildImage } from '../support/images.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { imageManifest, pusher } from '../support/pusher.ts';
import { image, rules, sinkOf } from '../support/sink-app.ts';
import { tempFolder } from '../support/temp-folder.ts';

const kills = process.env.LONG ? 40 : 4;

/** The program over these files, with what commands do to it. */
function programs(
  t: TestContext,
  { toml, registries }: { readonly toml: string; readonly registries: string },
) {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'entrepot.toml'), `listen = "127.0.0.1:0"\n${toml}`);
  writeFileSync(join(folder, 'registries.conf'), registries);
  return async () => {
    const program = await startProgramIn(t, folder);
    const connection = await connectSocket(adminSocket(join(folder, 'data')));
    const found = connection && createAdminClient(connection);
    return { program, administration: found ?? assert.fail('no server listens') };
  };
}
type Started = Awaited<ReturnType<ReturnType<typeof programs>>>;

/** Kills the server at some moment of the command, a later one for each `kill`. */
async function killDuring({ program }: Started, command: Promise<unknown>, kill: number): Promise<void> {
  let isOver = false;
  const ended = command.then(
    () => 'done',
    () => 'killed',
  );
  void ended.then(() => {
    isOver = true;
  });
  for (let turn = 0; turn < kill * 5 && !isOver; turn += 1) await new Promise(setImmediate);
  program.kill('SIGKILL');
  await program.exited;
  await ended;
}

it('replicas resync', async (t) => {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  const name = (n: number) => `group/app-${n}`;
  const count = 40;
  const moveAll = (move: number) =>
    Array.from({ length: count }, (_, n) =>
      registry.putImage(name(n), 'v1', buildImage({ seed: `${n} ${move}`, layers: [500] })),
    );
  const sources = Array.from({ length: count }, (_, n) => n).join(',');
  const start = programs(t, {
    toml: `[[sync]]\nname = "all"\nsource = "corp.test/group/app-{${sources}}"\nreferrers = "none"\n`,
    registries: `[[registry]]\nprefix = "corp.test"\nlocation = "${registry.host}"\ninsecure = true\n`,
  });
  moveAll(0);
  const first = await start();
  assert.equal((await first.administration.sync([], {}))[0]?.state, 'done');
  await killDuring(first, Promise.resolve(), 0);
  for (let kill = 1; kill <= kills; kill += 1) {
    moveAll(kill);
    const started = await start();
    await killDuring(started, started.administration.replicas.resync(undefined), kill);
  }
  const digests = moveAll(kills + 1);
  const { administration } = await start();
  assert.deepEqual(await administration.replicas.resync(undefined), { jobs: count });
  await eventually('every tag is looked at', async () => {
    const rows = await Array.fromAsync(administration.replicas.tags({}));
    return rows.length === count && rows.every(({ state }) => state === 'done');
  });
  const rows = await Array.fromAsync(administration.replicas.tags({}));
  assert.deepEqual(rows.map(({ here }) => here).toSorted(), digests.toSorted());
});

it('events replay', async (t) => {
  const receiver = await startEventReceiver(t);
  const start = programs(t, {
    toml: `${rules}${sinkOf(receiver, 'audit', 'format = "distribution"')}`,
    registries: '[[registry]]\nlocation = "listed.test"\n',
  });
  const tags = Array.from({ length: 30 }, (_, n) => `t${n}`);
  const first = await start();
  const client = pusher(first.program.url, image);
  await client.blob('config');
  for (const tag of tags) assert.equal((await client.manifest(tag, imageManifest(['config']))).status, 201);
  await receiver.took(tags.length);
  await killDuring(first, Promise.resolve(), 0);
  const all = { sink: 'audit', since: '1h' };
  for (let kill = 1; kill <= kills; kill += 1) {
    receiver.answer(() => (kill % 2 === 0 ? 200 : 503));
    const started = await start();
    await killDuring(started, started.administration.events.replay(all), kill);
  }
  receiver.answer(() => 200);
  const { administration } = await start();
  const before = receiver.taken.length;
  await administration.events.replay(all);
  await eventually(
    'nothing waits',
    async () => (await Array.fromAsync(administration.events.list({}))).length === 0,
  );
  const tagOf = ({ event }: (typeof receiver.taken)[number]) => (event.target as { tag: string }).tag;
  assert.deepEqual(new Set(receiver.taken.slice(before).map(tagOf)), new Set(tags));
  const ids = Map.groupBy(receiver.received, tagOf);
  for (const [tag, tries] of ids) assert.equal(new Set(tries.map(({ event }) => event.id)).size, 1, tag);
});
