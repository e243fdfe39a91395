/** The data folder as people have it: too long a path, folders where files belong, small disks, shared groups; and the end of a server. */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { startApp } from '../support/app.ts';
import { runCommand } from '../support/commands.ts';
import { get } from '../support/http-client.ts';
import { imageOf, pull } from '../support/kept-images.ts';
import { startMirrored } from '../support/mirrored-registry.ts';
import { runEntrepot } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

describe('a data folder with a path of 150 characters', () => {
  it('has an admin socket that the commands find', async (t) => {
    const folder = join(tempFolder(t), 'x'.repeat(75), 'y'.repeat(75));
    mkdirSync(folder, { recursive: true });
    const mirrored = await startMirrored(t, { folder });
    await pull(mirrored, 'team/a', imageOf('a', 1000));
    assert.deepEqual(
      mirrored.proxy.log.filter(({ level }) => level === 'warn'),
      [],
    );
    const { code, json } = await runCommand(mirrored.proxy, 'list', '--json');
    assert.deepEqual([code, json.length], [0, 1]);
    const health = await runCommand(mirrored.proxy, 'health');
    assert.deepEqual([health.code, health.stdout], [0, 'ok\n']);
  });
});

describe('a data folder that was opened in vain', () => {
  it('is released, so that the next try in the same process opens it', async (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'ca.pem'), 'no certificate');
    const toml = '[upstream]\nca_file = "ca.pem"\n';
    await assert.rejects(startApp(t, { folder, registries: '', toml }), { code: 'TLS_UNUSABLE' });
    const { url } = await startApp(t, { folder, registries: '' });
    assert.equal((await get(`${url}/v2/`)).status, 200);
  });
});

describe('a data folder that cannot be used', () => {
  for (const name of ['entrepot.lock', 'index-v1.sqlite']) {
    it(`is told in one line: ${name} is a folder`, async (t) => {
      const data = tempFolder(t);
      mkdirSync(join(data, 'content-v1'), { recursive: true });
      mkdirSync(join(data, name));
      const { code, stderr } = await runEntrepot(['list', '--data', data]);
      assert.equal(code, 1);
      assert.match(
        stderr,
        new RegExp(`^entrepot: ${join(data, name)}: is a folder, and Entrepot needs a file there[^\n]*\n$`),
      );
    });
  }

  it('is told in one line: the index is a database of something else', async (t) => {
    const data = tempFolder(t);
    mkdirSync(join(data, 'content-v1'));
    const db = new SqliteDatabase(join(data, 'index-v1.sqlite'));
    db.exec('CREATE TABLE names (id INTEGER PRIMARY KEY)');
    db.close();
    const { code, stderr } = await runEntrepot(['list', '--data', data]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^entrepot: \S+index-v1\.sqlite: is a database that Entrepot did not write: move it away[^\n]*\n$/,
    );
  });

  it('has an index of a newer version: the way out is told, and works', async (t) => {
    const data = tempFolder(t);
    mkdirSync(join(data, 'content-v1'));
    const file = join(data, 'index-v1.sqlite');
    const db = new SqliteDatabase(file);
    db.pragma('user_version = 99');
    db.close();
    const { code, stderr } = await runEntrepot(['list', '--data', data]);
    assert.equal(code, 1);
    assert.match(stderr, /version 99.*remove this file with its -wal and -shm/);
    rmSync(file);
    assert.equal((await runEntrepot(['list', '--data', data])).code, 0);
  });
});

describe('a data folder that its group may write', () => {
  it('has folders and files that the group may write, whatever the umask', async (t) => {
    const folder = tempFolder(t);
    const data = join(folder, 'data');
    const umask = process.umask(0o022);
    t.after(() => void process.umask(umask));
    mkdirSync(data, { mode: 0o770 });
    process.umask(0o000);
    mkdirSync(join(folder, 'shared'), { mode: 0o770 });
    process.umask(0o022);
    for (const [name, group] of [
      ['data', 0o5],
      ['shared', 0o7],
    ] as const) {
      await startApp(t, { registries: '', folder }, {}).then((app) => app.stop());
      const { code } = await runEntrepot(['pull', '--data', join(folder, name), 'none.test/x']);
      assert.notEqual(code, 0);
      for (const part of ['content-v1', 'incoming']) {
        assert.equal((statSync(join(folder, name, part)).mode >> 3) & 0o7, group, `${name}/${part}`);
      }
      const ofIndex = (statSync(join(folder, name, 'index-v1.sqlite')).mode >> 3) & 0o7;
      assert.equal(ofIndex, group & 0o6);
    }
  });
});

describe('/readyz', () => {
  it('says 503 with the reason while a folder cannot be made again', async (t) => {
    const { proxy } = await startMirrored(t);
    const incoming = join(proxy.data, 'incoming');
    rmSync(incoming, { recursive: true });
    assert.equal((await get(`${proxy.url}/readyz`)).status, 200);
    assert.ok(statSync(incoming).isDirectory());
    rmSync(incoming, { recursive: true });
    writeFileSync(incoming, '');
    const { status, body } = await get(`${proxy.url}/readyz`);
    assert.equal(status, 503);
    assert.match(body.toString(), /incoming: is a file where the data folder needs a folder/);
    rmSync(incoming);
    assert.equal((await get(`${proxy.url}/readyz`)).status, 200);
  });
});

describe('limits.drain_delay', () => {
  it('lets a stop serve new clients for a while, and tells load balancers at once', async (t) => {
    const { proxy, clock } = await startMirrored(t, { toml: '[limits]\ndrain_delay = "5s"\n' });
    const stopped = proxy.stop();
    await clock.armed(5000);
    assert.equal((await get(`${proxy.url}/readyz`)).status, 503);
    assert.equal((await get(`${proxy.url}/v2/`)).status, 200);
    await clock.advance(5000);
    assert.deepEqual(await stopped, { cut: 0 });
    await assert.rejects(get(`${proxy.url}/v2/`));
  });
});
