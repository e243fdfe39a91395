/** Events of pushes to a program that is killed (SIGKILL) again and again. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startEventReceiver } from '../support/event-receiver.ts';
import { eventually } from '../support/eventually.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { imageManifest, pusher } from '../support/pusher.ts';
import { image, rules, sinkOf } from '../support/sink-app.ts';
import { tempFolder } from '../support/temp-folder.ts';

const kills = process.env.LONG ? 60 : 6;

describe('a program with a sink that is killed again and again', () => {
  it('tells every push that it acknowledged, in order, and the same event by the same id', async (t) => {
    const receiver = await startEventReceiver(t);
    const folder = tempFolder(t);
    const sink = sinkOf(receiver, 'audit', 'format = "distribution"');
    writeFileSync(join(folder, 'entrepot.toml'), `listen = "127.0.0.1:0"\n${rules}${sink}`);
    writeFileSync(join(folder, 'registries.conf'), '[[registry]]\nlocation = "listed.test"\n');
    const acknowledged: string[] = [];
    let count = 0;

    async function pushUntilKilled(url: string): Promise<void> {
      const client = pusher(url, image);
      for (;;) {
        count += 1;
        const tag = `t${count}`;
        const blob = randomBytes(100);
        await client.blob(blob);
        const { status } = await client.manifest(tag, imageManifest([blob]));
        if (status === 201) acknowledged.push(tag);
      }
    }

    for (let kill = 0; kill < kills; kill += 1) {
      // Some events wait when the program is killed, and some are on their way.
      receiver.answer(() => (kill % 2 === 0 ? 200 : 503));
      const program = await startProgramIn(t, folder);
      const pushing = pushUntilKilled(program.url).catch(() => 'killed');
      const before = acknowledged.length;
      while (acknowledged.length < before + 3) await new Promise(setImmediate);
      for (let turn = 0; turn < kill * 7; turn += 1) await new Promise(setImmediate);
      program.kill('SIGKILL');
      await program.exited;
      assert.equal(await pushing, 'killed');
    }
    receiver.answer(() => 200);
    const program = await startProgramIn(t, folder);
    const tagOf = ({ event }: (typeof receiver.taken)[number]) => (event.target as { tag: string }).tag;
    // The last push is the last event of its image.
    const last = acknowledged.at(-1)!;
    await eventually('the last one came', () => receiver.taken.some((one) => tagOf(one) === last));

    const firsts = [...new Set(receiver.taken.map(tagOf))];
    const missing = acknowledged.filter((tag) => !firsts.includes(tag));
    assert.deepEqual(missing, [], 'no event is lost');
    const numbers = firsts.map((tag) => Number(tag.slice(1)));
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
      'in order',
    );
    const ids = Map.groupBy(receiver.received, tagOf);
    for (const [tag, tries] of ids) assert.equal(new Set(tries.map(({ event }) => event.id)).size, 1, tag);
    assert.ok(acknowledged.length >= 3 * kills);
    assert.equal((await program.stop()).code, 0);
  });
});
