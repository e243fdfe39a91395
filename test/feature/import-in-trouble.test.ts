/** An import beside a running server that is cut short by its disk, its user or its server, and what it costs in memory. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type RunningApp, startApp } from '../support/app.ts';
import { bundleVolumes, contentsOf, layoutEntries, writeArchive } from '../support/archives.ts';
import { digestOf } from '../support/byte-source.ts';
import { runCommand } from '../support/commands.ts';
import { memoryOf } from '../support/entrepot-on-blobs.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { buildImage, type Image } from '../support/images.ts';
import { startProcess } from '../support/processes.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { smallDisk } from '../support/small-disk.ts';
import { rawEntry } from '../support/tar.ts';
import { type Cleanup, tempFolder } from '../support/temp-folder.ts';

const name = 'quay.io/team/app';
const registries = '[[registry]]\nlocation = "quay.io"\n';
const toml = '[upstream]\noffline = true\n';
const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const large = buildImage({ layers: [6_000_000, 7_000_000] });
const [volume] = bundleVolumes([{ name, tag: '1', image: large }]);

const small = buildImage({ seed: 'small', layers: [1000] });

/** `entrepot-bundle.json` with its header, and what is behind it. */
function firstEntry(tar: Buffer): Buffer {
  const size = Number.parseInt(tar.subarray(124, 135).toString('latin1'), 8);
  return tar.subarray(0, 512 + Math.ceil(size / 512) * 512);
}
const afterFirst = (tar: Buffer) => tar.subarray(firstEntry(tar).length);

function configured(folder: string): void {
  writeFileSync(join(folder, 'registries.conf'), registries);
  writeFileSync(join(folder, 'entrepot.toml'), toml);
}

/** `entrepot import` in a process of its own. */
function begin(folder: string, ...args: readonly string[]) {
  const files = ['--registries', join(folder, 'registries.conf'), '--config', join(folder, 'entrepot.toml')];
  const receipt = ['--receipt', join(folder, 'receipt.json')];
  const command = ['import', ...files, ...receipt, '--data', join(folder, 'data'), ...args];
  return startProcess(process.execPath, [main, ...command]);
}

/** A pipe with the first half of the volume in it, and no end. */
function halfVolume(test: Cleanup, folder: string): string {
  const pipe = join(folder, 'pipe.tar');
  const half = writeArchive(join(folder, 'half'), volume!.subarray(0, volume!.length / 2));
  execFileSync('mkfifo', [pipe]);
  const feed = startProcess('sh', ['-c', 'exec tail -c +1 -f "$0" >"$1"', half, pipe]);
  test.after(() => feed.kill());
  return pipe;
}

function inImports(folder: string): readonly string[] {
  const imports = join(folder, 'data', 'imports');
  return existsSync(imports) ? readdirSync(imports) : [];
}
const isWriting = (folder: string) => inImports(folder).some((one) => one.endsWith('.writing'));

async function statusOf(url: string, image: Image, reference = '1'): Promise<number> {
  const { status } = await get(`${url}/v2/${name}/manifests/${reference}`);
  for (const { digest } of image.blobs)
    assert.equal((await get(`${url}/v2/${name}/blobs/${digest}`)).status, status, digest);
  return status;
}

/** `entrepot import`, with its receipt in the folder of the site. */
function importTo(site: RunningApp, ...args: readonly string[]) {
  return runCommand(site, 'import', '--receipt', join(site.folder, 'receipt.json'), ...args);
}

