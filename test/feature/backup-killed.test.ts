/** Backups and restores of the real program that are killed (SIGKILL) in the middle, and run again. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { runCommand } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { run, startProcess } from '../support/processes.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { tempFolder } from '../support/temp-folder.ts';

const kills = process.env.LONG ? 40 : 3;
const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const name = 'images.local/team/app';
const toml = `
[access]
anonymous = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
`;

function emptySite(t: TestContext) {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'entrepot.toml'), toml);
  writeFileSync(join(folder, 'registries.conf'), '[[registry]]\nlocation = "listed.test"\n');
  return { folder, data: join(folder, 'data') };
}

function argsOf({ folder, data }: ReturnType<typeof emptySite>, ...args: readonly string[]): string[] {
  const files = ['--config', join(folder, 'entrepot.toml'), '--registries', join(folder, 'registries.conf')];
  return [main, ...args, '--data', data, ...files];
}

async function push(url: string, tag: string): Promise<void> {
  const blobs = [10, 2_000_000, 3_000_000].map((size) => randomBytes(size));
  const to = pusher(url, name);
  for (const blob of blobs) await to.blob(blob);
  assert.equal((await to.manifest(tag, imageManifest(blobs))).status, 201);
}

/** Tags that can be pulled, each with all that it lists. */
async function pulledTags(url: string): Promise<readonly string[]> {
  const listed = await get(`${url}/v2/${name}/tags/list`);
  const { tags = [] } = JSON.parse(listed.body.toString()) as { tags?: string[] };
  for (const tag of tags) {
    const { body } = await get(`${url}/v2/${name}/manifests/${tag}`);
    const { config, layers } = JSON.parse(body.toString()) as ReturnType<typeof imageManifest>;
    for (const { digest } of [config, ...layers]) {
      const blob = await get(`${url}/v2/${name}/blobs/${digest}`);
      assert.deepEqual([blob.status, sha256(blob.body)], [200, digest], tag);
    }
  }
  return tags;
}

/** Entries below a folder; 0 where there is none. */
function entries(folder: string): number {
  return existsSync(folder) ? readdirSync(folder, { recursive: true }).length : 0;
}

for (const [kind, at] of [
  ['file', 'backup.tar'],
  ['folder', 'backup/'],
] as const) {
  describe(`a server that is killed while it writes a backup into a ${kind}`, () => {
    it('starts, and leaves the backup before whole; the next backup is whole, too', async (t) => {
      const site = emptySite(t);
      const place = tempFolder(t);
      const to = `${place}/${at}`;
      const tags: string[] = [];
      for (let kill = 0; kill < kills; kill += 1) {
        const program = await startProgramIn(t, site.folder);
        assert.deepEqual(await pulledTags(program.url), tags);
        assert.deepEqual(
          readdirSync(join(site.data, 'incoming')).filter((file) => file.includes('index')),
          [],
        );
        tags.push(`t${kill}`);
        await push(program.url, `t${kill}`);
        const before = entries(place);
        const command = startProcess(process.execPath, argsOf(site, 'backup', '--to', to));
        const isOver = command.exited.then(() => true);
        await Promise.race([isOver, eventually('the backup has begun', () => entries(place) > before)]);
        for (let turn = 0; turn < kill * 5; turn += 1) await new Promise(setImmediate);
        program.kill('SIGKILL');
        await program.exited;
        await isOver;
        const verified = await runCommand(site, 'restore', '--verify', to);
        const isOne = existsSync(kind === 'file' ? to : join(to, 'entrepot-backup.json'));
        assert.equal(verified.code, isOne ? 0 : 1, verified.stderr);
        // Without a server, for the next round.
        const made = await runCommand(site, 'backup', '--to', to);
        assert.equal(made.code, 0, made.stderr);
      }
      const restored = emptySite(t);
      assert.equal((await runCommand(restored, 'restore', to)).code, 0);
      const program = await startProgramIn(t, restored.folder);
      assert.deepEqual(await pulledTags(program.url), tags);
    });
  });
}

describe('a backup beside a running server', () => {
  it('is written by the command, in a folder that the server does not see', async (t) => {
    const site = emptySite(t);
    const program = await startProgramIn(t, site.folder);
    await push(program.url, 'a');
    const mounted = join(site.folder, 'mounted');
    mkdirSync(mounted);
    const script = 'mount -t tmpfs tmpfs "$0" && "$@" && exec tail -c 100000000 "$0/backup.tar" >"$0.tar"';
    const args = argsOf(site, 'backup', '--to', join(mounted, 'backup.tar'));
    const { code, stderr } = await run('unshare', [
      '-m',
      'sh',
      '-c',
      script,
      mounted,
      process.execPath,
      ...args,
    ]);
    if (/unshare|mount: /.test(stderr)) return t.skip('needs the right to make namespaces and to mount');
    assert.equal(code, 0, stderr);
    assert.deepEqual(readdirSync(mounted), []);
    assert.equal((await runCommand(site, 'restore', '--verify', `${mounted}.tar`)).code, 0);
  });
});

describe('a restore that is killed', () => {
  it('leaves a folder that is as empty as before or complete, in which a server starts', async (t) => {
    const site = emptySite(t);
    const first = await startProgramIn(t, site.folder);
    for (const tag of ['a', 'b', 'c', 'd']) await push(first.url, tag);
    const to = join(tempFolder(t), 'backup.tar');
    assert.equal((await runCommand(site, 'backup', '--to', to)).code, 0);
    await first.stop();
    const found = new Set<number>();
    for (let kill = 0; kill < 2 * kills; kill += 1) {
      const target = emptySite(t);
      const restoring = startProcess(process.execPath, argsOf(target, 'restore', to));
      const isOver = restoring.exited.then(() => true);
      const stage = join(target.data, 'restoring-v1');
      await Promise.race([
        isOver,
        eventually('it has begun', () => existsSync(stage) && entries(stage) > kill * 3),
      ]);
      restoring.kill('SIGKILL');
      await isOver;
      const program = await startProgramIn(t, target.folder);
      const tags = await pulledTags(program.url);
      found.add(tags.length);
      assert.deepEqual(
        readdirSync(target.data).filter((entry) => entry.startsWith('restor')),
        [],
      );
      await program.stop();
    }
    assert.deepEqual(
      [...found].filter((count) => count !== 0 && count !== 4),
      [],
    );
    assert.ok(found.has(0));
  });

  it('runs again over what it has left', async (t) => {
    const site = emptySite(t);
    const first = await startProgramIn(t, site.folder);
    await push(first.url, 'a');
    const to = join(tempFolder(t), 'backup.tar');
    await runCommand(site, 'backup', '--to', to);
    await first.stop();
    const target = emptySite(t);
    mkdirSync(join(target.data, 'restoring-v1', 'content-v1'), { recursive: true });
    writeFileSync(join(target.data, 'restoring-v1', 'index-v1.sqlite'), 'half');
    const { code, stderr } = await runCommand(target, 'restore', to);
    assert.equal(code, 0, stderr);

    // Killed while it moved what was whole already.
    const whole = join(target.data, 'restored-v1');
    mkdirSync(whole);
    for (const entry of ['content-v1', 'index-v1.sqlite'])
      renameSync(join(target.data, entry), join(whole, entry));
    const program = await startProgramIn(t, target.folder);
    assert.deepEqual(await pulledTags(program.url), ['a']);
  });
});
