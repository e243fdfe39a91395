/** The commands of the cache, over the admin socket of a server and on a data folder that no server holds. */
import assert from 'node:assert/strict';
import { chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fillCache } from '../../bench/full-cache.ts';
import { startApp } from '../support/app.ts';
import { runCommand } from '../support/commands.ts';
import { corruptAt, status } from '../support/fake-registry-faults.ts';
import { buildImage, buildIndex } from '../support/images.ts';
import { listen } from '../support/listener.ts';
import {
  cacheOf,
  insecureRegistry,
  type MirroredRegistry,
  settled,
  startMirrored,
} from '../support/mirrored-registry.ts';
import { runEntrepot } from '../support/processes.ts';
import { storedBytes, storedFile } from '../support/stored-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const image = buildImage({ seed: 'app', layers: [60_000, 1000] });
const sibling = buildImage({ seed: 'sibling', layers: [image.layers[0]!, 30_000] });
const bytesOf = ({ bytes, blobs }: typeof image) =>
  bytes.length + blobs.reduce((sum, { size }) => sum + size, 0);

type Mirrored = MirroredRegistry & { name: string };

/** `team/app:1` and `team/app:2`, which share a layer, were pulled through. */
async function pulled(t: TestContext, toml = ''): Promise<Mirrored> {
  const mirrored = await startMirrored(t, { toml });
  const { registry, get, proxy } = mirrored;
  for (const [tag, one] of [
    ['1', image],
    ['2', sibling],
  ] as const) {
    registry.putImage('team/app', tag, one);
    await get('team/app', `manifests/${tag}`);
    for (const { digest } of one.blobs) await get('team/app', `blobs/${digest}`);
  }
  await settled(proxy);
  registry.clear();
  return { ...mirrored, name: `${registry.host}/team/app` };
}

const command = ({ proxy }: Pick<Mirrored, 'proxy'>, ...args: string[]) => runCommand(proxy, ...args);

/** The same with a server and without one. */
function eitherWay(sentence: string, check: (t: TestContext, mirrored: Mirrored) => Promise<void>): void {
  it(`${sentence}: while a server runs`, async (t) => check(t, await pulled(t)));
  it(`${sentence}: while none does`, async (t) => {
    const mirrored = await pulled(t);
    await mirrored.proxy.stop();
    await check(t, mirrored);
  });
}

describe('entrepot list', () => {
  eitherWay('names images with tag, size, last use and where from', async (_, mirrored) => {
    const { name } = mirrored;
    const { json, code } = await command(mirrored, 'list', '--json');
    assert.equal(code, 0);
    assert.deepEqual(
      json.map(({ image: of, tag, digest, bytes, from, pinned }: Record<string, unknown>) => [
        ...[of, tag, digest, bytes, from, pinned],
      ]),
      [
        [name, '1', image.digest, bytesOf(image), name, false],
        [name, '2', sibling.digest, bytesOf(sibling), name, false],
      ],
    );
    assert.match(json[0].lastUsed, /^2026-01-01T00:/);
    const { stdout } = await command(mirrored, 'list', '**:2');
    assert.deepEqual(stdout.split('\n').length, 3);
    assert.match(stdout, new RegExp(`^${name}:2 +sha256:\\S{12} +89\\.0 KiB`, 'm'));
  });
});

describe('entrepot list of an empty cache', () => {
  it('says that nothing is cached yet, and what to do', async (t) => {
    const mirrored = await startMirrored(t);
    const { stdout, code } = await command(mirrored, 'list');
    assert.equal(code, 0);
    assert.match(stdout, /^nothing is cached yet: .*"entrepot pull REF"\n$/);
    assert.deepEqual((await command(mirrored, 'list', '--json')).json, []);
    const { stdout: none } = await command(mirrored, 'list', '**/app');
    assert.equal(none, 'nothing that is cached matches **/app\n');
  });
});

