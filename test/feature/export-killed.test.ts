/** An export that is killed (SIGKILL), or asked to end, in the middle of its writing, and runs again. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { filesOf, hashesOf, readBundle } from '../support/bundles.ts';
import { eventually } from '../support/eventually.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { runEntrepot, startProcess } from '../support/processes.ts';
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
  return { to, whole, begun, untouched };
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
