/** A scrub finds what the disk has damaged before any client does, and brings it back as it was. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { ScrubReport } from '../../src/admin/scrubs.ts';
import { startApp } from '../support/app.ts';
import { inSocketBuffers, MiB } from '../support/cold-blobs.ts';
import { runCommand } from '../support/commands.ts';
import { holdHeaders, status } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { buildImage, buildIndex, type Image } from '../support/images.ts';
import {
  cacheOf,
  eventually,
  insecureRegistry,
  type MirroredRegistry,
  settled,
  startMirrored,
} from '../support/mirrored-registry.ts';
import { flipByte, storedBytes, storedFile } from '../support/stored-files.ts';

const image = buildImage({ layers: [3_000_000, 5000] });
const other = buildImage({ seed: 'other', layers: [200_000] });
const large = image.layers[0]!;

type Mirrored = MirroredRegistry & { scrub(match?: string): Promise<ScrubReport>; name: string };

async function pullAll({ get: ask }: MirroredRegistry, repository: string, tag: string, of: Image) {
  const paths = [tag, ...of.children.map(({ digest }) => digest)].map((what) => `manifests/${what}`);
  for (const path of [...paths, ...of.blobs.map(({ digest }) => `blobs/${digest}`)]) {
    const answer = await ask(repository, path);
    assert.deepEqual([answer.status, answer.complete], [200, true], path);
  }
}

/** `app:1` was pulled through. */
async function pulled(t: TestContext, toml = ''): Promise<Mirrored> {
  const mirrored = await startMirrored(t, { toml });
  const { registry, proxy } = mirrored;
  registry.putImage('app', '1', image);
  await pullAll(mirrored, 'app', '1', image);
  await settled(proxy);
  registry.clear();
  const scrub = (match?: string) => proxy.app.administration.scrub(match, {});
  return { ...mirrored, scrub, name: `${registry.host}/app` };
}

/** ms for which a scrub of `app`, by default one byte per second, waits before it reads its second piece. */
function firstPause({ rate = 1, without }: { rate?: number; without?: string } = {}): number {
  const stored = [{ digest: image.digest, size: image.bytes.length }, ...image.blobs];
  const sorted = stored
    .filter(({ digest }) => digest !== without)
    .toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  return (Math.min(sorted[0]!.size, MiB) / rate) * 1000;
}

async function listed({ proxy }: MirroredRegistry) {
  const list = await Array.fromAsync(proxy.app.administration.list());
  return list.map(({ image: of, tag, digest, bytes, pinned }) => [of, tag, digest, bytes, pinned]);
}

async function metric({ proxy }: MirroredRegistry, name: string): Promise<number> {
  const { body } = await get(`${proxy.url}/metrics`);
  const line = body
    .toString()
    .split('\n')
    .find((text) => text.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.split(' ')[1]);
}