describe('a long answer', () => {
  it('goes whole through a pipe that holds less of it', async (t) => {
    const data = tempFolder(t);
    fillCache(data, 'registry.test', { blobs: 5000, asked: 0, real: 0 });
    const { code, stdout } = await runEntrepot(['list', '--data', data, '--json']);
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as unknown[]).length, 1000);
    assert.ok(stdout.length > 3 * 64 * 1024, `${stdout.length} bytes`);
  });
});

describe('entrepot usage', () => {
  eitherWay(
    'counts a shared blob once in all, and tells registries and repositories',
    async (_, mirrored) => {
      const { json } = await command(mirrored, 'usage', '--json');
      const bytes = bytesOf(image) + bytesOf(sibling) - image.layers[0]!.size;
      assert.equal(json.bytes, bytes);
      assert.equal(json.bytes, storedBytes(mirrored.proxy.data));
      assert.deepEqual(json.repositories, [{ name: mirrored.name, bytes, contents: 7, tags: 2 }]);
      assert.deepEqual(json.registries, [{ name: mirrored.registry.host, bytes, contents: 7, tags: 2 }]);
      assert.match((await command(mirrored, 'usage')).stdout, /no limit[\s\S]*REGISTRY[\s\S]*REPOSITORY/);
    },
  );
});

describe('entrepot purge', () => {
  eitherWay('takes a tag with what only it has, and leaves what others share', async (_, mirrored) => {
    const { json } = await command(mirrored, 'purge', `${mirrored.name}:1`, '--json');
    const bytes = bytesOf(image) - image.layers[0]!.size;
    const counts = { tags: 1, unlinked: 3, removed: 3, bytes };
    assert.deepEqual(json, [
      { reference: `${mirrored.name}:1`, ...counts, pinned: false, kept: [], hosted: [] },
    ]);
    const { json: left } = await command(mirrored, 'list', '--json');
    assert.deepEqual(
      left.map(({ tag, bytes: size }: { tag: string; bytes: number }) => [tag, size]),
      [['2', bytesOf(sibling)]],
    );
    assert.equal(storedBytes(mirrored.proxy.data), bytesOf(sibling));
    const again = await command(mirrored, 'purge', `${mirrored.name}:1`);
    assert.deepEqual([again.code, again.stdout], [0, `${mirrored.name}:1: nothing of it is cached\n`]);
  });

  it('takes a whole repository, and the next pull fetches it again', async (t) => {
    const mirrored = await pulled(t);
    await command(mirrored, 'purge', mirrored.name);
    assert.equal(storedBytes(mirrored.proxy.data), 0);
    assert.equal(cacheOf(await mirrored.get('team/app', 'manifests/1')), 'fetched');
  });

  it('leaves what another repository serves', async (t) => {
    const mirrored = await pulled(t);
    mirrored.registry.putImage('other/app', '1', image);
    await mirrored.get('other/app', 'manifests/1');
    for (const { digest } of image.blobs) await mirrored.get('other/app', `blobs/${digest}`);
    await command(mirrored, 'purge', mirrored.name);
    await mirrored.registry.refuse();
    for (const { digest } of image.blobs) {
      assert.equal(cacheOf(await mirrored.get('other/app', `blobs/${digest}`)), 'hit');
      assert.notEqual((await mirrored.get('team/app', `blobs/${digest}`)).status, 200);
    }
  });

  it('takes a digest with every tag on it', async (t) => {
    const mirrored = await pulled(t);
    const { json } = await command(mirrored, 'purge', `${mirrored.name}@${sibling.digest}`, '--json');
    assert.deepEqual([json[0].tags, json[0].unlinked], [1, 3]);
  });
});

