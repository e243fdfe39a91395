/**
 * A replica on its worst day: its primary fails a fifth of all requests, its events come in disorder and more than once, tags move
 * meanwhile, and the program is killed (SIGKILL) again and again. In the end each tag is here as it is last, whole, and nothing was
 * fetched twice.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { JobCommands } from '../../src/admin/job-commands.ts';
import { createAdminClient } from '../../src/cli/admin-client.ts';
import { connectSocket } from '../../src/cli/server-connection.ts';
import { adminSocket } from '../../src/config/admin-socket.ts';
import { readManifest } from '../../src/oci/manifest.ts';
import { isManifestType } from '../../src/oci/media-types.ts';
import { digestOf } from '../support/byte-source.ts';
import { inSocketBuffers } from '../support/cold-blobs.ts';
import { memoryOf } from '../support/entrepot-on-blobs.ts';
import { eventually } from '../support/eventually.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import {
  corruptAt,
  cutAfter,
  endShort,
  type Fault,
  hangUp,
  rate,
  rateLimited,
  status,
} from '../support/fake-registry-faults.ts';
import type { SeenRequest } from '../support/fake-registry-journal.ts';
import { get } from '../support/http-client.ts';
import { buildArtifact, buildImage, buildIndex, type Image } from '../support/images.ts';
import { type RunningEntrepot, startEntrepot } from '../support/processes.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { tempFolder } from '../support/temp-folder.ts';

const MiB = 1024 * 1024;
const isLong = process.env.LONG === '1';
const shape = isLong
  ? { repositories: 100, tags: 10, events: 2000, kills: 60, big: 100, bigBytes: 8 * MiB }
  : { repositories: 5, tags: 4, events: 40, kills: 3, big: 6, bigBytes: 4 * MiB };
const registry = 'registry.corp';
/** Bytes that were sent and not yet saved, of the four blobs that may be on their way: the primary counts what it sends. */
const lostByAKill = inSocketBuffers;
/** Requests at the primary between two kills. */
const between = isLong ? 150 : 40;

test('a primary that fails, events in disorder and kills leave every tag right, and fetch nothing twice', async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);
  t.diagnostic(`SEED=${seed}`);
  const random = seededRandom(seed);
  const primary = await startFakeRegistry({ catalogue: true });
  t.after(() => primary.stop());
  const lied = troubled(primary, random);
  const { events, expected, sizes } = content(primary, random);
  const server = await restarted(t, primary.host);

  let isOver = false;
  const kill = async () => {
    for (let asked = between; server.kills < shape.kills; asked = primary.requests.length + between) {
      await primary.seen({}, asked);
      if (isOver) return;
      await server.killOnce();
    }
  };
  const killing = kill();
  killing.catch(() => {});
  const sender = async () => {
    for (let next = events.pop(); next; next = events.pop()) await server.send(next());
  };
  await Promise.all(Array.from({ length: 8 }, sender));
  // While requests fail, each look at a tag may find it failed again: all tags are done at one moment only once that is over.
  await eventually('every tag was tried', () => server.hasTried(expected.size), 1_500_000);
  primary.heal();
  await eventually('every tag is done', () => server.hasSettled(expected.size), 1_500_000);
  isOver = true;
  await server.turn;
  const [before, after] = [server.residentAtStart, server.resident];
  const requests = primary.requests.length;

  await primary.refuse();
  for (const [name, digest] of expected) await pullWhole(server.running.url, name, digest);
  let [fetched, needed] = [0, 0];
  for (const [digest, size] of sizes) {
    const asked = primary.matching({ kind: 'blob', method: 'GET', when: (one) => one.digest === digest });
    // Bytes of an answer that lies are fetched again, with those that came before it.
    if (asked.some((one) => lied.has(one))) continue;
    fetched += asked.reduce((sum, one) => sum + (isContent(one) ? one.sent : 0), 0);
    needed += asked.length === 0 ? 0 : size;
  }
  const resumed = primary.matching({ kind: 'blob', when: ({ headers }) => headers.range !== undefined });
  t.diagnostic(
    `${requests} requests, ${fetched} bytes for ${needed}, ${resumed.length} ranges, ${server.kills} kills, ${before.toFixed()} to ${after.toFixed()} MiB`,
  );
  // Few kills may all fall between two blobs. That one is resumed is held by transfer-restart.
  if (isLong) assert.ok(resumed.length > 0, 'what a killed program had in part is resumed');
  const bound = needed * 1.05 + server.kills * lostByAKill;
  assert.ok(fetched <= bound, `${fetched} bytes were fetched for ${needed}, more than ${bound}`);
  assert.ok(after - before < 200, `${before} MiB became ${after}`);
});

