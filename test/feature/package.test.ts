/** The package that `npm pack` makes of a checkout. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { run } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const checkout = join(import.meta.dirname, '..', '..');

it('npm pack builds the program, and what it packs runs', async (t) => {
  const folder = tempFolder(t);
  const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: checkout });
  assert.equal(packed.code, 0, packed.stderr);
  // The build prints its own lines first.
  const [{ filename, files }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n')));
  const paths: string[] = files.map(({ path }: { path: string }) => path);
  assert.deepEqual(paths.filter((path) => !path.startsWith('docs/')).toSorted(), wantedFiles());

  await run('tar', ['-xf', join(folder, filename), '-C', folder]);
  // As an installation has it, without asking a registry for the dependencies.
  const installed = join(folder, 'node_modules/entrepot');
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(join(folder, 'package'), installed);
  symlinkSync(join(checkout, 'node_modules'), join(folder, 'package/node_modules'));
  const started = await run(process.execPath, [join(installed, 'dist/main.js'), 'check', '--json'], {
    cwd: folder,
  });
  assert.equal(started.code, 0, started.stderr);
  assert.deepEqual(JSON.parse(started.stdout).errors, []);
});

/** Without docs/: the program, its manual pages, and files of deploy/ that people install. */
function wantedFiles(): readonly string[] {
  const list = (folder: string) => readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' });
  const sources = list('src').filter((name) => name.endsWith('.ts'));
  const program = sources.map((name) => `dist/${name.replace(/ts$/, 'js')}`);
  const assets = list('src').filter((name) => /\/assets\/[^/]+\.(?:css|js|svg)$/.test(name));
  const commands = list('dist/man').map((name) => `dist/man/${name}`);
  // Scripts that build packages stay behind.
  const deployed = list('deploy').filter(
    (name) =>
      statSync(join(checkout, 'deploy', name)).isFile() &&
      !/\.ts$|^(?:build|debian|image|man|site)\//.test(name),
  );
  return [
    ...['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json', 'registries.conf.example'],
    ...deployed.map((name) => `deploy/${name}`),
    ...program,
    ...program.map((name) => `${name}.map`),
    ...assets.map((name) => `dist/${name}`),
    'dist/http/admin/openapi.json',
    ...commands,
  ].toSorted();
}