describe('entrepot pin', () => {
  it('keeps an image from eviction, over a restart, until it is unpinned', async (t) => {
    const toml = '[cache]\nmax_size = "300KiB"';
    const mirrored = await pulled(t, toml);
    const { registry, get, name, proxy, clock } = mirrored;
    const { json } = await command(mirrored, 'pin', `${name}:1`, '--json');
    assert.deepEqual(json, { configured: [], added: [`${name}:1`], unmatched: [] });
    assert.deepEqual(
      (await command(mirrored, 'list', '--json')).json.map(({ pinned }: { pinned: boolean }) => pinned),
      [true, false],
    );
    async function flood(seed: string): Promise<void> {
      for (let n = 0; n < 6; n += 1) {
        await clock.advance(1000);
        const other = buildImage({ seed: `${seed}${n}`, layers: [80_000] });
        registry.putImage(`flood/${n}`, seed, other);
        await get(`flood/${n}`, `manifests/${seed}`);
        await get(`flood/${n}`, `blobs/${other.layers[0]!.digest}`);
        await settled(proxy);
      }
    }
    const digest = image.layers[1]!.digest;
    await flood('a');
    assert.ok(existsSync(storedFile(proxy.data, digest)));
    const { json: after } = await command(mirrored, 'unpin', `${name}:1`, '--json');
    assert.deepEqual(after, { configured: [], added: [] });
    await flood('b');
    assert.ok(!existsSync(storedFile(proxy.data, digest)));
  });

  eitherWay('takes globs, keeps them, and refuses what is none', async (_, mirrored) => {
    await command(mirrored, 'pin', '**/app:*', 'alpine');
    const { stdout } = await command(mirrored, 'pin');
    assert.equal(stdout, '**/app:*\ndocker.io/library/alpine\n');
    const wrong = await command(mirrored, 'unpin', 'busybox');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /^entrepot: docker\.io\/library\/busybox is not pinned by command/);
    const left = await command(mirrored, 'unpin', '**/app:*');
    assert.equal(left.stdout, 'still pinned:\ndocker.io/library/alpine\n');
    assert.equal((await command(mirrored, 'unpin', 'alpine')).stdout, 'nothing is pinned\n');
  });
});

describe('entrepot pull', () => {
  eitherWay('brings every platform, and what is here is not fetched again', async (_, mirrored) => {
    const { registry } = mirrored;
    const index = buildIndex({ layers: [2_000_000] });
    registry.putImage('multi', '1', index);
    const reference = `${registry.host}/multi:1`;
    const { json, code, stderr } = await command(mirrored, 'pull', reference, '--json');
    assert.equal(code, 0, stderr);
    const all = [...index.children, ...index.images].map(({ digest }) => digest);
    const [report] = json;
    assert.deepEqual(
      [report.reference, report.digest, report.manifests, report.blobs, report.failures],
      [reference, index.digest, new Set([index.digest, ...all]).size, index.blobs.length, []],
    );
    assert.equal(report.fetched, report.bytes);
    const { json: again } = await command(mirrored, 'pull', reference, '--json');
    assert.deepEqual([again[0].bytes, again[0].fetched], [report.bytes, 0]);
    assert.equal(registry.count({ kind: 'blob', method: 'GET' }), index.blobs.length);
  });

  it('brings the platforms that are named only', async (t) => {
    const mirrored = await pulled(t);
    const index = buildIndex({ platforms: ['linux/amd64', 'linux/arm64/v8', 'linux/s390x'] });
    mirrored.registry.putImage('multi', '1', index);
    const pull = (...args: string[]) =>
      command(mirrored, 'pull', ...args, `${mirrored.registry.host}/multi:1`, '--json');
    const { json } = await pull('--platform', 'linux/arm64');
    assert.deepEqual([json[0].manifests, json[0].blobs], [2, 2]);
    const two = await pull('--platform', 'linux/arm64', '--platform', 'linux/s390x');
    assert.deepEqual([two.json[0].manifests, two.json[0].failures], [3, []]);
  });

  it('fails for a platform that an image lacks, and tells which it has', async (t) => {
    const mirrored = await pulled(t);
    mirrored.registry.putImage('multi', '1', buildIndex({ platforms: ['linux/amd64', 'linux/arm64/v8'] }));
    const reference = `${mirrored.registry.host}/multi:1`;
    const platforms = ['windows/amd64', 'linux/arm64'].flatMap((platform) => ['--platform', platform]);
    const { code, json } = await command(mirrored, 'pull', reference, ...platforms, '--json');
    assert.deepEqual([code, json[0].manifests], [1, 2]);
    assert.deepEqual(json[0].failures, [
      `${reference}: has no platform windows/amd64: it has linux/amd64, linux/arm64/v8`,
    ]);
    const wrong = await command(mirrored, 'pull', reference, '--platform', 'arm64');
    assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
    assert.match(wrong.stderr, /^entrepot: --platform must be OS\/ARCH, such as .* not "arm64"/);
  });

  it('fails for what cannot be had, and goes on with the rest', async (t) => {
    const mirrored = await pulled(t);
    const { registry, name } = mirrored;
    registry.on({ digest: image.layers[0]!.digest }, corruptAt(5));
    const { code, json } = await command(mirrored, 'pull', `${name}:none`, `${name}:2`, '--json');
    assert.equal(code, 1);
    assert.match(json[0].failures[0], /none: not found: .* notFound/);
    assert.deepEqual(json[1].failures, []);
    const unlisted = await command(mirrored, 'pull', 'quay.io/team/app');
    assert.equal(unlisted.code, 2);
    assert.match(unlisted.stderr, /not listed in registries\.conf/);
  });
});

