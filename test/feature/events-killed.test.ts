/**
 * A sender that repeats what was not taken, as distribution does, and a program that is killed (SIGKILL) again and again: each event that
 * was answered with 202 is followed up.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { tempFolder } from '../support/temp-folder.ts';

const isLong = process.env.LONG === '1';
const kills = isLong ? 30 : 3;
const [repositories, tags] = isLong ? [100, 10] : [10, 5];
const registry = 'registry.corp';

it('a program that is killed again and again has every tag that it was told of, as it is last', async (t) => {
  const seed = Number(process.env.SEED ?? Date.now());
  t.diagnostic(`SEED=${seed}`);
  const random = seededRandom(seed);
  const upstream = await startFakeRegistry();
  t.after(() => upstream.stop());
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'secret'), 'secret');
  writeFileSync(
    join(folder, 'entrepot.toml'),
    `listen = "127.0.0.1:0"
[[events.in]]
name = "primary"
format = "distribution"
secret_file = "${join(folder, 'secret')}"
registry = "${registry}"
[[sync]]
name = "all"
source = "${registry}/group/**"
referrers = "none"
`,
  );
  const conf = `[[registry]]\nprefix = "${registry}"\nlocation = "${upstream.host}"\ninsecure = true\n`;
  writeFileSync(join(folder, 'registries.conf'), conf);

  const expected = new Map<string, string>();
  const events: object[] = [];
  /** Each tag is pushed, and half of them are moved. The sender tells all of it in disorder, a third twice. */
  for (let n = 0; n < repositories * tags; n++) {
    const repository = `group/app-${n % repositories}`;
    const tag = `v${Math.floor(n / repositories)}`;
    for (let move = 0; move <= n % 2; move++) {
      const digest = upstream.putImage(repository, tag, buildImage({ seed: `${n} ${move}`, layers: [2000] }));
      expected.set(`${repository}/manifests/${tag}`, digest);
      const mediaType = 'application/vnd.oci.image.manifest.v1+json';
      const event = { id: `${n} ${move}`, action: 'push', target: { mediaType, repository, tag, digest } };
      events.push(event, ...(random() < 0.3 ? [event] : []));
    }
  }
  events.sort(() => random() - 0.5);

  let running = await startProgramIn(t, folder);
  const total = events.length;
  let taken = 0;
  let restarting: Promise<void> | undefined;
  async function killOnce(): Promise<void> {
    running.kill('SIGKILL');
    await running.exited;
    running = await startProgramIn(t, folder);
    restarting = undefined;
  }
  async function send(event: object): Promise<void> {
    for (;;) {
      await restarting;
      const options = {
        method: 'POST',
        headers: { authorization: 'secret' },
        body: JSON.stringify({ events: [event] }),
      };
      const status = await get(`${running.url}/events/primary`, options).then(
        (answer) => answer.status,
        () => undefined,
      );
      if (status === 202) break;
      assert.equal(status, undefined, 'only a dead program does not take an event');
    }
    taken += 1;
    if (taken % Math.ceil(total / (kills + 1)) === 0) restarting ??= killOnce();
  }
  const sender = async () => {
    for (let event = events.pop(); event; event = events.pop()) await send(event);
  };
  await Promise.all(Array.from({ length: 8 }, sender));
  await restarting;

  await eventually('every tag is done', async () => {
    const { body } = await get(`${running.url}/metrics`);
    const done = /^entrepot_replica_tags\{state="done"\} (\d+)$/m.exec(body.toString())?.[1];
    const waiting = [
      ...body.toString().matchAll(/^entrepot_jobs\{kind="\w+",state="(?:pending|running)"\} (\d+)$/gm),
    ];
    return Number(done) === expected.size && waiting.every(([, count]) => count === '0');
  });
  await upstream.refuse();
  for (const [path, digest] of expected) {
    const { status, headers } = await get(`${running.url}/v2/${registry}/${path}`, { method: 'HEAD' });
    assert.deepEqual([status, headers['docker-content-digest']], [200, digest], path);
  }
});