describe('a scrub', () => {
  it('of sound content reads every byte, asks no endpoint, and does not count as a use', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, clock, scrub } = mirrored;
    const before = await Array.fromAsync(proxy.app.administration.list());
    await clock.advance(3_600_000);
    const report = await scrub();
    await clock.advance(60_000);
    const bytes = storedBytes(proxy.data);
    assert.deepEqual(report, { checked: 4, bytes, damaged: [], unreadable: [] });
    assert.equal(registry.count({}), 0);
    assert.deepEqual(await Array.fromAsync(proxy.app.administration.list()), before);
    assert.equal(await metric(mirrored, 'entrepot_scrub_read_bytes_total'), bytes);
  });

  for (const [what, damage, reason] of [
    ['with a flipped byte', (file: string) => flipByte(file, 2_999_999), /other bytes/],
    ['that is cut short', (file: string) => truncateSync(file, 1000), /1000 bytes, not 3000000/],
    ['that has grown', (file: string) => appendFileSync(file, 'x'), /3000001 bytes, not 3000000/],
    ['that is gone', (file: string) => rmSync(file), /missing/],
  ] as const) {
    it(`finds a blob ${what}, and fetches it again`, async (t) => {
      const mirrored = await pulled(t);
      const { proxy, registry, get: ask, scrub, name } = mirrored;
      const before = await listed(mirrored);
      damage(storedFile(proxy.data, large.digest));
      const { damaged } = await scrub();
      const [found] = damaged;
      assert.match(found?.reason ?? '', reason);
      assert.deepEqual(damaged, [
        { digest: large.digest, reason: found?.reason, image: name, repaired: true },
      ]);
      assert.equal(registry.count({ kind: 'blob', method: 'GET' }), 1);
      assert.deepEqual(readFileSync(storedFile(proxy.data, large.digest)), large.bytes());
      await registry.refuse();
      const answer = await ask('app', `blobs/${large.digest}`);
      assert.deepEqual([cacheOf(answer), answer.body], ['hit', large.bytes()]);
      assert.deepEqual(await listed(mirrored), before);
      assert.deepEqual((await scrub()).damaged, []);
      assert.equal(await metric(mirrored, 'entrepot_scrub_damaged_total{how="repaired"}'), 1);
    });
  }

  it('brings a manifest back with every tag and every image that had it', async (t) => {
    const mirrored = await pulled(t, '[[cache.pin]]\nmatch = "**/app:1"');
    const { proxy, registry, get: ask, scrub } = mirrored;
    registry.putImage('app', 'stable', image);
    registry.putImage('copy/app', 'x', image);
    await ask('app', 'manifests/stable');
    await pullAll(mirrored, 'copy/app', 'x', image);
    const before = await listed(mirrored);
    flipByte(storedFile(proxy.data, image.digest), 30);
    const { damaged } = await scrub();
    assert.deepEqual([damaged.length, damaged[0]?.digest, damaged[0]?.repaired], [1, image.digest, true]);
    await registry.refuse();
    for (const [repository, what] of [
      ['app', '1'],
      ['app', 'stable'],
      ['app', image.digest],
      ['copy/app', 'x'],
    ] as const) {
      const answer = await ask(repository, `manifests/${what}`);
      assert.deepEqual([cacheOf(answer), answer.body], ['hit', image.bytes]);
    }
    assert.deepEqual(await listed(mirrored), before);
  });

  it('brings an index and what it lists back to what it was', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, scrub } = mirrored;
    const index = buildIndex({ layers: [50_000] });
    registry.putImage('multi', '1', index);
    await pullAll(mirrored, 'multi', '1', index);
    await settled(proxy);
    const before = await listed(mirrored);
    flipByte(storedFile(proxy.data, index.digest), 5);
    flipByte(storedFile(proxy.data, index.images[1]!.digest), 5);
    const { damaged } = await scrub(`${registry.host}/multi`);
    assert.deepEqual(
      damaged.map(({ repaired }) => repaired),
      [true, true],
    );
    assert.deepEqual(await listed(mirrored), before);
  });

  it('tries each image that links it, until one can give it', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, scrub } = mirrored;
    registry.putImage('copy/app', '1', image);
    await pullAll(mirrored, 'copy/app', '1', image);
    registry.on({ repository: 'app' }, status(404));
    flipByte(storedFile(proxy.data, large.digest), 0);
    const { damaged } = await scrub();
    assert.deepEqual(
      damaged.map(({ repaired, image: of }) => [repaired, of]),
      [[true, `${registry.host}/copy/app`]],
    );
  });

  it('forgets a manifest that no endpoint has any more, and keeps nothing half', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, get: ask, scrub, name } = mirrored;
    registry.on({}, status(404));
    flipByte(storedFile(proxy.data, image.digest), 30);
    const [lost] = (await scrub()).damaged;
    assert.deepEqual([lost?.repaired, lost?.image], [false, name]);
    assert.match(lost?.failure ?? '', /^127\.0\.0\.1:\d+\/app: not found: .* notFound/);
    assert.equal(existsSync(storedFile(proxy.data, image.digest)), false);
    assert.deepEqual(await listed(mirrored), []);
    const { repositories, bytes } = await proxy.app.administration.usage();
    assert.deepEqual(repositories, [{ name, bytes, contents: 3, tags: 0 }]);
    assert.equal((await ask('app', 'manifests/1')).status, 404);
    const asked = registry.count({});
    assert.deepEqual((await scrub()).damaged, [], 'not tried for ever');
    assert.equal(registry.count({}), asked);
    assert.equal(await metric(mirrored, 'entrepot_scrub_damaged_total{how="lost"}'), 1);
  });

  it('without any registry tells what is lost, and the next client fetches it when there is one again', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, scrub, clock } = mirrored;
    await registry.refuse();
    flipByte(storedFile(proxy.data, large.digest), 0);
    rmSync(storedFile(proxy.data, image.digest));
    const { damaged } = await scrub();
    assert.deepEqual(
      damaged.map(({ repaired }) => repaired),
      [false, false],
    );
    for (const { failure } of damaged)
      assert.match(failure ?? '', /no endpoint could give it: .* unreachable/);
    assert.deepEqual((await scrub()).damaged, []);
    await registry.restart();
    await clock.advance(60_000);
    await pullAll(mirrored, 'app', '1', image);
  });

  it('of a server that is offline asks no endpoint', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, scrub } = mirrored;
    await proxy.reload({ toml: '[upstream]\noffline = true' });
    flipByte(storedFile(proxy.data, large.digest), 0);
    assert.match((await scrub()).damaged[0]?.failure ?? '', /this server is offline/);
    assert.equal(registry.count({}), 0);
  });

  it('asks no registry that the configuration does not name any more', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, scrub } = mirrored;
    await proxy.reload({ registries: '[[registry]]\nlocation = "quay.io"' });
    flipByte(storedFile(proxy.data, large.digest), 0);
    assert.match((await scrub()).damaged[0]?.failure ?? '', /not listed in registries\.conf/);
    assert.equal(registry.count({}), 0);
  });

  it('leaves readers of what is sound alone, cuts off those of what is damaged, and has it right for the next', async (t) => {
    const mirrored = await pulled(t);
    const { registry, proxy, clock } = mirrored;
    const long = buildImage({ seed: 'long', layers: [2 * inSocketBuffers, 2 * inSocketBuffers + 1] });
    const [sound, rotten] = long.layers as [typeof large, typeof large];
    registry.putImage('long', '1', long);
    await pullAll(mirrored, 'long', '1', long);
    await settled(proxy);
    await proxy.stop();
    const files = { registries: insecureRegistry(registry.host), folder: proxy.folder };
    const next = await startApp(t, files, { clock });
    const url = (digest: string) => `${next.url}/v2/${registry.host}/long/blobs/${digest}`;
    const readers = await Promise.all([sound, rotten].map(({ digest }) => open(url(digest))));
    for (const reader of readers) await reader.read(1000);
    flipByte(storedFile(next.data, rotten.digest), rotten.size - 1);
    const { damaged } = await next.app.administration.scrub(undefined, {});
    assert.deepEqual(
      damaged.map(({ digest, repaired }) => [digest, repaired]),
      [[rotten.digest, true]],
    );
    const [whole, broken] = await Promise.all(readers.map((reader) => reader.rest()));
    assert.deepEqual([whole?.complete, whole?.body.equals(sound.bytes().subarray(1000))], [true, true]);
    assert.equal(broken?.complete, false);
    const again = await get(url(rotten.digest));
    assert.deepEqual([cacheOf(again), again.body.equals(rotten.bytes())], ['hit', true]);
  });

  it('also brings back what a reader has found damaged and no endpoint could give then', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, get: ask, scrub, clock } = mirrored;
    await registry.refuse();
    rmSync(storedFile(proxy.data, large.digest));
    assert.notEqual((await ask('app', `blobs/${large.digest}`)).status, 200);
    await registry.restart();
    await clock.advance(60_000);
    assert.deepEqual(
      (await scrub()).damaged.map(({ digest, repaired }) => [digest, repaired]),
      [[large.digest, true]],
    );
  });

  it('looks with a glob at what matching images and tags link only', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, scrub } = mirrored;
    registry.putImage('app', '2', other);
    registry.putImage('team/app', '3', buildImage({ seed: 'third', layers: [large, 777] }));
    await pullAll(mirrored, 'app', '2', other);
    await pullAll(mirrored, 'team/app', '3', buildImage({ seed: 'third', layers: [large, 777] }));
    await settled(proxy);
    const checkedBy = async (match: string) => (await scrub(match)).checked;
    assert.equal(await checkedBy('**'), 4 + 3 + 3);
    assert.equal(await checkedBy('*/app'), 4 + 3);
    assert.equal(await checkedBy('*/app:1'), 4);
    assert.equal(await checkedBy('**/team/*'), 4);
    assert.equal(await checkedBy('**/none'), 0);
    const [theirs, ours] = [other.layers[0]!.digest, image.layers[1]!.digest];
    for (const digest of [theirs, ours]) flipByte(storedFile(proxy.data, digest), 0);
    for (const [match, digest] of [
      ['**:2', theirs],
      ['**', ours],
    ] as const) {
      const { damaged } = await scrub(match);
      assert.deepEqual(
        damaged.map((one) => one.digest),
        [digest],
      );
    }
  });

  it('reads no faster than it may', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, clock } = mirrored;
    const told: number[] = [];
    const onProgress = ({ done }: { done: number }) => void told.push(done);
    const controller = new AbortController();
    const { signal } = controller;
    const done = proxy.app.administration.scrub(undefined, { rate: 1000, onProgress, signal });
    const pause = firstPause({ rate: 1000 });
    await clock.armed(pause);
    assert.deepEqual(told, [pause], 'at 1000 per second, a byte is a millisecond');
    await clock.advance(pause - 1);
    assert.equal(told.length, 1);
    await clock.advance(1);
    controller.abort();
    const { bytes } = await done;
    assert.deepEqual(told, [pause, bytes]);
  });

  it('is over when the server stops, even where it waits for its rate or for a registry', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, registry, clock } = mirrored;
    const hold = gate();
    registry.on({ digest: image.layers[1]!.digest }, holdHeaders(hold));
    flipByte(storedFile(proxy.data, image.layers[1]!.digest), 0);
    const waiting = proxy.app.administration.scrub(undefined, {});
    await hold.arrived;
    const slow = proxy.app.administration.scrub(`${registry.host}/app`, { rate: 1 });
    await clock.armed(firstPause({ without: image.layers[1]!.digest }));
    await proxy.stop();
    hold.release();
    const [held, limited] = await Promise.all([waiting, slow]);
    assert.deepEqual([held.damaged[0]?.repaired, held.damaged[0]?.failure], [false, 'stopped']);
    assert.ok(limited.checked < 3);
    assert.deepEqual(
      proxy.log.filter(({ level }) => level === 'error'),
      [],
    );
  });
});