it('pull and purge tell what a name of routing.names is for a command', async (t) => {
  const names = (host: string) => `[routing]\nnames = { "corp" = "${host}" }\n`;
  const mirrored = await startMirrored(t, {
    registries: ({ host }) =>
      `${insecureRegistry(host)}[[registry]]\nprefix = "docker.io"\nlocation = "${host}/hub"\ninsecure = true\n`,
  });
  const { registry, proxy } = mirrored;
  await proxy.reload({ toml: names(registry.host) });
  const hint = `corp/team/app:1: a client that asks this server for it gets ${registry.host}/team/app:1: name that one here\n`;
  const missing = await command(mirrored, 'pull', 'corp/team/app:1');
  assert.deepEqual([missing.code, missing.stdout.endsWith(hint)], [1, true], missing.stdout);
  const nothing = await command(mirrored, 'purge', 'corp/team/app:1');
  assert.deepEqual([nothing.code, nothing.stdout.endsWith(hint)], [0, true], nothing.stdout);
  await proxy.reload({ registries: insecureRegistry(registry.host) });
  const unlisted = await command(mirrored, 'pull', 'corp/team/app:1');
  assert.deepEqual([unlisted.code, unlisted.stderr.includes(hint.trim())], [2, true], unlisted.stderr);

  registry.putImage('team/app', '1', image);
  const name = `${registry.host}/team/app:1`;
  for (const verb of ['pull', 'purge'])
    assert.doesNotMatch((await command(mirrored, verb, name)).stdout, /a client that asks/);
});

