/** The first minutes after a checkout of the repository. */
import assert from 'node:assert/strict';
import { copyFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { run, startProcess } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const checkout = join(import.meta.dirname, '..', '..');
const program = join(checkout, 'entrepot');
const sound = '[[registry]]\nlocation = "docker.io"\n';

describe('./entrepot', () => {
  it('runs commands from any folder, by a link too, and passes on arguments and exit codes', async (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'mine.conf'), sound);
    symlinkSync(program, join(folder, 'link'));
    for (const command of [program, './link']) {
      const { code, stdout } = await run(command, ['explain', 'alpine', '--registries', 'mine.conf'], {
        cwd: folder,
      });
      assert.equal(code, 0);
      assert.match(stdout, /docker\.io\/library\/alpine/);
    }
    assert.equal((await run(program, ['no-such-command'], { cwd: folder })).code, 2);
  });

  it('says what to do where nothing is installed', async (t) => {
    const folder = tempFolder(t);
    copyFileSync(program, join(folder, 'entrepot'));
    const { code, stderr } = await run(join(folder, 'entrepot'), ['serve']);
    assert.equal(code, 2);
    assert.match(stderr, /^entrepot: nothing is installed in .*: run "npm ci" there first\n$/);
  });
});

describe('serve', () => {
  async function started(t: TestContext, ...args: string[]) {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'registries.conf'), sound);
    const where = ['--listen', '127.0.0.1:0', '--data', 'data', '--registries', 'registries.conf'];
    const running = startProcess(program, ['serve', ...where, ...args], { cwd: folder });
    t.after(() => running.stop('SIGKILL'));
    return { running, folder };
  }

  it('with --log-format text tells its address, a first pull and the next command, in words', async (t) => {
    const { running, folder } = await started(t, '--log-format', 'text');
    await running.line(/explain/);
    const address = /Entrepot serves images at http:\/\/(127\.0\.0\.1:\d+)$/m.exec(running.stdout)?.[1];
    assert.ok(address, running.stdout);
    assert.match(running.stdout, /^\d\d:\d\d:\d\d info {2}listening {2}address=127\.0\.0\.1:\d+ /m);
    const lines = running.stdout.split('\n').map((line) => line.trim());
    assert.ok(lines.includes(`podman pull --tls-verify=false ${address}/docker.io/library/alpine:latest`));
    assert.ok(lines.includes(`cache:      ${join(folder, 'data')}`));
    const explain = lines.find((line) => line.startsWith('./entrepot explain '));
    assert.match(
      explain ?? '',
      /^\.\/entrepot explain --registries \S+ .*docker\.io\/library\/alpine:latest$/,
    );
    await get(`http://${address}/v2/evil.test/app/manifests/1`);
    assert.match(await running.line(/evil/), /info {2}GET 403 \/v2\/evil\.test\/app\/manifests\/1 in /);
    assert.deepEqual(await running.stop(), { code: 0, signal: null });
  });

  it('writes JSON and nothing else where its output is no terminal', async (t) => {
    const { running } = await started(t);
    await running.line(/"listening"/);
    await running.stop();
    for (const line of running.stdout.trim().split('\n')) JSON.parse(line);
  });

  it('writes text in a terminal, and ends when that is closed', async (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'registries.conf'), sound);
    const command = `${program} serve --listen 127.0.0.1:0 --data data --registries registries.conf`;
    // script(1) gives the program a terminal.
    const running = startProcess('script', ['-qec', command, '/dev/null'], { cwd: folder });
    t.after(() => running.stop('SIGKILL'));
    try {
      const line = await running.line(/Entrepot serves images at/);
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? '';
      assert.equal((await get(`${url}/healthz`)).status, 200);
      await running.stop('SIGKILL');
      await eventually('the end', () =>
        get(`${url}/healthz`).then(
          () => false,
          () => true,
        ),
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      t.skip('script(1) is not installed');
    }
  });
});