describe('the background scrub', () => {
  /** So a slot of the period is an hour, and begins with the clock of the tests. */
  const toml = '[cache]\nscrub_every = "256h"\nscrub_rate = "1GiB"';
  const hour = 3_600_000;

  /** An image with its layer in the folder that is due so many hours after the start of the clock. */
  function imageDueIn(hours: number): Image {
    const due = (Date.UTC(2026, 0, 1) / hour + hours) % 256;
    for (let seed = 0; ; seed += 1) {
      const built = buildImage({ seed, layers: [3000] });
      const folders = [built.digest, ...built.blobs.map(({ digest }) => digest)].map((digest) =>
        Number.parseInt(digest.slice(7, 9), 16),
      );
      if (folders[2] === due && folders.filter((folder) => folder === due).length === 1) return built;
    }
  }

  /** A folder is over when the next one is waited for. */
  async function scrubbed({ proxy, clock }: MirroredRegistry): Promise<number> {
    await clock.armed(hour);
    return proxy.log.filter(({ msg }) => msg === 'a folder was scrubbed').length;
  }

  it('takes each folder when it is due, and repairs what it finds', async (t) => {
    const mirrored = await startMirrored(t, { toml });
    const { registry, proxy, clock, get: ask } = mirrored;
    assert.equal(await scrubbed(mirrored), 1);
    const due = imageDueIn(2);
    const [layer] = due.layers as [typeof large];
    registry.putImage('due', '1', due);
    await pullAll(mirrored, 'due', '1', due);
    await settled(proxy);
    flipByte(storedFile(proxy.data, layer.digest), 0);
    await clock.advance(hour);
    assert.equal(await scrubbed(mirrored), 2);
    assert.notDeepEqual(readFileSync(storedFile(proxy.data, layer.digest)), layer.bytes(), 'not due yet');
    await clock.advance(hour);
    assert.equal(await scrubbed(mirrored), 3);
    assert.deepEqual(readFileSync(storedFile(proxy.data, layer.digest)), layer.bytes());
    await registry.refuse();
    assert.equal(cacheOf(await ask('due', `blobs/${layer.digest}`)), 'hit');
    const [line] = proxy.log.filter(({ msg, damaged }) => msg === 'a folder was scrubbed' && damaged !== 0);
    assert.deepEqual([line?.level, line?.checked, line?.bytes, line?.damaged], ['debug', 1, 3000, 1]);
    assert.equal(await metric(mirrored, 'entrepot_scrub_damaged_total{how="repaired"}'), 1);
  });

  it('is off unless it is asked for, begins with a reload, and ends with one', async (t) => {
    const mirrored = await startMirrored(t);
    const { proxy, clock } = mirrored;
    const arms = () => clock.pending.filter((ms) => ms === hour).length;
    assert.equal(arms(), 0);
    await proxy.reload({ toml });
    assert.equal(await scrubbed(mirrored), 1);
    await proxy.reload({ toml: `${toml}\n[log]\nlevel = "info"` });
    assert.equal(arms(), 1, 'nothing has changed for it');
    await proxy.reload({ toml: '' });
    assert.equal(arms(), 0);
    assert.deepEqual(
      proxy.log.filter(({ msg }) => String(msg).startsWith('this setting')),
      [],
    );
  });
});

