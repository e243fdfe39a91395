import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { EntrepotError } from '../../../../src/errors.ts';
import { dataFolder, open } from '../data-folder-fixture.ts';

/** Another process that opens the folder, says so, and waits to be killed. */
async function otherHolder(t: TestContext, data: string): Promise<ChildProcess> {
  const script = new URL('./hold-data-folder.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, data], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout!, 'data');
  return child;
}

async function refusal(opening: Promise<unknown>): Promise<EntrepotError> {
  const error = await opening.then(
    () => undefined,
    (problem: unknown) => problem,
  );
  assert.ok(error instanceof EntrepotError, `was not refused: ${String(error)}`);
  return error;
}

test('a folder that another process holds is refused, with its process and host', async (t) => {
  const data = dataFolder(t);
  const holder = await otherHolder(t, data);
  const error = await refusal(open(t, data));
  assert.equal(error.code, 'DATA_LOCKED');
  assert.equal(error.file, join(data, 'entrepot.lock'));
  assert.match(error.message, new RegExp(`process ${holder.pid} on ${hostname()}`));
});

test('the lock ends with a process that is killed', async (t) => {
  const data = dataFolder(t);
  const holder = await otherHolder(t, data);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  const cache = await open(t, data);
  assert.deepEqual(await cache.tags('a.test/b'), []);
});

test('a second one in the same process is refused, the first keeps the lock, and closing gives it back', async (t) => {
  const data = dataFolder(t);
  const first = await open(t, data);
  for (const _ of [1, 2]) assert.equal((await refusal(open(t, data))).code, 'DATA_LOCKED');
  const script = new URL('./hold-data-folder.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, data], { stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  assert.notEqual(code, 0, 'nor does another process get it after the refusals');
  await first.close();
  await open(t, data);
});

test('a folder that cannot be made, read or written is refused by name, with a way out', async (t) => {
  const data = dataFolder(t);
  writeFileSync(join(data, 'file'), '');
  for (const path of ['file', 'file/below']) {
    const error = await refusal(open(t, join(data, path)));
    assert.equal(error.code, 'DATA_UNUSABLE');
    assert.match(error.file ?? '', /file/);
    assert.match(error.message, /--data/);
  }
  if (process.getuid?.() === 0) return;
  mkdirSync(join(data, 'closed'));
  chmodSync(join(data, 'closed'), 0o500);
  const error = await refusal(open(t, join(data, 'closed')));
  assert.equal(error.code, 'DATA_UNUSABLE');
  assert.match(error.message, /may not write/);
});

test('a lock file that is none is refused by name', async (t) => {
  const data = dataFolder(t);
  writeFileSync(join(data, 'entrepot.lock'), 'x'.repeat(5000));
  const error = await refusal(open(t, data));
  assert.equal(error.code, 'DATA_UNUSABLE');
  assert.equal(error.file, join(data, 'entrepot.lock'));
});
