import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createCertificateAuthority } from '../../../support/certificates.ts';
import { startFakeRegistry } from '../../../support/fake-registry.ts';
import { stallAfter } from '../../../support/fake-registry-faults.ts';
import { gate } from '../../../support/gate.ts';
import { get, open } from '../../../support/http-client.ts';
import { runEntrepot, startEntrepot } from '../../../support/processes.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const sound = '[[registry]]\nlocation = "ex.io"\n';

interface Site {
  readonly folder: string;
  readonly registries: string;
  readonly args: readonly string[];
}

function place(t: TestContext, text = sound): Site {
  const folder = tempFolder(t);
  const registries = join(folder, 'registries.conf');
  writeFileSync(registries, text);
  return { folder, registries, args: ['--registries', registries, '--data', join(folder, 'data')] };
}

/** Serving in a process of its own, which runs `preload` first. */
async function serving(t: TestContext, { folder, args }: Site, preload = '') {
  const file = join(folder, 'preload.mjs');
  writeFileSync(file, preload);
  const running = await startEntrepot({ args, cwd: folder, env: { NODE_OPTIONS: `--import=${file}` } });
  t.after(() => running.stop('SIGKILL'));
  return running;
}

/** Serving a blob of `size` bytes that stalls halfway until the gate opens, and a client that has begun to read it. */
async function stalled(t: TestContext) {
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  const size = 2 * 1024 * 1024;
  const digest = registry.putGeneratedBlob(size);
  const hold = gate();
  registry.on({ kind: 'blob', method: 'GET' }, stallAfter(size / 2, hold));
  const running = await serving(
    t,
    place(t, `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`),
  );
  const answer = await open(`${running.url}/v2/${registry.host}/app/blobs/${digest}`);
  await answer.read(1024);
  return { running, hold, answer, rest: size - 1024 };
}

test('one line of JSON says where it listens, and what it serves from', async (t) => {
  const site = place(t);
  const running = await serving(t, site);
  const line = JSON.parse(await running.line(/listening/));
  assert.equal(line.msg, 'listening');
  assert.equal(line.address, running.host);
  assert.deepEqual([line.data, line.registries], [join(site.folder, 'data'), [site.registries]]);
  assert.equal((await get(`${running.url}/v2/`)).status, 200);
});

test('warnings of the configuration are lines of the log', async (t) => {
  const site = place(t, `${sound}mirorr = 1\n`);
  const running = await serving(t, site);
  const line = JSON.parse(await running.line(/mirorr/));
  assert.deepEqual([line.level, line.file, line.line], ['warn', site.registries, 3]);
});

test('SIGTERM and SIGINT end it with 0', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const running = await serving(t, place(t));
    assert.deepEqual(await running.stop(signal), { code: 0, signal: null });
    assert.match(await running.line(/"stopping"/), new RegExp(signal));
    assert.match(await running.line(/"stopped"/), /"cut":0/);
  }
});

test('an answer under way is finished before the end', async (t) => {
  const { running, hold, answer, rest } = await stalled(t);
  running.kill('SIGTERM');
  await running.line(/"stopping"/);
  hold.release();
  const { body, complete } = await answer.rest();
  assert.deepEqual([body.length, complete], [rest, true]);
  assert.deepEqual(await running.exited, { code: 0, signal: null });
});

test('a second signal ends it at once, with 1', async (t) => {
  const { running, answer } = await stalled(t);
  running.kill('SIGTERM');
  await running.line(/"stopping"/);
  running.kill('SIGINT');
  assert.deepEqual(await running.exited, { code: 1, signal: null });
  assert.equal((await answer.rest()).complete, false);
});

test('the same signal twice in a moment, as npm passes on a Ctrl-C, counts once', async (t) => {
  const { running, hold, answer } = await stalled(t);
  running.kill('SIGINT');
  running.kill('SIGINT');
  await running.line(/"stopping"/);
  running.kill('SIGINT');
  hold.release();
  assert.equal((await answer.rest()).complete, true);
  assert.deepEqual(await running.exited, { code: 0, signal: null });
});