describe('entrepot scrub', () => {
  for (const runs of [true, false]) {
    const when = runs ? 'while a server runs' : 'while none does';

    it(`repairs, says what it did, and exits with 0: ${when}`, async (t) => {
      const mirrored = await pulled(t);
      const { proxy, name } = mirrored;
      if (!runs) await proxy.stop();
      rmSync(storedFile(proxy.data, image.digest));
      flipByte(storedFile(proxy.data, large.digest), 1_500_000);
      // So that it waits, in a process that has nothing else to do. Here the clock of the server stands.
      const rate = runs ? '1GiB' : '4MiB';
      const { code, json, stderr } = await runCommand(proxy, 'scrub', '--json', '--rate', rate);
      assert.equal(code, 0, stderr);
      assert.deepEqual(
        json.damaged.toSorted((a: { reason: string }, b: { reason: string }) =>
          a.reason < b.reason ? -1 : 1,
        ),
        [
          { digest: image.digest, reason: 'its file is missing', image: name, repaired: true },
          { digest: large.digest, reason: 'its file has other bytes', image: name, repaired: true },
        ].toSorted((a, b) => (a.reason < b.reason ? -1 : 1)),
      );
      assert.deepEqual(json.unreadable, []);
      const again = await runCommand(proxy, 'scrub', '**/app:1');
      assert.deepEqual(
        [again.code, again.stdout],
        [0, '4 blobs and manifests checked, 2.9 MiB, 0 damaged\n'],
      );
      assert.equal((await runCommand(proxy, 'list', '--json')).json[0].tag, '1');
    });

    it(`says what is lost, and exits with 1: ${when}`, async (t) => {
      const mirrored = await pulled(t);
      const { proxy, registry, name } = mirrored;
      if (!runs) await proxy.stop();
      await registry.refuse();
      flipByte(storedFile(proxy.data, large.digest), 1_500_000);
      const { code, stdout } = await runCommand(proxy, 'scrub');
      assert.equal(code, 1);
      const [line, sum] = stdout.split('\n');
      assert.ok(
        line?.startsWith(
          `${name}@${large.digest}: its file has other bytes: lost: ${name}: no endpoint could give it`,
        ),
      );
      assert.equal(sum, '4 blobs and manifests checked, 2.9 MiB, 1 damaged, 1 lost');
      assert.equal((await runCommand(proxy, 'scrub')).code, 0);
    });
  }

  it('refuses a rate and a glob that are none', async (t) => {
    const { proxy } = await pulled(t);
    const rate = await runCommand(proxy, 'scrub', '--rate', 'fast');
    assert.deepEqual([rate.code, /--rate must be a size like/.test(rate.stderr)], [2, true]);
    const bare = await runCommand(proxy, 'scrub', '--rate', '50');
    assert.equal(bare.code, 2);
    assert.match(bare.stderr, /--rate 50 means 50 bytes a second: write 50MiB for megabytes/);
    const glob = await runCommand(proxy, 'scrub', 'a b');
    assert.deepEqual([glob.code, /"a b" is not a pattern/.test(glob.stderr)], [2, true]);
  });

  it('ends in the server when its client leaves', async (t) => {
    const mirrored = await pulled(t);
    const { proxy, clock } = mirrored;
    const socketPath = join(proxy.data, 'entrepot.sock');
    const asked = request({ socketPath, path: '/api/v1/scrub', method: 'POST' });
    asked.on('error', () => {});
    const answered = new Promise((resolve) => asked.once('response', resolve));
    asked.end('{"rate": 1}');
    await answered;
    await clock.armed(firstPause());
    asked.destroy();
    await eventually(async () => {
      await get(`${proxy.url}/v2/`);
      assert.ok(!clock.pending.includes(firstPause()));
    }, 1000);
  });
});
