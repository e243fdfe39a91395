/** `entrepot health`, as the health check of a container runs it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { startApp } from '../support/app.ts';
import { runCommand } from '../support/commands.ts';
import { runEntrepot } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const registries = '[[registry]]\nlocation = "docker.io"\n';

it('a server that answers is healthy, also while its configuration is wrong on disk; a stopped one is not', async (t) => {
  const proxy = await startApp(t, { registries });
  const health = () => runCommand(proxy, 'health', '--json');
  const socket = join(proxy.data, 'entrepot.sock');
  assert.deepEqual(await health().then(({ code, json }) => [code, json]), [0, { healthy: true, socket }]);
  writeFileSync(join(proxy.folder, 'registries.conf'), '[[registry]]\nblocked = true\n');
  assert.equal((await health()).code, 0);
  await proxy.stop();
  assert.deepEqual(await health().then(({ code, json }) => [code, json]), [1, { healthy: false, socket }]);
});

it('where entrepot.toml is no TOML, a failure says that the folder is not known, and --data names it', async (t) => {
  const proxy = await startApp(t, { registries });
  const folder = tempFolder(t);
  const toml = join(folder, 'entrepot.toml');
  writeFileSync(toml, `data = "${proxy.data}"\n`);
  const run = (...args: string[]) => runEntrepot(args, { cwd: folder });
  assert.equal((await run('health')).code, 0);
  writeFileSync(toml, `data = "${proxy.data}"\nlisten =\n`);
  const lost = await run('health');
  assert.equal(lost.code, 1);
  assert.match(
    lost.stderr,
    /entrepot\.toml:2: is not valid TOML[\s\S]*the data folder is not known: name that of the server with --data\n$/,
  );
  assert.equal((await run('health', '--data', proxy.data)).code, 0);
  assert.match((await run('dashboard')).stderr, /entrepot\.toml:2: is not valid TOML/);
});

it('where the data of entrepot.toml is wrong, no command acts on the default folder instead', async (t) => {
  const folder = tempFolder(t);
  const proxy = await startApp(t, { registries });
  writeFileSync(join(folder, 'entrepot.toml'), 'data = 5\n');
  for (const command of ['health', 'dashboard', 'usage']) {
    const { code, stderr } = await runEntrepot([command], { cwd: folder });
    assert.notEqual(code, 0);
    assert.match(stderr, /entrepot\.toml:1: data must be .*\n.*the data folder is not known/, command);
  }
  assert.equal((await runEntrepot(['health', '--data', proxy.data], { cwd: folder })).code, 0);
});

it('the folder is found as by every command, and a failure names the socket', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'entrepot.toml'), 'data = "elsewhere"\n');
  const { code, stdout, stderr } = await runEntrepot(['health'], { cwd: folder });
  assert.deepEqual([code, stdout], [1, '']);
  assert.equal(stderr, `entrepot: no server answers at ${join(folder, 'elsewhere/entrepot.sock')}\n`);
});
