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

it('the folder is found as by every command, and a failure names the socket', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'entrepot.toml'), 'data = "elsewhere"\n');
  const { code, stdout, stderr } = await runEntrepot(['health'], { cwd: folder });
  assert.deepEqual([code, stdout], [1, '']);
  assert.equal(stderr, `entrepot: no server answers at ${join(folder, 'elsewhere/entrepot.sock')}\n`);
});
