/** The package of `npm pack`, installed by npm into an empty folder as people install it, with its dependencies from the registry. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { get } from '../support/http-client.ts';
import { run, startProcess } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const checkout = join(import.meta.dirname, '..', '..');
/** A Node of the system, which may be older than the package wants. */
const systemNode = '/usr/bin/node';

describe('the package, installed by npm', () => {
  const ends: (() => void)[] = [];
  let folder: string;
  let program: string;
  // npm itself must run on the Node of the tests: on an older one it chooses older dependencies.
  const env = { PATH: `${dirname(process.execPath)}:${process.env.PATH}` };

  before(async () => {
    folder = tempFolder({ after: (end) => void ends.push(end as () => void) });
    const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: checkout, env });
    assert.equal(packed.code, 0, packed.stderr);
    const [{ filename }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n')));
    const site = join(folder, 'site');
    mkdirSync(site);
    const how = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
    const installed = await run('npm', ['install', ...how, join(folder, filename)], { cwd: site, env });
    assert.equal(installed.code, 0, installed.stderr);
    program = join(site, 'node_modules/.bin/entrepot');
  });
  after(() => {
    for (const end of ends) end();
  });

  test('says its version, and checks the configuration', async () => {
    const version = await run(program, ['--version'], { env });
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    const checked = await run(program, ['check', '--json'], { cwd: folder, env });
    assert.equal(checked.code, 0, checked.stderr);
    assert.deepEqual(JSON.parse(checked.stdout).errors, []);
  });

  test('serves', async (t) => {
    const data = join(folder, 'data');
    const args = ['serve', '--listen', '127.0.0.1:0', '--data', data, '--log-format', 'json'];
    const running = startProcess(program, args, { cwd: folder, env });
    t.after(() => running.stop());
    const address = /"address":"([^"]+)"/.exec(await running.line(/"msg":"listening"/))?.[1];
    assert.equal((await get(`http://${address}/v2/`)).status, 200);
    assert.deepEqual(await running.stop(), { code: 0, signal: null });
  });

  test('brings its manual pages', () => {
    assert.ok(existsSync(join(folder, 'site/node_modules/entrepot/dist/man/entrepot.toml.5')));
  });

  test('says on an older Node of the system which one it needs', async (t) => {
    if (!existsSync(systemNode)) return t.skip(`no ${systemNode}`);
    const [major = 0] = (await run(systemNode, ['--version'])).stdout.replace('v', '').split('.').map(Number);
    if (major >= 22) return t.skip(`${systemNode} is new enough`);
    // The first node in PATH is what the program's first line takes.
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'node'), `#!/bin/sh\nexec ${systemNode} "$@"\n`, { mode: 0o755 });
    const { code, stdout, stderr } = await run(program, ['serve'], { env: { PATH: `${bin}:/usr/bin:/bin` } });
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^entrepot: Node 22\.19 or later is needed, but \/usr\/bin\/node is Node \d/);
  });
});
