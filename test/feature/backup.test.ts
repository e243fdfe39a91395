/** `entrepot backup` and `entrepot restore`: what comes back, from which moment, and what is refused (issue 15). */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import type { Digest } from '../../src/oci/digest.ts';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { blobOf } from '../support/byte-source.ts';
import { runCommand } from '../support/commands.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { signedSchema1 } from '../support/signed-schema1.ts';
import { smallDisk } from '../support/small-disk.ts';
import { flipByte, storedFile } from '../support/stored-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const toml = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
delete = true
`;
const name = 'images.local/team/app';

interface Pushed {
  readonly digest: string;
  readonly blobs: readonly Buffer[];
}

async function push(url: string, tag: string, sizes = [100, 50_000], to = name): Promise<Pushed> {
  const blobs = sizes.map((size) => randomBytes(size));
  const client = pusher(url, to);
  for (const blob of blobs) await client.blob(blob);
  const json = imageManifest(blobs);
  const { status } = await client.manifest(tag, json);
  assert.equal(status, 201);
  return { digest: sha256(JSON.stringify(json)), blobs };
}

/** What a pull gives: undefined where the tag is not there, else all of the image. */
async function pulled(url: string, tag: string, of = name): Promise<string | undefined> {
  const manifest = await get(`${url}/v2/${of}/manifests/${tag}`);
  if (manifest.status === 404) return undefined;
  assert.equal(manifest.status, 200);
  const { config, layers } = JSON.parse(manifest.body.toString()) as ReturnType<typeof imageManifest>;
  for (const { digest } of [config, ...layers]) {
    const blob = await get(`${url}/v2/${of}/blobs/${digest}`);
    assert.deepEqual([blob.status, sha256(blob.body)], [200, digest]);
  }
  return sha256(manifest.body);
}

async function server(t: TestContext, more = ''): Promise<RunningApp> {
  return await startApp(t, {
    registries: '[[registry]]\nlocation = "listed.test"\n',
    toml: `${toml}${more}`,
  });
}

/** A server on what a restore gave. */
async function restoredServer(
  t: TestContext,
  from: string,
  registries = '[[registry]]\nlocation = "listed.test"\n',
): Promise<RunningApp> {
  const folder = tempFolder(t);
  const proxy = { folder, data: join(folder, 'data') };
  writeFileSync(join(folder, 'registries.conf'), registries);
  writeFileSync(join(folder, 'entrepot.toml'), toml);
  const { code, stderr } = await runCommand(proxy, 'restore', from);
  assert.equal(code, 0, stderr);
  return await startApp(t, { registries, toml, folder });
}

for (const [kind, at] of [
  ['a file', 'backup.tar'],
  ['a folder', 'backup/'],
] as const) {
  describe(`a backup in ${kind}`, () => {
    it('gives back images, their order of pushes, and tokens', async (t) => {
      const proxy = await server(t);
      const to = `${tempFolder(t)}/${at}`;
      const first = await push(proxy.url, '1');
      const second = await push(proxy.url, '2');
      const token = await runCommand(
        proxy,
        'token',
        'create',
        'ci',
        '--match',
        '**',
        '--may',
        'pull',
        '--json',
      );
      const made = await runCommand(proxy, 'backup', '--to', to, '--json');
      assert.equal(made.code, 0, made.stderr);
      assert.equal(made.json.contents, 6);
      await push(proxy.url, '3');
      await proxy.stop();

      const restored = await restoredServer(t, to);
      assert.deepEqual(
        [await pulled(restored.url, '1'), await pulled(restored.url, '2'), await pulled(restored.url, '3')],
        [first.digest, second.digest, undefined],
      );
      const tokens = await runCommand(restored, 'token', 'list', '--json');
      assert.deepEqual(
        tokens.json.map((one: { name: string }) => one.name),
        ['ci'],
      );
      assert.ok(token.json.token.length > 20);
      await push(restored.url, '4');
    });

    it('is readable by its owner alone', async (t) => {
      const proxy = await server(t);
      await push(proxy.url, '1');
      await runCommand(proxy, 'token', 'create', 'ci', '--match', '**', '--may', 'pull');
      const to = `${tempFolder(t)}/${at}`;
      await runCommand(proxy, 'backup', '--to', to);
      const files = statSync(to).isDirectory()
        ? readdirSync(to, { recursive: true, encoding: 'utf8' }).map((file) => join(to, file))
        : [to];
      assert.ok(files.length > 0);
      for (const file of files) assert.equal(statSync(file).mode & 0o077, 0, file);
    });

    it('is the state of one moment: what is deleted meanwhile is still in it', async (t) => {
      const proxy = await server(t);
      const kept = new Map<string, Pushed>();
      for (let n = 0; n < 12; n += 1) kept.set(`k${n}`, await push(proxy.url, `k${n}`, [10, 300_000]));
      let isOver = false;
      // Each tag is deleted before the next one is pushed, so a state that existed has at most one of them.
      async function churn(): Promise<void> {
        for (let n = 0; !isOver; n += 1) {
          const { digest } = await push(proxy.url, `c${n}`, [10, 20_000], 'images.local/team/churn');
          const { status } = await pusher(proxy.url, 'images.local/team/churn').send(
            'DELETE',
            `manifests/${digest}`,
          );
          assert.equal(status, 202);
        }
      }
      const churning = churn();
      const to = `${tempFolder(t)}/${at}`;
      const backups = await Promise.all([
        runCommand(proxy, 'backup', '--to', to),
        (async () => {
          for (const { digest } of kept.values())
            await pusher(proxy.url, name).send('DELETE', `manifests/${digest}`);
        })(),
      ]);
      isOver = true;
      await churning;
      assert.equal(backups[0].code, 0, backups[0].stderr);
      await proxy.stop();

      const restored = await restoredServer(t, to);
      // The deletions went on in order: what is left of them is their end.
      const there: boolean[] = [];
      for (const [tag, { digest }] of kept) {
        const found = await pulled(restored.url, tag);
        assert.ok(found === undefined || found === digest);
        there.push(found !== undefined);
      }
      assert.deepEqual(
        there,
        there.toSorted((a, b) => Number(a) - Number(b)),
      );
      const listed = await get(`${restored.url}/v2/images.local/team/churn/tags/list`);
      const { tags = [] } = JSON.parse(listed.body.toString()) as { tags?: string[] };
      assert.ok(tags.length <= 1, `${tags}`);
      for (const tag of tags) assert.ok(await pulled(restored.url, tag, 'images.local/team/churn'));
    });
  });
}

describe('the content of a backup', () => {
  it('is what was pushed; with all, also what is cached; with list, none', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/up', '1', buildImage({ seed: 'up', layers: [2000] }));
    const proxy = await startApp(t, { registries: insecureRegistry(registry.host), toml });
    await push(proxy.url, '1');
    assert.ok(await pulled(proxy.url, '1', `${registry.host}/team/up`));
    const folder = tempFolder(t);
    const counts: Record<string, number> = {};
    for (const content of ['hosted', 'all', 'list']) {
      const to = join(folder, content);
      const { json } = await runCommand(proxy, 'backup', '--to', to, '--content', content, '--json');
      counts[content] = json.contents;
    }
    assert.deepEqual(counts, { hosted: 3, all: 6, list: 0 });
    await proxy.stop();
    await registry.stop();

    const hosted = await restoredServer(t, join(folder, 'hosted'));
    assert.ok(await pulled(hosted.url, '1'));
    const listed = await restoredServer(t, join(folder, 'list'));
    const all = await runCommand(listed, 'list', '--json');
    assert.deepEqual(all.json, [], 'no content, so nothing to pull');
    const { digest } = await push(listed.url, '2');
    assert.equal(await pulled(listed.url, '2'), digest);
  });

  it('with all, has signed manifests of schema 1, which are named by a part of their bytes', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    const { bytes, digest } = signedSchema1;
    const headers = { 'content-type': mediaTypes.dockerSchema1Signed, 'docker-content-digest': digest };
    registry.on(
      { kind: 'manifest' },
      { answer: () => ({ status: 200, headers, body: blobOf(bytes), from: 0 }) },
    );
    const path = `/v2/${registry.host}/old/manifests/${digest}`;
    const registries = insecureRegistry(registry.host);
    const proxy = await startApp(t, { registries, toml });
    assert.equal((await get(`${proxy.url}${path}`)).status, 200);
    await registry.stop();
    const folder = tempFolder(t);
    for (const at of ['backup.tar', 'backup/']) {
      const to = `${folder}/${at}`;
      const made = await runCommand(proxy, 'backup', '--to', to, '--content', 'all', '--json');
      assert.deepEqual([made.code, made.json.contents], [0, 1], made.stderr);
      const verified = await runCommand(proxy, 'restore', '--verify', to);
      assert.equal(verified.code, 0, verified.stderr);
    }
    assert.equal((await runCommand(proxy, 'scrub')).code, 0, 'it is still there');
    await proxy.stop();
    for (const at of ['backup.tar', 'backup/']) {
      const restored = await restoredServer(t, `${folder}/${at}`, registries);
      const answer = await get(`${restored.url}${path}`);
      assert.deepEqual([answer.status, answer.body.toString()], [200, bytes], at);
    }
  });

  it('without what is lost: the rest is there, the command says so, and a restore takes it', async (t) => {
    const proxy = await server(t);
    const whole = await push(proxy.url, '1');
    const damaged = await push(proxy.url, '2');
    const missing = await push(proxy.url, '3');
    flipByte(storedFile(proxy.data, sha256(damaged.blobs[1]!) as Digest), 40_000);
    rmSync(storedFile(proxy.data, sha256(missing.blobs[1]!) as Digest));
    const to = join(tempFolder(t), 'backup.tar');
    const { code, json } = await runCommand(proxy, 'backup', '--to', to, '--json');
    assert.equal(code, 3);
    const lost = [damaged, missing].map(({ blobs }) => sha256(blobs[1]!));
    assert.deepEqual(json.lost.toSorted(), lost.toSorted());
    await proxy.stop();
    const restored = await restoredServer(t, to);
    assert.equal(await pulled(restored.url, '1'), whole.digest);
    const gone = await get(`${restored.url}/v2/${name}/blobs/${lost[0]}`);
    assert.equal(gone.status, 404);
    await pusher(restored.url, name).blob(damaged.blobs[1]!);
    assert.equal(await pulled(restored.url, '2'), damaged.digest, 'its names have waited for it');
  });

  it('in a folder is written once, and what the next backup does not name goes', async (t) => {
    const proxy = await server(t);
    const first = await push(proxy.url, '1');
    const to = tempFolder(t);
    await runCommand(proxy, 'backup', '--to', to);
    await pusher(proxy.url, name).send('DELETE', `manifests/${first.digest}`);
    await runCommand(proxy, 'purge', '--hosted', name);
    await push(proxy.url, '2');
    const { json } = await runCommand(proxy, 'backup', '--to', to, '--json');
    assert.ok(json.written < json.bytes + 1_000_000);
    const again = await runCommand(proxy, 'backup', '--to', to, '--json');
    const index = again.json.files.find(({ path }: { path: string }) => path === 'index-v1.sqlite');
    assert.ok(again.json.written <= index.size, 'the index at most');
    const blobs = readdirSync(join(to, 'blobs', 'sha256'));
    assert.equal(blobs.length, 3 + again.json.files.length);
    await proxy.stop();
    const restored = await restoredServer(t, to);
    assert.deepEqual(
      [await pulled(restored.url, '1'), !!(await pulled(restored.url, '2'))],
      [undefined, true],
    );
  });
});

describe('a backup that holds more than it counts', () => {
  it('has pushed content with the bytes of a file of access control as both', async (t) => {
    const proxy = await server(t);
    await runCommand(proxy, 'token', 'create', 'ci', '--match', '**', '--may', 'pull');
    const robots = readFileSync(join(proxy.data, 'access', 'robots.json'));
    const client = pusher(proxy.url, name);
    const blobs = [randomBytes(10), robots];
    for (const blob of blobs) await client.blob(blob);
    assert.equal((await client.manifest('1', imageManifest(blobs))).status, 201);
    const folder = tempFolder(t);
    for (const at of ['backup.tar', 'backup/']) {
      assert.equal((await runCommand(proxy, 'backup', '--to', `${folder}/${at}`)).code, 0);
      const { code, stderr } = await runCommand(proxy, 'restore', '--verify', `${folder}/${at}`);
      assert.equal(code, 0, stderr);
    }
    const list = join(folder, 'list.tar');
    assert.equal((await runCommand(proxy, 'backup', '--to', list, '--content', 'list')).code, 0);
    await proxy.stop();
    for (const at of ['backup.tar', 'backup/']) {
      const restored = await restoredServer(t, `${folder}/${at}`);
      assert.ok(await pulled(restored.url, '1'), at);
      const tokens = await runCommand(restored, 'token', 'list', '--json');
      assert.deepEqual([tokens.code, tokens.json.length], [0, 1]);
    }
    const listed = await restoredServer(t, list);
    assert.equal((await get(`${listed.url}/v2/${name}/blobs/${sha256(robots)}`)).status, 200);
    assert.equal((await runCommand(listed, 'restore', '--verify', list)).code, 0);
  });

  it('in a folder of which the last run was killed at its end is whole', async (t) => {
    const registry = await startFakeRegistry();
    t.after(() => registry.stop());
    registry.putImage('team/up', '1', buildImage({ seed: 'up', layers: [2000] }));
    const proxy = await startApp(t, { registries: insecureRegistry(registry.host), toml });
    const { digest } = await push(proxy.url, '1');
    assert.ok(await pulled(proxy.url, '1', `${registry.host}/team/up`));
    const folder = tempFolder(t);
    const [to, before] = [join(folder, 'backup'), join(folder, 'before')];
    mkdirSync(to);
    await runCommand(proxy, 'backup', '--to', to, '--content', 'all');
    cpSync(join(to, 'blobs'), before, { recursive: true });
    await runCommand(proxy, 'backup', '--to', to, '--content', 'hosted');
    await proxy.stop();
    cpSync(before, join(to, 'blobs'), { recursive: true });
    const { code, stderr } = await runCommand(proxy, 'restore', '--verify', to);
    assert.equal(code, 0, stderr);
    const restored = await restoredServer(t, to);
    assert.equal(await pulled(restored.url, '1'), digest);
  });
});

describe('a backup that cannot be written', () => {
  it('does not touch a file or a folder of something else', async (t) => {
    const proxy = await server(t);
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'notes'), 'mine');
    for (const to of [folder, join(folder, 'notes')]) {
      const { code, stderr } = await runCommand(proxy, 'backup', '--to', to);
      assert.equal(code, 1);
      assert.match(stderr, /no part of a backup|no backup of Entrepot/);
    }
    assert.deepEqual([readdirSync(folder), readFileSync(join(folder, 'notes'), 'utf8')], [['notes'], 'mine']);
  });

  it('says where the way to it ends', async (t) => {
    const proxy = await server(t);
    const file = join(tempFolder(t), 'file');
    writeFileSync(file, '');
    for (const to of [join(file, 'backup.tar'), `${file}/folder/`]) {
      const { code, stderr } = await runCommand(proxy, 'backup', '--to', to);
      assert.equal(code, 1);
      assert.match(stderr, /cannot be written: ENOTDIR: not a directory/);
      assert.doesNotMatch(stderr, /^ +at /m);
    }
  });

  it('for want of room leaves the one before it, and no part of itself', async (t) => {
    const disk = smallDisk(t, 3);
    if (!disk) return t.skip('only root mounts a disk');
    const proxy = await server(t);
    for (const to of [join(disk.path, 'backup.tar'), `${disk.path}/folder/`]) {
      await push(proxy.url, '1', [10, 100_000]);
      assert.equal((await runCommand(proxy, 'backup', '--to', to)).code, 0);
      await push(proxy.url, '2', [10, 2_900_000]);
      disk.fill();
      const full = await runCommand(proxy, 'backup', '--to', to);
      disk.empty();
      assert.equal(full.code, 1);
      assert.match(full.stderr, /free, and the backup needs|no room/);
      const large = await runCommand(proxy, 'backup', '--to', to);
      assert.deepEqual([large.code, (await runCommand(proxy, 'restore', '--verify', to)).code], [1, 0]);
      await runCommand(proxy, 'purge', '--hosted', name);
    }
    assert.deepEqual(
      readdirSync(disk.path, { recursive: true, encoding: 'utf8' }).filter((file) =>
        file.includes('.partial'),
      ),
      [],
    );
  });

  it('for want of room for the copy of the index says so, and the server goes on', async (t) => {
    const disk = smallDisk(t, 64);
    if (!disk) return t.skip('only root mounts a disk');
    const to = join(tempFolder(t), 'backup.tar');
    const proxy = await startApp(t, {
      registries: '[[registry]]\nlocation = "listed.test"\n',
      toml: `${toml}[cache]\nmin_free = "1MB"\n`,
      folder: disk.path,
    });
    const { digest } = await push(proxy.url, '1');
    disk.fill();
    const { code, stderr } = await runCommand(proxy, 'backup', '--to', to);
    assert.equal(code, 1);
    assert.match(stderr, /the disk is full/);
    assert.equal(await pulled(proxy.url, '1'), digest);
    disk.empty();
    assert.equal((await runCommand(proxy, 'backup', '--to', to)).code, 0);
    assert.deepEqual(readdirSync(join(proxy.data, 'incoming')), []);
  });
});

describe('a restore', () => {
  it('refuses a folder in use, and says how', async (t) => {
    const proxy = await server(t);
    await push(proxy.url, '1');
    const to = join(tempFolder(t), 'backup.tar');
    await runCommand(proxy, 'backup', '--to', to);
    const running = await runCommand(proxy, 'restore', to);
    await proxy.stop();
    const stopped = await runCommand(proxy, 'restore', to);
    for (const { code, stderr } of [running, stopped]) {
      assert.equal(code, 1);
      assert.match(stderr, /empty folder only: name another one with --data/);
    }
    const other = { folder: proxy.folder, data: join(tempFolder(t), 'data') };
    mkdirSync(join(other.data, 'lost+found'), { recursive: true });
    assert.equal((await runCommand(other, 'restore', to)).code, 0);
  });

  it('of a damaged backup makes nothing, whatever is wrong with it', async (t) => {
    const proxy = await server(t);
    const { digest, blobs } = await push(proxy.url, '1');
    const [tar, folder] = [join(tempFolder(t), 'backup.tar'), tempFolder(t)];
    await runCommand(proxy, 'backup', '--to', tar);
    await runCommand(proxy, 'backup', '--to', folder);
    await proxy.stop();
    const target = { folder: proxy.folder, data: join(tempFolder(t), 'data') };
    const blob = (of: string) => join(folder, 'blobs', 'sha256', of.slice(7));
    const layer = blob(sha256(blobs[1]!));
    const bytes = {
      tar: readFileSync(tar),
      layer: readFileSync(layer),
      manifest: readFileSync(join(folder, 'entrepot-backup.json')),
    };
    const put = () => {
      writeFileSync(tar, bytes.tar);
      writeFileSync(layer, bytes.layer);
      writeFileSync(join(folder, 'entrepot-backup.json'), bytes.manifest);
    };
    const index = JSON.parse(bytes.manifest.toString()).files[0].digest as string;
    const ruins: readonly (readonly [string, string, RegExp, () => void])[] = [
      ['a tar that is cut off', tar, /cut off/, () => truncateSync(tar, bytes.tar.length - 3000)],
      ['a byte of a tar', tar, /other bytes|sum of a header/, () => flipByte(tar, bytes.tar.length - 3000)],
      ['no backup', tar, /is no tar/, () => writeFileSync(tar, randomBytes(5000))],
      ['a layer that is missing', folder, /not whole|lacks/, () => rmSync(layer)],
      ['a byte of a layer', folder, /other bytes/, () => flipByte(layer, 1)],
      [
        'a manifest that is missing',
        folder,
        /no entrepot-backup.json/,
        () => rmSync(join(folder, 'entrepot-backup.json')),
      ],
      [
        'another manifest',
        folder,
        /is no file of a backup/,
        () =>
          writeFileSync(
            join(folder, 'entrepot-backup.json'),
            bytes.manifest.toString().replace('index-v1.sqlite', '../../etc/passwd'),
          ),
      ],
      ['an index that is missing', folder, /lacks index-v1.sqlite/, () => rmSync(blob(index))],
    ];
    for (const [what, from, message, ruin] of ruins) {
      ruin();
      for (const verify of [['--verify'], []]) {
        const { code, stderr } = await runCommand(target, 'restore', from, ...verify);
        assert.deepEqual([code, message.test(stderr)], [1, true], `${what}: ${stderr}`);
      }
      assert.deepEqual(
        existsSync(target.data) ? readdirSync(target.data) : ['entrepot.lock'],
        ['entrepot.lock'],
        what,
      );
      if (what !== 'an index that is missing') put();
    }
    assert.equal((await runCommand(target, 'restore', tar)).code, 0);
    const restored = await startApp(t, {
      registries: '[[registry]]\nlocation = "listed.test"\n',
      toml,
      folder: join(target.data, '..'),
    });
    assert.equal(await pulled(restored.url, '1'), digest);
  });

  it('refuses an index that is no database, or that lacks its tables', async (t) => {
    const { folder, stop } = await server(t);
    await stop();
    const data = tempFolder(t);
    const index = join(data, 'index-v1.sqlite');
    const withoutTables = () => {
      rmSync(index);
      const db = new SqliteDatabase(index);
      db.exec('CREATE TABLE mine (id INTEGER); PRAGMA user_version = 1');
      db.close();
    };
    for (const write of [() => writeFileSync(index, 'no database'.repeat(1000)), withoutTables]) {
      write();
      const from = await backupByHand(t, data);
      const target = { folder, data: join(tempFolder(t), 'data') };
      for (const verify of [['--verify'], []]) {
        const { code, stderr } = await runCommand(target, 'restore', from, ...verify);
        assert.deepEqual([code, /the index in the backup is damaged/.test(stderr)], [1, true], stderr);
      }
      assert.deepEqual(readdirSync(target.data), ['entrepot.lock']);
    }
  });

  it('refuses the index of a newer version', async (t) => {
    const proxy = await server(t);
    await push(proxy.url, '1');
    await proxy.stop();
    const db = new SqliteDatabase(join(proxy.data, 'index-v1.sqlite'));
    db.pragma('user_version = 999');
    db.close();
    const to = await backupByHand(t, proxy.data);
    const target = { folder: proxy.folder, data: join(tempFolder(t), 'data') };
    const { code, stderr } = await runCommand(target, 'restore', to);
    assert.equal(code, 1);
    assert.match(stderr, /the index has version 999/);
    assert.deepEqual(readdirSync(target.data), ['entrepot.lock']);
  });
});

/** As a newer version would have written it. */
async function backupByHand(t: TestContext, data: string): Promise<string> {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true });
  const index = readFileSync(join(data, 'index-v1.sqlite'));
  writeFileSync(join(folder, 'blobs', 'sha256', sha256(index).slice(7)), index);
  const files = [{ path: 'index-v1.sqlite', digest: sha256(index), size: index.length }];
  const manifest = { format: 1, created: '', program: '', scope: 'list', files, contents: 0, bytes: 0 };
  writeFileSync(join(folder, 'entrepot-backup.json'), JSON.stringify(manifest));
  return folder;
}
