/** A log may cost lines, never service: standard output that takes nothing does not hold up answers, nor the end. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import { listen } from '../support/listener.ts';
import { smallDisk } from '../support/small-disk.ts';
import { tempFolder } from '../support/temp-folder.ts';

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
/** Refused at once, and a line of the log all the same. */
const path = `/v2/unlisted.test/app/manifests/${'x'.repeat(100)}`;

/** `entrepot serve` whose standard output is what `output` says. SIGUSR2 makes it throw. */
async function serve(t: TestContext, output: 'pipe' | number) {
  const folder = tempFolder(t);
  const registries = join(folder, 'registries.conf');
  writeFileSync(registries, '[[registry]]\nlocation = "ex.io"\n');
  const preload = join(folder, 'preload.mjs');
  writeFileSync(preload, `process.on('SIGUSR2', () => { throw new Error('a bug'); });\n`);
  const free = await listen({}, () => {});
  await free.close();
  const stdio: StdioOptions = ['ignore', output, 'ignore'];
  const data = join(folder, 'data');
  const args = ['serve', '--listen', free.host, '--registries', registries, '--data', data];
  const child = spawn(process.execPath, [`--import=${preload}`, main, ...args], { stdio });
  t.after(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const isUp = () =>
    get(`${free.url}/v2/`).then(
      ({ status }) => status === 200,
      () => false,
    );
  await eventually('the server answers', isUp);
  return { child, url: free.url, exited };
}

async function dropped(url: string): Promise<number> {
  const { body } = await get(`${url}/metrics`);
  return Number(/^entrepot_log_dropped_lines_total (\d+)$/m.exec(body.toString())?.[1]);
}

async function endsWith(exited: Promise<[number | null]>, child: ChildProcess, signal: NodeJS.Signals) {
  child.kill(signal);
  const [code] = await exited;
  return code;
}

/** Asks until lines have been dropped: by then what is behind standard output is full. */
async function fill(url: string): Promise<void> {
  for (let asked = 0; (await dropped(url)) === 0; asked += 500) {
    assert.ok(asked < 50_000, 'no line is dropped');
    for (let n = 0; n < 500; n += 1) assert.equal((await get(url + path)).status, 403);
  }
}

function unreadPipe(t: TestContext): number {
  const file = join(tempFolder(t), 'pipe');
  execFileSync('mkfifo', [file]);
  // Open for reading too, so that writing meets a full pipe and not a broken one.
  const fd = openSync(file, 'r+');
  t.after(() => closeSync(fd));
  return fd;
}

function fullDevice(t: TestContext): number {
  const fd = openSync('/dev/full', 'w');
  t.after(() => closeSync(fd));
  return fd;
}

const outputs: readonly (readonly [string, (t: TestContext) => 'pipe' | number])[] = [
  ['/dev/full', fullDevice],
  ['a pipe that is not read', unreadPipe],
  ['a socket that is not read, as a service manager may give it', () => 'pipe'],
];

for (const [what, open] of outputs) {
  describe(`with standard output on ${what}`, () => {
    it('clients are served, lines are dropped and counted, and SIGTERM ends it with 0', async (t) => {
      const { child, url, exited } = await serve(t, open(t));
      await fill(url);
      assert.equal((await get(`${url}/v2/`)).status, 200);
      assert.equal(await endsWith(exited, child, 'SIGTERM'), 0);
    });

    it('an uncaught exception ends it with 1', async (t) => {
      const { child, url, exited } = await serve(t, open(t));
      await fill(url);
      assert.equal(await endsWith(exited, child, 'SIGUSR2'), 1);
    });
  });
}

describe('with standard output in a file on a full disk', () => {
  it('lines are dropped until there is room again, and each line is whole or missing', async (t) => {
    const disk = smallDisk(t, 1);
    if (!disk) return t.skip('needs root');
    const file = join(disk.path, 'log');
    const fd = openSync(file, 'w');
    t.after(() => closeSync(fd));
    const { child, url, exited } = await serve(t, fd);
    disk.fill();
    await fill(url);
    disk.empty();
    assert.equal(await endsWith(exited, child, 'SIGTERM'), 0);
    const lines = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    const torn = lines.filter((line) => !line.endsWith('}'));
    assert.ok(torn.length <= 1, torn.join('\n'));
    assert.match(lines.at(-1) ?? '', /"stopped"/);
  });
});

describe('a command whose standard output cannot be written', () => {
  for (const args of [['explain', 'alpine', '--json'], ['explain', 'alpine'], ['--help']]) {
    it(`says so in one line and exits with 1: ${args.join(' ')}`, (t) => {
      const stdio: StdioOptions = ['ignore', fullDevice(t), 'pipe'];
      const run = spawnSync(process.execPath, [main, ...args], { stdio, encoding: 'utf8' });
      assert.equal(run.status, 1);
      assert.match(run.stderr, /^entrepot: standard output cannot be written: ENOSPC.*\n$/);
    });
  }

  it('ends as ever if its reader has seen enough', () => {
    const shell = `"$0" "$1" explain alpine --json | head -c 1; exit "\${PIPESTATUS[0]}"`;
    const run = spawnSync('bash', ['-c', shell, process.execPath, main], { encoding: 'utf8' });
    assert.deepEqual([run.status, run.stdout, run.stderr], [0, '{', '']);
  });
});