function isContent({ status: code }: SeenRequest): boolean {
  return code === 200 || code === 206;
}

/** A fifth of all requests fail, in five ways. Gives the answers that had wrong bytes. */
function troubled(primary: FakeRegistry, random: () => number): ReadonlySet<SeenRequest> {
  const drawn = new WeakMap<SeenRequest, number>();
  const lied = new Set<SeenRequest>();
  const draw = (request: SeenRequest) => {
    const known = drawn.get(request) ?? random();
    drawn.set(request, known);
    return known;
  };
  const slow = rate(12 * MiB);
  const trouble = (from: number, to: number, ...faults: readonly Fault[]) =>
    primary.on({ when: (one) => draw(one) >= from && draw(one) < to }, ...faults);
  trouble(0, 0.07, status(500));
  trouble(0.07, 0.11, hangUp());
  primary.on({ kind: 'blob', when: (one) => draw(one) >= 0.11 && draw(one) < 0.13 }, slow, cutAfter(MiB));
  trouble(0.11, 0.15, slow, endShort(150));
  // Each stops all work for a second: more of them would only make the test longer.
  trouble(0.15, 0.16, rateLimited(1));
  const lie: Fault = {
    answer(answer, request) {
      lied.add(request);
      return answer;
    },
  };
  trouble(0.16, 0.2, corruptAt(0), corruptAt(100), lie);
  primary.on({ kind: 'blob' }, slow);
  return lied;
}

/** Puts images there; the events that tell of them, each of which is made when it is sent, and what the tags mean in the end. */
function content(primary: FakeRegistry, random: () => number) {
  const expected = new Map<string, string>();
  const sizes = new Map<string, number>();
  const events: (() => object)[] = [];
  const total = shape.repositories * shape.tags;
  const put = (repository: string, tag: string, image: Image) => {
    for (const blob of image.blobs) sizes.set(blob.digest, blob.size);
    const digest = primary.putImage(repository, tag, image);
    expected.set(`${repository}:${tag}`, digest);
    return { digest, mediaType: image.mediaType };
  };
  for (let n = 0; n < total; n++) {
    const repository = `group/app-${n % shape.repositories}`;
    const tag = `v${Math.floor(n / shape.repositories)}`;
    const build = (move: number) => {
      const options = { seed: `${n} ${move}`, layers: [n < shape.big ? shape.bigBytes : 3000] };
      return n % 5 === 4 ? buildIndex(options) : buildImage(options);
    };
    const first = build(0);
    const target = { repository, tag, ...put(repository, tag, first) };
    if (n % 7 === 0) {
      const sbom = buildArtifact(first);
      for (const blob of sbom.blobs) sizes.set(blob.digest, blob.size);
      primary.putImage(repository, undefined, sbom);
    }
    events.push(() => ({ id: `${n} 0`, action: 'push', target }));
    if (n % 2 === 0 || n < shape.big) continue;
    const second = build(1);
    events.push(() => ({
      ...{ id: `${n} 1`, action: 'push' },
      target: { repository, tag, ...put(repository, tag, second) },
    }));
  }
  const once = [...events];
  while (events.length < shape.events) events.push(once[Math.floor(random() * once.length)]!);
  for (let at = events.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [events[at], events[other]] = [events[other]!, events[at]!];
  }
  return { events, expected, sizes };
}