describe('entrepot pull of what cannot be kept', () => {
  const small = buildImage({ seed: 'small', layers: [50_000] });
  const large = buildImage({ seed: 'large', layers: [60_000, 60_000, 60_000] });

  it('fails for an image that is larger than its quota, and drives out no other', async (t) => {
    const toml = '[[cache.quota]]\nmatch = "**/team/*"\nmax_size = "150KB"\n';
    const mirrored = await startMirrored(t, { toml });
    const { registry } = mirrored;
    registry.putImage('team/small', '1', small);
    registry.putImage('team/large', '1', large);
    const at = (name: string) => `${registry.host}/team/${name}:1`;
    assert.equal((await command(mirrored, 'pull', at('small'))).code, 0);
    const { code, stdout } = await command(mirrored, 'pull', at('large'));
    assert.equal(code, 1);
    assert.match(
      stdout,
      /failed: \S+large:1: has 1\d\dKiB, but the quota of \*\*\/team\/\* has room for 147KiB only/,
    );
    assert.equal(registry.count({ kind: 'blob', method: 'GET', digest: large.layers[0]!.digest }), 0);
    assert.equal(cacheOf(await mirrored.get('team/small', `blobs/${small.layers[0]!.digest}`)), 'hit');
  });

  it('fails if the disk takes none of it', async (t) => {
    const app = { freeBytes: () => 0 };
    const mirrored = await startMirrored(t, { toml: '[cache]\nmin_free = "1MB"\n', app });
    mirrored.registry.putImage('team/small', '1', small);
    const { code, stdout } = await command(mirrored, 'pull', `${mirrored.registry.host}/team/small:1`);
    assert.equal(code, 1);
    assert.match(stdout, /failed: \S+small:1: has \d+KiB, but the disk has room for 0B only/);
  });

  it('fails if what was fetched is not there afterwards', async (t) => {
    let free = 1_000_000;
    const mirrored = await startMirrored(t, {
      toml: '[cache]\nmin_free = "0B"\n',
      app: { freeBytes: () => free },
    });
    mirrored.registry.putImage('team/small', '1', small);
    const fillDisk = async () => {
      free = 0;
    };
    mirrored.registry.on({ kind: 'blob', method: 'GET' }, { before: fillDisk });
    const { code, stdout } = await command(mirrored, 'pull', `${mirrored.registry.host}/team/small:1`);
    assert.equal(code, 1);
    assert.match(stdout, /failed: \S+small@sha256:\S+: it was fetched but cannot be kept in the cache/);
  });

  it('ends with 0 and a note if an attestation alone is missing', async (t) => {
    const mirrored = await startMirrored(t);
    const index = buildIndex({ platforms: ['linux/amd64', 'unknown/unknown'] });
    mirrored.registry.putImage('team/built', '1', index);
    mirrored.registry.on({ digest: index.images[1]!.digest }, status(404));
    const { code, stdout } = await command(mirrored, 'pull', `${mirrored.registry.host}/team/built:1`);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /note: .*not found.*attestation/);
  });
});

describe('entrepot list, of images that are here in part', () => {
  eitherWay('tells how much of each is here, and which platforms can be pulled', async (_, mirrored) => {
    const { registry } = mirrored;
    const index = buildIndex({ platforms: ['linux/amd64', 'linux/arm64', 'unknown/unknown'], seed: 'part' });
    registry.putImage('multi', '1', index);
    const at = (name: string) => `${registry.host}/${name}`;
    await command(mirrored, 'pull', '--platform', 'linux/arm64', at('multi:1'));
    const { json } = await command(mirrored, 'list', '--json');
    const of = (name: string, tag: string) =>
      json.find((one: { image: string; tag: string }) => one.image === at(name) && one.tag === tag);
    const { complete, here, needed, platforms } = of('multi', '1');
    assert.deepEqual([complete, here, needed], [false, 4, 5]);
    assert.deepEqual(platforms, [
      { platform: 'linux/amd64', complete: false, here: 0, needed: 1 },
      { platform: 'linux/arm64', complete: true, here: 3, needed: 3 },
    ]);
    assert.deepEqual([of('team/app', '1').complete, of('team/app', '1').needed], [true, 4]);
    const { stdout } = await command(mirrored, 'list');
    assert.match(stdout, /multi:1 .* 4 of 5 +linux\/arm64 /);
    assert.match(stdout, /team\/app:1 .* yes +- /);
  });

  it('an image of which a client has asked for the manifest only is not complete', async (t) => {
    const mirrored = await pulled(t);
    const bare = buildImage({ seed: 'bare', layers: [100, 200] });
    mirrored.registry.putImage('bare', '1', bare);
    await mirrored.get('bare', 'manifests/1');
    const { json } = await command(mirrored, 'list', '--json', '**/bare');
    assert.deepEqual([json[0].complete, json[0].here, json[0].needed], [false, 1, 4]);
  });
});