test('nothing outlives npm start when that is stopped', async (t) => {
  const { args } = place(t);
  const npm = spawn('npm', ['start', '--', '--listen', '127.0.0.1:0', ...args], {
    cwd: join(import.meta.dirname, '../../../..'),
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  assert.ok(npm.pid);
  const group = -npm.pid;
  npm.stdout.on('data', (text) => /"listening"/.test(text) && npm.kill('SIGTERM'));
  await once(npm, 'exit');
  try {
    assert.throws(() => process.kill(group, 0), { code: 'ESRCH' });
  } catch (error) {
    process.kill(group, 'SIGKILL');
    throw error;
  }
});

test('SIGHUP puts a new configuration in force', async (t) => {
  const site = place(t);
  const running = await serving(t, site);
  const askNew = () => get(`${running.url}/v2/new.io/app/tags/list`);
  assert.equal((await askNew()).status, 403);
  writeFileSync(site.registries, '[[registry]]\nlocation = "new.io"\nblocked = true\n');
  running.kill('SIGHUP');
  await running.line(/configuration reloaded/);
  assert.equal((await askNew()).status, 502);
});

test('so does a change of a file, without a signal, and the log says which file it was', async (t) => {
  const site = place(t);
  const running = await serving(t, site);
  writeFileSync(site.registries, '[[registry]]\nlocation = "new.io"\nblocked = true\n');
  const line = JSON.parse(await running.line(/configuration reloaded/));
  assert.deepEqual(line.changed, [site.registries]);
  assert.equal((await get(`${running.url}/v2/new.io/app/tags/list`)).status, 502);
});

test('a configuration that cannot be used is reported with file and line, and the old one stays', async (t) => {
  const site = place(t);
  const running = await serving(t, site);
  writeFileSync(site.registries, '[[registry]]\nblocked = true\n');
  running.kill('SIGHUP');
  const broken = JSON.parse(await running.line(/not reloaded/));
  const isGood = async () =>
    /^entrepot_config_last_reload_successful (.)$/m.exec(
      String((await get(`${running.url}/metrics`)).body),
    )?.[1];
  assert.equal(await isGood(), '0');
  assert.deepEqual(
    [broken.level, broken.code, broken.file, broken.line],
    ['error', 'CONFIG_INVALID', site.registries, 1],
  );
  assert.equal((await get(`${running.url}/v2/none.io/app/tags/list`)).status, 403);

  rmSync(site.registries);
  running.kill('SIGHUP');
  assert.match(await running.line(/CONFIG_UNREADABLE/), /does not exist/);

  writeFileSync(site.registries, sound);
  running.kill('SIGHUP');
  await running.line(/configuration reloaded/);
  assert.equal(await isGood(), '1');
  assert.deepEqual(await running.stop(), { code: 0, signal: null });
});

test('a configuration that cannot be used ends the start with 2 and FILE:LINE on standard error', async (t) => {
  const { registries, args } = place(t, '[[registry]]\nlocation = "http://ex.io"\n');
  const { code, stdout, stderr } = await runEntrepot(['serve', '--listen', '127.0.0.1:0', ...args]);
  assert.deepEqual([code, stdout], [2, '']);
  assert.ok(stderr.startsWith(`entrepot: ${registries}:2: `), stderr);
  assert.equal(stderr.split('\n').length, 2);
});

test('a CA file that cannot be used ends the start with 2', async (t) => {
  const { folder, args } = place(t);
  writeFileSync(join(folder, 'entrepot.toml'), '[upstream]\nca_file = "ca.pem"\n');
  writeFileSync(join(folder, 'ca.pem'), 'no certificate');
  const { code, stderr } = await runEntrepot(['serve', '--listen', '127.0.0.1:0', ...args], { cwd: folder });
  assert.equal(code, 2);
  assert.match(stderr, /^entrepot: \S+ca\.pem: /);
});

test('a TLS key that fits no certificate ends the start with 2, and nothing listens', async (t) => {
  const { folder, args } = place(t);
  const authority = createCertificateAuthority();
  writeFileSync(join(folder, 'tls.crt'), authority.issue().cert);
  writeFileSync(join(folder, 'tls.key'), authority.issue().key);
  const env = { ENTREPOT_TLS_CERTIFICATE: 'tls.crt', ENTREPOT_TLS_KEY: 'tls.key' };
  const { code, stdout, stderr } = await runEntrepot(['serve', '--listen', '127.0.0.1:0', ...args], {
    cwd: folder,
    env,
  });
  assert.deepEqual([code, /listening/.test(stdout)], [2, false]);
  assert.match(stderr, /^entrepot: \S+tls\.crt: the certificate is for another key/);
  const { code: listed } = await runEntrepot(['usage', ...args], { cwd: folder, env });
  assert.equal(listed, 0, 'commands do not read the key');
});

test('a port that is in use ends the start with 1', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => void other.close());
  await once(other, 'listening');
  const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
  const { code, stderr } = await runEntrepot(['serve', '--listen', address, ...place(t).args]);
  assert.equal(code, 1);
  assert.ok(stderr.startsWith(`entrepot: cannot listen on ${address}: another process`), stderr);
});

test('a data folder that another process holds ends the start with 1 and names that process', async (t) => {
  const site = place(t);
  const running = await serving(t, site);
  const { code, stderr } = await runEntrepot(['serve', '--listen', '127.0.0.1:0', ...site.args]);
  assert.equal(code, 1);
  assert.match(stderr, new RegExp(`^entrepot: .*in use by process ${running.pid}`));
});

test('an unhandled rejection is logged without secrets, and the server goes on', async (t) => {
  const preload = `process.once('SIGUSR2', () => {
    const error = new Error('GET https://me:hunter2@ex.io/token?access_token=letmein Bearer abc.def failed');
    void Promise.reject(Object.assign(error, { headers: { authorization: 'letmein' } }));
  });`;
  const running = await serving(t, place(t), preload);
  running.kill('SIGUSR2');
  const line = await running.line(/unhandled rejection/);
  assert.doesNotMatch(line, /hunter2|letmein|abc\.def/);
  const { level, fault } = JSON.parse(line);
  assert.equal(level, 'error');
  assert.equal(fault.message, 'GET https://ex.io/token?... Bearer ... failed');
  assert.equal((await get(`${running.url}/v2/`)).status, 200);
  assert.deepEqual(await running.stop(), { code: 0, signal: null });
});

test('an uncaught exception is logged, and the process ends with 1', async (t) => {
  const preload = `process.once('SIGUSR2', () => { throw new TypeError('left halfway') });`;
  const running = await serving(t, place(t), preload);
  running.kill('SIGUSR2');
  assert.deepEqual(await running.exited, { code: 1, signal: null });
  const { level, fault } = JSON.parse(await running.line(/uncaught exception/));
  assert.deepEqual([level, fault.name, fault.message], ['fatal', 'TypeError', 'left halfway']);
  assert.match(fault.stack, /left halfway/);
});