/** The program, which is killed and started again on one folder. */
async function restarted(t: TestContext, location: string) {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'secret'), 'secret');
  writeFileSync(
    join(folder, 'entrepot.toml'),
    `[[events.in]]
name = "primary"
format = "distribution"
secret_file = "${join(folder, 'secret')}"
registry = "${registry}"
[[sync]]
name = "all"
source = "${registry}/group/**"
referrers = "all"
`,
  );
  const conf = `[[registry]]\nprefix = "${registry}"\nlocation = "${location}"\ninsecure = true\n`;
  writeFileSync(join(folder, 'registries.conf'), conf);
  const files = ['--registries', join(folder, 'registries.conf'), '--config', join(folder, 'entrepot.toml')];
  const args = [...files, '--data', join(folder, 'data'), '--log-format', 'json'];
  let running: RunningEntrepot = await startEntrepot({ args });
  t.after(() => running.kill());
  let turn: Promise<unknown> = Promise.resolve();
  let kills = 0;
  const resident = () => memoryOf(running.pid, 'VmRSS') / 1024;
  let residentAtStart = resident();

  /** What a command does, over the socket of the program; undefined where a kill comes between. */
  async function command<T>(work: (jobs: JobCommands) => Promise<T>): Promise<T | undefined> {
    await turn;
    const socket = adminSocket(join(folder, 'data'));
    return await connectSocket(socket)
      .then((found) => found && work(createAdminClient(found).jobs))
      .catch(() => undefined);
  }

  /** Why jobs wait or have failed. What an old event tells is looked for again for a while, since it could also be too new. */
  async function waits(): Promise<readonly string[] | undefined> {
    const jobs = await command((all) => Array.fromAsync(all.list({})));
    return jobs?.flatMap(({ state, reason }) => (/pending|failed/.test(state) ? [reason ?? ''] : []));
  }

  /** Runs again what waits for its time, or has failed, at every hundredth look: no test waits for an hour. */
  let looks = 0;
  async function retryAll(): Promise<void> {
    looks += 1;
    if (looks % 100 !== 0) return;
    await command((jobs) => jobs.retry('all'));
  }

  /** Sums up samples of the metrics; 0 while the program does not answer. */
  async function samples(): Promise<(pattern: RegExp) => number> {
    await turn;
    const text = await get(`${running.url}/metrics`).then(
      ({ body }) => body.toString(),
      () => '',
    );
    return (pattern) => [...text.matchAll(pattern)].reduce((all, [, one]) => all + Number(one), 0);
  }

  return {
    get running() {
      return running;
    },
    get kills() {
      return kills;
    },
    killOnce(): Promise<unknown> {
      turn = turn.then(async () => {
        running.kill();
        await running.exited;
        running = await startEntrepot({ args });
        residentAtStart = resident();
        kills += 1;
      });
      return turn;
    },
    get turn() {
      return turn;
    },
    /** MiB that the program holds, and held when it had started. */
    get resident() {
      return resident();
    },
    get residentAtStart() {
      return residentAtStart;
    },
    /** Repeats what was not taken, as distribution does. */
    async send(event: object): Promise<void> {
      const options = { method: 'POST', headers: { authorization: 'secret' } };
      const body = JSON.stringify({ events: [event] });
      for (;;) {
        await turn;
        const sent = get(`${running.url}/events/primary`, { ...options, body });
        const code = await sent.then(
          (answer) => answer.status,
          () => undefined,
        );
        if (code === 202) return;
        assert.equal(code, undefined, 'only a dead program does not take an event');
      }
    },
    /** All kills are over, and each tag has a state. */
    async hasTried(tags: number): Promise<boolean> {
      const sum = await samples();
      if (kills === shape.kills && sum(/^entrepot_replica_tags\{state="\w+"\} (\d+)$/gm) >= tags) return true;
      await retryAll();
      return false;
    },
    /** Every tag is done, and nothing waits but what looks again for what an old event has told. */
    async hasSettled(tags: number): Promise<boolean> {
      const sum = await samples();
      if (sum(/^entrepot_jobs\{kind="\w+",state="running"\} (\d+)$/gm) > 0) return false;
      const isDone = sum(/^entrepot_replica_tags\{state="done"\} (\d+)$/gm) === tags;
      if (isDone && (await waits())?.every((reason) => /and primary said/.test(reason))) return true;
      await retryAll();
      return false;
    },
  };
}

/** Pulls all that a tag needs, and checks each byte. */
async function pullWhole(url: string, name: string, digest: string): Promise<void> {
  const [repository, tag = ''] = name.split(':');
  const base = `${url}/v2/${registry}/${repository}`;
  const waiting = [{ path: `manifests/${tag}`, digest, isManifest: true }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { status: code, body, headers } = await get(`${base}/${next.path}`);
    assert.deepEqual([code, digestOf(body)], [200, next.digest], `${name} ${next.path}`);
    if (!next.isManifest) continue;
    const manifest = readManifest(body, String(headers['content-type']));
    assert.ok('children' in manifest, name);
    for (const child of manifest.children) {
      const isManifest = isManifestType(child.mediaType);
      waiting.push({
        path: `${isManifest ? 'manifests' : 'blobs'}/${child.digest}`,
        digest: child.digest,
        isManifest,
      });
    }
  }
}