describe('entrepot purge of patterns and pins', () => {
  eitherWay('takes a pattern, and says what was purged', async (_, mirrored) => {
    const { name } = mirrored;
    const { code, stdout } = await command(mirrored, 'purge', '**/app:*');
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^${name}:1: 1 tag, .* removed\n${name}:2: 1 tag, .* removed\n$`));
    assert.deepEqual((await command(mirrored, 'list', '--json')).json, []);
    const none = await command(mirrored, 'purge', '**/other:*');
    assert.equal(none.stdout, '**/other:*: nothing that is cached matches\n');
  });

  eitherWay('leaves what is pinned alone, unless it is told to take that too', async (_, mirrored) => {
    const { name } = mirrored;
    await command(mirrored, 'pin', `${name}:1`);
    const refused = await command(mirrored, 'purge', `${name}:1`);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /:1 is pinned: unpin it first, or purge it with --pinned/);
    const some = await command(mirrored, 'purge', '**/app:*');
    assert.match(some.stdout, /app:1: is pinned and stays: --pinned removes it too\n\S+app:2: 1 tag,/);
    const all = await command(mirrored, 'purge', '--pinned', `${name}:1`);
    assert.match(all.stdout, /app:1: 1 tag,/);
  });

  for (const what of ['the reference', 'a pattern that matches']) {
    eitherWay(
      `keeps of ${what} of a repository the pinned tag alone, and what it needs`,
      async (_, mirrored) => {
        const { name, proxy } = mirrored;
        await command(mirrored, 'pin', `${name}:1`);
        const purged = await command(mirrored, 'purge', what === 'the reference' ? name : '**/app');
        assert.equal(purged.code, 0, purged.stderr);
        assert.match(
          purged.stdout,
          new RegExp(
            `^${name}: 1 tag, 3 blobs and manifests of .* removed\n${name}:1: is pinned and stays: .*\n$`,
          ),
        );
        const { json } = await command(mirrored, 'list', '--json');
        assert.deepEqual(
          json.map(({ tag, complete }: { tag: string; complete: boolean }) => [tag, complete]),
          [['1', true]],
        );
        assert.equal(storedBytes(proxy.data), bytesOf(image));
        const again = await command(mirrored, 'purge', name);
        assert.deepEqual([again.code, again.stdout], [1, '']);
        const all = await command(mirrored, 'purge', '--pinned', name);
        assert.match(all.stdout, /^\S+app: 1 tag, 4 blobs and manifests of .* removed\n$/);
        assert.equal(storedBytes(proxy.data), 0);
      },
    );
  }

  it('takes a tag that is not pinned off a manifest that stays for a pinned one', async (t) => {
    const mirrored = await pulled(t);
    const { name, registry, get } = mirrored;
    registry.putImage('team/app', 'latest', image);
    await get('team/app', 'manifests/latest');
    await command(mirrored, 'pin', `${name}:1`);
    const { json } = await command(mirrored, 'purge', name, '--json');
    assert.deepEqual([json[0].tags, json[0].pinned, json[0].kept], [2, false, [`${name}:1`]]);
    const left = (await command(mirrored, 'list', '--json')).json as { tag: string }[];
    assert.deepEqual(
      left.map(({ tag }) => tag),
      ['1'],
    );
  });

  it('is told in the log of the server, with what was purged', async (t) => {
    const mirrored = await pulled(t);
    await command(mirrored, 'purge', `${mirrored.name}:1`);
    const line = mirrored.proxy.log.find(({ msg }) => msg === 'purged');
    assert.deepEqual([line?.command, line?.reference, line?.tags], ['purge', `${mirrored.name}:1`, 1]);
    assert.ok(
      mirrored.proxy.log.some(({ command, about }) => command === 'purge' && about === `${mirrored.name}:1`),
    );
  });
});

describe('a pin that matches nothing', () => {
  eitherWay('is made, and says so', async (_, mirrored) => {
    const { code, stdout } = await command(mirrored, 'pin', 'quay.io/none/**', `${mirrored.name}:1`);
    assert.equal(code, 0);
    assert.match(stdout, /note: nothing that is cached matches quay\.io\/none\/\*\*: /);
    assert.equal(stdout.match(/note:/g)?.length, 1);
  });
});

describe('entrepot gc', () => {
  eitherWay('makes index and content agree', async (_, mirrored) => {
    const { proxy } = mirrored;
    const misnamed = storedFile(proxy.data, image.layers[1]!.digest).replace(/.$/, (last) =>
      last === 'f' ? '0' : 'f',
    );
    writeFileSync(misnamed, 'not what its name says');
    const { code, json } = await command(mirrored, 'gc', '--json');
    assert.equal(code, 0);
    assert.deepEqual([json.added, json.dropped, existsSync(misnamed)], [0, 0, false]);
    assert.equal(json.bytes, bytesOf(image) + bytesOf(sibling) - image.layers[0]!.size);
  });
});

describe('the admin socket', () => {
  it("is its owner's alone, goes with the server, and refuses nonsense", async (t) => {
    const { proxy } = await pulled(t);
    const socketPath = join(proxy.data, 'entrepot.sock');
    assert.equal(statSync(socketPath).mode & 0o777, 0o600);
    const ask = (path: string, body: string): Promise<number> =>
      new Promise((resolve, reject) => {
        const asked = request({ socketPath, path, method: 'POST' }, (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        });
        asked.on('error', reject);
        asked.end(body);
      });
    assert.deepEqual(
      await Promise.all([
        ask('/api/v1/gc', ''),
        ask('/api/v1/purge', '{}'),
        ask('/api/v1/purge', 'no json'),
        ask('/api/v1/pull', '{}'),
        ask('/api/v1/scrub', '{"rate": "fast"}'),
        ask('/api/v1/nothing', '{}'),
      ]),
      [200, 400, 400, 400, 400, 404],
    );
    await proxy.stop();
    assert.equal(existsSync(socketPath), false);
  });

  it('tells a health check that the server is alive, without a line in the log', async (t) => {
    const { proxy } = await pulled(t);
    const socketPath = join(proxy.data, 'entrepot.sock');
    const lines = proxy.log.length;
    const status = await new Promise((resolve, reject) => {
      const asked = request({ socketPath, path: '/healthz' }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.on('error', reject);
      asked.end();
    });
    assert.deepEqual([status, proxy.log.length], [200, lines]);
  });

  it('is no condition for serving: where it cannot be made, the log says so', async (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'data/entrepot.sock'), { recursive: true, mode: 0o700 });
    const { proxy } = await startMirrored(t, { folder });
    assert.ok(proxy.log.some(({ level, msg }) => level === 'warn' && /no admin socket/.test(String(msg))));
    assert.deepEqual(await proxy.stop(), { cut: 0 });
  });

  it('is not left behind by a start that fails', async (t) => {
    const holder = await listen({}, () => {});
    t.after(() => holder.close());
    const folder = tempFolder(t);
    await assert.rejects(startApp(t, { registries: '', folder, listen: holder.host }), {
      code: 'LISTEN_FAILED',
    });
    assert.ok(!existsSync(join(folder, 'data/entrepot.sock')));
  });

  it('left behind by a kill is no server', async (t) => {
    const mirrored = await pulled(t);
    await mirrored.proxy.stop();
    writeFileSync(join(mirrored.proxy.data, 'entrepot.sock'), '');
    assert.equal((await command(mirrored, 'usage', '--json')).code, 0);
  });
});

describe('a command', () => {
  it('does not make a data folder where there is none', async (t) => {
    const data = join(tempFolder(t), 'none');
    const { code, stderr } = await runEntrepot(['list', '--data', data]);
    assert.equal(code, 1);
    assert.match(stderr, /none: no data folder of Entrepot is there/);
    assert.equal(existsSync(data), false);
  });

  it('does not take any folder for an empty cache', async (t) => {
    const data = tempFolder(t);
    writeFileSync(join(data, 'letter.txt'), '');
    for (const name of ['list', 'usage', 'gc', 'scrub']) {
      const { code, stdout } = await runEntrepot([name, '--data', data]);
      assert.deepEqual([code, stdout, readdirSync(data)], [1, '', ['letter.txt']]);
    }
  });
});

describe('a command, while the configuration on the disk is wrong', () => {
  it('acts on the server, which runs on with the one before', async (t) => {
    const mirrored = await pulled(t);
    const { folder } = mirrored.proxy;
    for (const file of ['registries.conf', 'entrepot.toml']) writeFileSync(join(folder, file), 'broken =\n');
    const { json } = await command(mirrored, 'list', '--json');
    assert.equal(json.length, 2);
    assert.equal(
      (await command(mirrored, 'token', 'create', 'ci', '--match', '**', '--may', 'pull')).code,
      0,
    );
    assert.equal((await command(mirrored, 'token', 'revoke', 'ci')).code, 0);
    const misused = await command(mirrored, 'list', '--log-level', 'loud');
    assert.deepEqual([misused.code, misused.stderr.includes('--log-level')], [2, true]);

    await mirrored.proxy.stop();
    const { code, stderr } = await command(mirrored, 'list');
    assert.deepEqual([code, /registries\.conf:1: is not valid TOML/.test(stderr)], [2, true], stderr);
  });

  it('asks for --data where entrepot.toml cannot be read: another server could be meant', async (t) => {
    const mirrored = await pulled(t);
    const toml = join(tempFolder(t), 'entrepot.toml');
    writeFileSync(toml, 'broken =\n');
    const env = { ENTREPOT_DEFAULT_DATA: mirrored.proxy.data };
    const { code, stderr } = await runEntrepot(['list', '--config', toml], { env });
    assert.equal(code, 2);
    assert.match(stderr, /:1: is not valid TOML[\s\S]*name that of the server with --data\n$/);
    const named = { ENTREPOT_DATA: mirrored.proxy.data };
    assert.equal((await runEntrepot(['list', '--config', toml], { env: named })).code, 0);
  });
});

describe('a command of root, where the data folder belongs to another user', () => {
  const owner = 12_345;
  const isRoot = process.getuid?.() === 0;
  const foreign = (t: TestContext) => {
    const data = join(tempFolder(t), 'data');
    mkdirSync(data);
    chownSync(data, owner, owner);
    return data;
  };

  it('is refused without a server, and leaves nothing there', async (t) => {
    if (!isRoot) return t.skip('only root can give a folder away');
    const data = foreign(t);
    for (const words of [
      ['token', 'create', 'ci', '--match', '**'],
      ['import', '/dev/null'],
      ['restore', '/dev/null'],
    ]) {
      const { code, stderr } = await runEntrepot([...words, '--data', data]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /data: belongs to another user \(12345\).*runuser -u "\$\(stat -c %U '/);
      assert.deepEqual(readdirSync(data), [], words.join(' '));
    }
  });

  it('is done by the server that runs', async (t) => {
    if (!isRoot) return t.skip('only root can give a folder away');
    const mirrored = await pulled(t);
    chownSync(mirrored.proxy.data, owner, owner);
    assert.equal((await command(mirrored, 'list')).code, 0);
    await mirrored.proxy.stop();
    assert.match((await command(mirrored, 'list')).stderr, /belongs to another user \(12345\)/);
  });
});
