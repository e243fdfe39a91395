/** An export that is killed (SIGKILL), or asked to end, in the middle of its writing, and runs again; beside a server, too. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { filesOf, hashesOf, readBundle } from '../support/bundles.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { run, runEntrepot, startProcess } from '../support/processes.ts';
import { startProgramIn } from '../support/program-in-folder.ts';
import { flipByte, storedFile } from '../support/stored-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const image = buildImage({ seed: 'large', layers: [20_000_000, 20_000_000, 100] });

async function exporting(t: TestContext) {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  registry.putImage('team/app', '1', image);
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'entrepot.toml'), '');
  writeFileSync(join(folder, 'registries.conf'), insecureRegistry(registry.host));
  const to = join(folder, 'site');
  const args = (bundle: string) => [
    ...['export', '--to', bundle, '--volume-size', '2MiB', `${registry.host}/team/app:1`],
    ...['--config', join(folder, 'entrepot.toml'), '--registries', join(folder, 'registries.conf')],
    ...['--data', join(folder, 'data')],
  ];
  async function whole(bundle: string) {
    const { code, stdout, stderr } = await runEntrepot(args(bundle));
    assert.equal(code, 0, stderr);
    return stdout;
  }
  /** Resolves once the third volume is there, and the program runs. */
  async function begun() {
    const program = startProcess(process.execPath, [main, ...args(to)]);
    t.after(() => program.kill('SIGKILL'));
    await eventually('a third volume', () => filesOf(to).includes('site.0003.tar'));
    return program;
  }
  /** Everything that the bundle is made of, from a run that was left alone. */
  async function untouched() {
    const other = join(folder, 'other', 'site');
    mkdirSync(dirname(other));
    await whole(other);
    return hashesOf(other);
  }
  return { folder, to, args, whole, begun, untouched };
}

describe('an export that ends in the middle', () => {
  it('by a kill, has only whole volumes, and goes on behind them', async (t) => {
    const { to, whole, begun, untouched } = await exporting(t);
    const expected = await untouched();
    const program = await begun();
    program.kill('SIGKILL');
    await program.exited;
    for (const [name, sha256] of Object.entries(hashesOf(to))) {
      if (name.endsWith('.tar')) assert.equal(sha256, expected[name], name);
    }
    const text = await whole(to);
    assert.match(text, /site\.0001\.tar .*\(was there\)/);
    assert.deepEqual(hashesOf(to), expected);
    assert.ok((await readBundle(to)).contents.has(image.layers[0]!.digest));
  });

  it('by a signal, leaves no draft and says how to go on', async (t) => {
    const { to, whole, begun, untouched } = await exporting(t);
    const expected = await untouched();
    const program = await begun();
    program.kill('SIGINT');
    await program.exited;
    assert.deepEqual(
      filesOf(to).filter((name) => /tar\.partial$/.test(name)),
      [],
    );
    if (program.stderr.includes('cancelled')) assert.match(program.stderr, /the same command goes on/);
    await whole(to);
    assert.deepEqual(hashesOf(to), expected);
  });
});

describe('an export beside a running server', () => {
  it('is written by the command, in a folder that the server does not see', async (t) => {
    const { folder, args, untouched } = await exporting(t);
    await startProgramIn(t, folder);
    const expected = await untouched();
    const mounted = join(folder, 'mounted');
    mkdirSync(mounted);
    const script = 'mount -t tmpfs tmpfs "$0" && "$@" >&2 && cd "$0" && sha256sum *.tar';
    const command = ['unshare', '-m', 'sh', '-c', script, mounted, process.execPath, main];
    const [program = '', ...rest] = [...command, ...args(join(mounted, 'site'))];
    const { code, stdout, stderr } = await run(program, rest);
    if (/unshare|mount: /.test(stderr)) return t.skip('needs the right to make namespaces and to mount');
    assert.equal(code, 0, stderr);
    const sums = stdout
      .trim()
      .split('\n')
      .map((line) => line.split('  ').toReversed());
    const volumes = Object.entries(expected).filter(([name]) => name.endsWith('.tar'));
    assert.deepEqual(sums, volumes);
    assert.deepEqual(readdirSync(mounted), []);
  });

  it('goes on after the command was interrupted, and after the server was killed', async (t) => {
    const { folder, to, whole, begun, untouched } = await exporting(t);
    const server = await startProgramIn(t, folder);
    const expected = await untouched();
    const interrupted = await begun();
    interrupted.kill('SIGINT');
    await interrupted.exited;
    if (interrupted.stderr.includes('cancelled'))
      assert.match(interrupted.stderr, /the same command goes on/);
    for (const name of filesOf(to)) if (name !== 'site.0001.tar') rmSync(join(folder, name));

    const left = await begun();
    left.kill('SIGSTOP');
    server.kill('SIGKILL');
    await server.exited;
    left.kill('SIGCONT');
    const { code } = await left.exited;
    // What it had got by then may have been all.
    if (code !== 0) assert.match(left.stderr, /entrepot: .*the server ended before the export did/);
    assert.doesNotMatch(left.stderr, /^ +at /m);
    await startProgramIn(t, folder);
    await whole(to);
    assert.deepEqual(hashesOf(to), expected);
  });

  it('says which content is damaged, whatever becomes of the connection', async (t) => {
    const { folder, to, args, whole } = await exporting(t);
    mkdirSync(join(folder, 'first'));
    await whole(join(folder, 'first', 'site'));
    const { digest } = image.layers[0]!;
    flipByte(storedFile(join(folder, 'data'), digest), 15_000_000);
    await startProgramIn(t, folder);
    const { code, stderr } = await runEntrepot(args(to));
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      new RegExp(`^entrepot: ${digest} is damaged or gone: the same command fetches it again`, 'm'),
    );
    await whole(to);
    assert.deepEqual(hashesOf(to), hashesOf(join(folder, 'first', 'site')));
  });
});
