import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get } from '../../support/http-client.ts';
import { run, startProcess } from '../../support/processes.ts';

test('a line is found whether it was written before or comes later', async () => {
  const script = 'console.log("one"); console.error("two"); setInterval(() => {}, 1000)';
  const running = startProcess(process.execPath, ['-e', script]);
  assert.equal(await running.line(/two/), 'two');
  assert.equal(await running.line(/^one$/), 'one');
  assert.equal((await running.stop()).signal, 'SIGTERM');
});

test('waiting for a line ends with an error that shows the output when the program ends', async () => {
  const running = startProcess(process.execPath, ['-e', 'console.error("no such file"); process.exit(3)']);
  await assert.rejects(running.line(/listening/), /ended without a line like .*no such file/s);
  assert.deepEqual(await running.exited, { code: 3, signal: null });
  await assert.rejects(startProcess('/nowhere/at/all', []).line(/x/), { code: 'ENOENT' });
});

test('a run gives exit code and output', async () => {
  const result = await run(process.execPath, ['-e', 'console.log(process.env.A)'], { env: { A: 'b' } });
  assert.deepEqual(result, { code: 0, stdout: 'b\n', stderr: '' });
  const bare = await run(process.execPath, ['-p', 'Object.keys(process.env).length'], { inherit: ['PATH'] });
  assert.equal(bare.stdout, '1\n');
});

test('the fake registry runs in a process of its own and tells what it did', async (t) => {
  const main = new URL('../../support/fake-registry-main.ts', import.meta.url).pathname;
  const running = startProcess(process.execPath, [main, '--blob', '2MiB', '--image', '64KiB,1KiB']);
  t.after(() => running.stop('SIGKILL'));
  const said = JSON.parse(await running.line(/"port"/));
  const blob = await get(`${said.url}/v2/any/blobs/${said.blobs[0].digest}`);
  assert.equal(blob.body.length, 2 * 1024 * 1024);
  const image = await get(`${said.url}/v2/${said.images[0].repository}/manifests/${said.images[0].tag}`);
  assert.equal(image.headers['docker-content-digest'], said.images[0].digest);
  running.kill('SIGUSR2');
  const counts = JSON.parse(await running.line(/"bodyBytes"/));
  assert.deepEqual([counts.requests.blob, counts.requests.manifest], [1, 1]);
  assert.equal((await running.stop()).code, 0);
});