describe('an import beside a running server', () => {
  it('whose disk fills up midway says so, shows nothing, and goes on once there is room', async (t) => {
    const disk = smallDisk(t, 40);
    if (!disk) return t.skip('needs root');
    // The disk is believed to be large: it is the write that fails.
    const deps = { freeBytes: () => 10 ** 12 };
    const site = await startApp(t, { registries, toml, folder: disk.path }, deps);
    const ballast = join(disk.path, 'ballast');
    const { bavail, bsize } = statfsSync(disk.path);
    writeFileSync(ballast, Buffer.alloc(bavail * bsize - 9_000_000));
    const archive = writeArchive(join(tempFolder(t), 'site.0001.tar'), volume!);
    const full = await importTo(site, archive);
    assert.equal(full.code, 1, full.stdout + full.stderr);
    assert.match(
      full.stderr,
      /there is no room for blobs\/sha256\/[a-f0-9]{64} of .*\(\d+ bytes\): free some/,
    );
    assert.equal(isWriting(disk.path), false);
    assert.equal(await statusOf(site.url, large), 503);
    const kept = inImports(disk.path).filter((one) => /^sha256-[a-f0-9]{64}$/.test(one));
    assert.ok(kept.length > 0, 'what came before stays');

    rmSync(ballast);
    assert.equal((await importTo(site, archive)).code, 0);
    assert.equal(await statusOf(site.url, large), 200);
  });

  it('that is interrupted says so, and the server goes on and keeps no half file', async (t) => {
    const folder = tempFolder(t);
    const site = await startApp(t, { registries, toml, folder });
    const command = begin(folder, halfVolume(t, folder));
    t.after(() => command.kill('SIGKILL'));
    await eventually('a layer comes', () => isWriting(folder));
    command.kill('SIGINT');
    await command.line(/entrepot: cancelled: what has come is kept/);
    command.kill('SIGKILL');
    await eventually('the half file goes', () => !isWriting(folder));
    assert.equal(await statusOf(site.url, large), 503);
    const archive = writeArchive(join(folder, 'site.0001.tar'), volume!);
    assert.equal((await importTo(site, archive)).code, 0);
    assert.equal(await statusOf(site.url, large), 200);
  });

  it('whose server is killed says that it ended, and goes on with the next one', async (t) => {
    const folder = tempFolder(t);
    configured(folder);
    const server = await startProgramIn(t, folder);
    const command = begin(folder, halfVolume(t, folder));
    t.after(() => command.kill('SIGKILL'));
    await eventually('a layer comes', () => isWriting(folder));
    server.kill('SIGKILL');
    await command.line(/^entrepot: .*the server ended before the import did: .*again/);
    command.kill('SIGKILL');
    const site = await startApp(t, { registries, toml, folder });
    const archive = writeArchive(join(folder, 'site.0001.tar'), volume!);
    assert.equal((await importTo(site, archive)).code, 0);
    assert.equal(await statusOf(site.url, large), 200);
  });

  it('is refused at the entry that is wrong, without the terabyte behind it', async (t) => {
    const site = await startApp(t, { registries, toml });
    const archive = join(site.folder, 'evil.0001.tar');
    writeFileSync(
      archive,
      Buffer.concat([volume!.subarray(0, -1024), rawEntry({ path: '../x', body: 'x' })]),
    );
    truncateSync(archive, 2 ** 40);
    const { code, stderr } = await importTo(site, archive);
    assert.equal(code, 1);
    assert.match(stderr, /entrepot: .*evil\.0001\.tar: "\.\.\/x" is no path within the archive/);
    assert.equal(await statusOf(site.url, large), 503);
  });

  it('of a folder ends with its error, not with that of the files that are left', async (t) => {
    const site = await startApp(t, { registries, toml });
    const layout = join(site.folder, 'layout');
    mkdirSync(join(layout, 'blobs', 'sha256'), { recursive: true });
    for (const { path, body = '' } of layoutEntries([large], contentsOf(large)))
      writeFileSync(join(layout, path), body);
    const [first] = readdirSync(join(layout, 'blobs', 'sha256')).toSorted();
    writeFileSync(join(layout, 'blobs', 'sha256', first!), Buffer.alloc(5_000_000, 'x'));
    const { code, stderr } = await importTo(site, '--name', `${name}:1`, layout);
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(`^entrepot: .*layout: blobs/sha256/${first} is damaged: its bytes have the digest`, 'm'),
    );
    assert.doesNotMatch(stderr, /^ +at /m);
    symlinkSync('/etc/passwd', join(layout, 'blobs', 'sha256', 'link'));
    const linked = await importTo(site, '--name', `${name}:1`, layout);
    assert.match(linked.stderr, /link: is a link or a device, which is never followed/);
    assert.equal(await statusOf(site.url, large), 503);
  });

  it('takes volumes of two bundles at once, and neither for a volume of the other', async (t) => {
    const site = await startApp(t, { registries, toml });
    const cutAt = (digest: string) =>
      digest === large.layers[0]!.digest ? [3_000_000, 3_000_000] : undefined;
    const one = bundleVolumes([{ name, tag: '1', image: large }], { volumes: 2, cut: cutAt });
    const two = bundleVolumes([{ name, tag: '2', image: large }], { volumes: 2, cut: cutAt });
    const write = (file: string, bytes: Buffer) => writeArchive(join(site.folder, file), bytes);
    // The second volume of the one beside the first volume of the other, under one name.
    const mixed = [write('mixed.0001.tar', one[0]!), write('mixed.0002.tar', two[1]!)];
    const { code, stdout } = await runCommand(
      site,
      'import',
      ...mixed,
      '--receipt',
      join(site.folder, 'r.json'),
    );
    // The part that both have is the same content, so each bundle is whole by now.
    assert.equal(code, 0, stdout);
    assert.equal(await statusOf(site.url, large, '1'), 200);
    assert.equal(await statusOf(site.url, large, '2'), 200);
    // A volume whose entries are those of the other bundle is refused.
    const [bundleOfOne, entriesOfOther] = [one[0]!, bundleVolumes([{ name, tag: '3', image: small }])[0]!];
    const forged = Buffer.concat([firstEntry(bundleOfOne), afterFirst(entriesOfOther)]);
    const refused = await importTo(site, write('forged.0001.tar', forged));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /is in this volume, and the bundle does not say so/);
  });

  it('costs less than 64 MiB of memory, however large a layer is', {
    skip: process.platform === 'linux' ? false : 'reads /proc',
  }, async (t) => {
    const folder = tempFolder(t);
    configured(folder);
    const { pid } = await startProgramIn(t, folder);
    const small = writeArchive(join(folder, 'small.0001.tar'), volume!);
    assert.equal((await begin(folder, small).exited).code, 0);
    // From here on VmHWM is the most that it holds from now on.
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
    const idle = memoryOf(pid, 'VmRSS');
    const command = begin(folder, '--name', `${name}:2`, zeros(folder, 256 * 2 ** 20));
    assert.equal((await command.exited).code, 0, command.stderr);
    const grown = (memoryOf(pid, 'VmHWM') - idle) / 1024;
    t.diagnostic(`${Math.round(grown)} MiB above ${Math.round(idle / 1024)} MiB`);
    assert.ok(grown < 64, `${grown} MiB above ${idle} KiB`);
  });
});

/** An OCI layout with one layer of so many zeros, which take no space on the disk. */
function zeros(folder: string, size: number): string {
  const chunk = Buffer.alloc(2 ** 20);
  const hash = createHash('sha256');
  for (let done = 0; done < size; done += chunk.length) hash.update(chunk);
  const hex = hash.digest('hex');
  const base = buildImage({ layers: [] });
  const [config] = contentsOf(base).filter(({ mediaType }) => mediaType === undefined);
  const type = 'application/vnd.oci.image.layer.v1.tar';
  const manifest = JSON.parse(base.bytes.toString('utf8'));
  manifest.layers = [{ mediaType: type, digest: `sha256:${hex}`, size }];
  const bytes = Buffer.from(JSON.stringify(manifest));
  const top = { bytes, digest: digestOf(bytes), mediaType: base.mediaType };
  const entries = layoutEntries([top], [top, config!]).map((one) => rawEntry(one));
  const header = rawEntry({ path: `blobs/sha256/${hex}`, size });
  const file = writeArchive(join(folder, 'zeros.tar'), Buffer.concat([...entries, header]));
  truncateSync(file, statSync(file).size + size + 1024);
  return file;
}
