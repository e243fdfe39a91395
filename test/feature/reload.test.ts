/** All configuration takes effect in a process that goes on serving: the whole of it or nothing, and nobody is cut off. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createReloads } from '../../src/cli/reload-triggers.ts';
import { createConfigWatch } from '../../src/config/files/config-watch.ts';
import { loadWhatIsRight, wholeConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { passwordLine } from '../support/access.ts';
import { createCertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { holdHeaders, stallAfter } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get as fetch, open } from '../support/http-client.ts';
import { buildImage, type Image } from '../support/images.ts';
import { imageOf, kept, pull } from '../support/kept-images.ts';
import { cacheOf, type MirroredRegistry, settled, startMirrored } from '../support/mirrored-registry.ts';
import { raw } from '../support/raw-http.ts';
import { storedBytes } from '../support/stored-files.ts';
import { tempFolder } from '../support/temp-folder.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Images of 100 KiB were pulled under these names, in this order. */
async function filled(t: TestContext, toml: string, names: readonly string[]) {
  const mirrored = await startMirrored(t, { toml });
  const images = Object.fromEntries(names.map((name) => [name, imageOf(name, 100 * KiB)]));
  for (const [name, image] of Object.entries(images)) await pull(mirrored, name, image);
  return { mirrored, images };
}

async function fits({ proxy }: MirroredRegistry, bytes: number): Promise<void> {
  await eventually('what is too much has gone', () => storedBytes(proxy.data) <= bytes);
}

describe('[cache] in a reload', () => {
  it('a smaller max_size evicts at once, a larger one keeps more', async (t) => {
    const { mirrored, images } = await filled(t, '[cache]\nmax_size = "10MiB"', ['a', 'b', 'c', 'd']);
    await mirrored.proxy.reload({ toml: '[cache]\nmax_size = "250KiB"' });
    await fits(mirrored, 250 * KiB);
    assert.deepEqual(await kept(mirrored, images), ['c', 'd']);

    await mirrored.proxy.reload({ toml: '[cache]\nmax_size = "400KiB"' });
    for (const name of ['e', 'f']) await pull(mirrored, name, imageOf(name, 50 * KiB));
    assert.deepEqual(await kept(mirrored, images), ['c', 'd']);
    const metrics = (await fetch(`${mirrored.proxy.url}/metrics`)).body.toString();
    assert.match(metrics, /^entrepot_cache_limit_bytes 409600$/m);
  });

  it('min_free is kept from then on', async (t) => {
    const disk = 1000 * KiB;
    const mirrored = await startMirrored(t, {
      toml: '[cache]\nmin_free = 0',
      app: { freeBytes: (folder) => disk - storedBytes(folder) },
    });
    for (const name of ['a', 'b', 'c']) await pull(mirrored, name, imageOf(name, 100 * KiB));
    await mirrored.proxy.reload({ toml: '[cache]\nmin_free = "800KiB"' });
    await fits(mirrored, 200 * KiB);
  });

  it('a new quota counts what is there already, a larger one lets more in, and one that is gone bounds nothing', async (t) => {
    const { mirrored, images } = await filled(t, '', ['team/a', 'other', 'team/b', 'team/c']);
    const quota = (size: string) => `[[cache.quota]]\nmatch = "*/team/**"\nmax_size = "${size}"`;
    await mirrored.proxy.reload({ toml: quota('250KiB') });
    await fits(mirrored, 350 * KiB);
    assert.deepEqual(await kept(mirrored, images), ['other', 'team/b', 'team/c']);

    await mirrored.proxy.reload({ toml: quota('400KiB') });
    const more: Record<string, Image> = { 'team/d': imageOf('team/d', 100 * KiB) };
    await pull(mirrored, 'team/d', more['team/d']!);
    assert.deepEqual(await kept(mirrored, { ...images, ...more }), ['other', 'team/b', 'team/c', 'team/d']);

    await mirrored.proxy.reload({ toml: '' });
    for (const name of ['team/e', 'team/f']) {
      more[name] = imageOf(name, 100 * KiB);
      await pull(mirrored, name, more[name]!);
    }
    assert.equal((await kept(mirrored, { ...images, ...more })).length, 6);
  });

  it('pins hold from then on, and no longer than they are there', async (t) => {
    const limit = '[cache]\nmax_size = "350KiB"\n';
    const { mirrored, images } = await filled(t, limit, ['base', 'a']);
    await mirrored.proxy.reload({ toml: `${limit}[[cache.pin]]\nmatch = "*/base"` });
    for (const name of ['b', 'c', 'd']) await pull(mirrored, name, imageOf(name, 100 * KiB));
    assert.deepEqual(await kept(mirrored, images), ['base']);

    await mirrored.proxy.reload({ toml: limit });
    for (const name of ['e', 'f', 'g', 'h']) await pull(mirrored, name, imageOf(name, 100 * KiB));
    assert.deepEqual(await kept(mirrored, images), []);
  });

  it('makes possible what a quota was too full for', async (t) => {
    const quota = '[[cache.quota]]\nmatch = "*/team/**"\nmax_size = "150KiB"\n';
    const { mirrored, images } = await filled(t, `${quota}[[cache.pin]]\nmatch = "*/team/a"`, ['team/a']);
    const more = imageOf('team/b', 100 * KiB);
    await pull(mirrored, 'team/b', more);
    assert.deepEqual(await kept(mirrored, { ...images, 'team/b': more }), ['team/a']);
    await mirrored.proxy.reload({ toml: quota });
    await pull(mirrored, 'team/b', more);
    assert.deepEqual(await kept(mirrored, { ...images, 'team/b': more }), ['team/b']);
  });
});

describe('[transfer] in a reload', () => {
  it('fill holds for transfers under way, too', async (t) => {
    const { registry, proxy, at, get } = await startMirrored(t);
    const digest = registry.putGeneratedBlob(4 * MiB);
    const hold = gate();
    registry.on({ kind: 'blob', method: 'GET', times: 1 }, stallAfter(MiB, hold));
    const reader = await open(at('app', `blobs/${digest}`));
    await hold.arrived;
    await proxy.reload({ toml: '[transfer]\nfill = "never"' });
    reader.destroy();
    await settled(proxy);
    hold.release();
    assert.equal(cacheOf(await get('app', `blobs/${digest}`)), 'fetched', 'nobody has filled on');
  });
});

describe('[limits] in a reload', () => {
  it('max_connections holds for the next connection', async (t) => {
    const { proxy } = await startMirrored(t);
    const hello = 'GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    assert.match(await raw(proxy.url, hello), /^HTTP\/1\.1 200 /);
    await proxy.reload({ toml: '[limits]\nmax_connections = 1' });
    const { hostname, port } = new URL(proxy.url);
    const first = connect(Number(port), hostname);
    await once(first, 'connect');
    assert.equal(await raw(proxy.url, hello), '');
    first.destroy();
  });

  it('stop_grace is that of the last reload', async (t) => {
    const { registry, proxy, at, clock } = await startMirrored(t);
    const digest = registry.putGeneratedBlob(2 * MiB);
    const hold = gate();
    registry.on({ kind: 'blob' }, stallAfter(MiB, hold));
    const reader = await open(at('app', `blobs/${digest}`));
    await reader.read(1024);
    await proxy.reload({ toml: '[limits]\nstop_grace = "7s"' });
    const stopped = proxy.stop();
    await clock.armed(7000);
    await clock.advance(7000);
    assert.deepEqual(await stopped, { cut: 1 });
  });
});

describe('a reload', () => {
  it('leaves address and data folder for the next start, and says so, and takes the rest', async (t) => {
    const { proxy } = await startMirrored(t);
    const said = () => proxy.log.filter(({ msg }) => /next start only/.test(String(msg)));
    await proxy.reload({
      toml: '[cache]\nmax_size = "1MiB"\n[transfer]\nfill = 0.5\n[limits]\nstop_grace = "1s"',
    });
    assert.deepEqual(said(), []);
    const registries = '[[registry]]\nlocation = "new.io"\nblocked = true\n';
    const toml = '[log]\nformat = "text"\n';
    await proxy.reload({ registries, toml, listen: '127.0.0.1:1', data: join(proxy.folder, 'elsewhere') });
    assert.deepEqual(
      said().map(({ key }) => key),
      ['listen', 'data', 'log.format'],
    );
    assert.equal((await fetch(`${proxy.url}/v2/new.io/app/tags/list`)).status, 502, 'new.io is listed now');
  });

  it('that fails in one part changes no other', async (t) => {
    const { mirrored, images } = await filled(t, '', ['a', 'b']);
    const { proxy, registry } = mirrored;
    writeFileSync(join(proxy.folder, 'ca.pem'), 'no certificate');
    const bad = `[cache]\nmax_size = "1KiB"\n[limits]\nmax_connections = 1\n[upstream]\nca_file = "ca.pem"`;
    const registries = '[[registry]]\nlocation = "new.io"\n';
    await assert.rejects(proxy.reload({ registries, toml: bad }), { code: 'TLS_UNUSABLE' });
    await proxy.app.administration.gc();
    assert.deepEqual(await kept(mirrored, images), ['a', 'b']);
    registry.putImage('c', '1', buildImage());
    assert.equal((await mirrored.get('c', 'manifests/1')).status, 200);
  });

  it('lets a manifest under way come, over the connection that it was asked on', async (t) => {
    const { registry, proxy, get } = await startMirrored(t);
    registry.putImage('app', '1', buildImage());
    const hold = gate();
    registry.on({ kind: 'manifest' }, holdHeaders(hold));
    const answer = get('app', 'manifests/1');
    await hold.arrived;
    await proxy.reload({ registries: '[[registry]]\nlocation = "other.io"\n' });
    hold.release();
    assert.equal((await answer).status, 200);
    assert.equal(registry.count({ kind: 'manifest', method: 'GET' }), 1, 'it was not asked twice');
  });

  it('lets a blob under way come, and cuts its connection only when it takes too long', async (t) => {
    const { registry, proxy, at, clock } = await startMirrored(t, {
      toml: '[upstream]\nstall_timeout = "24h"',
    });
    const size = 4 * MiB;
    const digest = registry.putGeneratedBlob(size);
    const [first, second] = [gate(), gate()];
    registry.on({ kind: 'blob', method: 'GET', times: 1 }, stallAfter(MiB, first));
    const answer = await open(at('app', `blobs/${digest}`));
    await answer.read(1024);
    await proxy.reload({});
    const [request] = registry.requests.filter(({ kind, method }) => kind === 'blob' && method === 'GET');
    registry.on({ kind: 'blob', method: 'GET', times: 1 }, stallAfter(MiB, second));
    await clock.advance(119_999);
    await fetch(`${registry.url}/v2/`);
    await fetch(`${proxy.url}/v2/`);
    assert.equal(registry.count({ kind: 'blob', method: 'GET' }), 1, 'it goes on as it was');
    await clock.advance(1);
    assert.equal(await request?.ended, 'cut');
    await second.arrived;
    second.release();
    const { body, complete } = await answer.rest();
    assert.deepEqual([body.length, complete], [size - 1024, true]);
    first.release();
  });

  it('leaves nothing open for a stop to forget', async (t) => {
    const { registry, proxy, at } = await startMirrored(t);
    registry.putImage('app', '1', buildImage());
    const hold = gate();
    registry.on({ kind: 'manifest' }, holdHeaders(hold));
    const leaving = new AbortController();
    const left = assert.rejects(fetch(at('app', 'manifests/1'), { signal: leaving.signal }));
    await hold.arrived;
    leaving.abort();
    await left;
    await proxy.reload({});
    const asked = await registry.seen({ kind: 'manifest' });
    await proxy.stop();
    assert.equal(await asked.ended, 'cut');
  });
});

/** The program with its watch over the files, as `serve` puts the two together. `look` lets it have one look. */
async function watched(
  t: TestContext,
  toml = '',
  folder = tempFolder(t),
): Promise<MirroredRegistry & { look(): Promise<void> }> {
  const mirrored = await startMirrored(t, { toml, folder });
  const { proxy, clock } = mirrored;
  const lines: Record<string, unknown>[] = proxy.log;
  const log = createLog({ level: 'info', to: { write: (line) => lines.push(JSON.parse(line)) } });
  const watch = createConfigWatch({
    clock,
    isWanted: () => reloads.config.server.reloadOnChange,
    isRefused: () => reloads.isRefused,
  });
  const read = async () => wholeConfig(await watch.read(() => loadWhatIsRight(proxy.options)));
  const reloads = createReloads({ app: Promise.resolve(proxy.app), read, log }, await read());
  watch.start((changed) => reloads.ask({ changed }));
  t.after(() => watch.stop());
  return {
    ...mirrored,
    async look() {
      await clock.advance(2000);
      await clock.armed(2000);
    },
  };
}

function privateKey(): string {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

const reloaded = ({ proxy }: MirroredRegistry) =>
  proxy.log.filter(({ msg }) => msg === 'configuration reloaded').map(({ changed }) => changed);
const refused = ({ proxy }: MirroredRegistry) =>
  proxy.log.filter(({ msg }) => /not reloaded/.test(String(msg))).map(({ changed, msg }) => [changed, msg]);

describe('a change of a file', () => {
  it('is a reload that nobody has to ask for, and the log says which file it was', async (t) => {
    const site = await watched(t);
    const { proxy, look } = site;
    const file = join(proxy.folder, 'registries.conf');
    writeFileSync(file, '[[registry]]\nlocation = "new.io"\nblocked = true\n');
    await look();
    assert.equal((await fetch(`${proxy.url}/v2/new.io/app/tags/list`)).status, 403, 'it may be half written');
    await look();
    await eventually('it is reloaded', () => reloaded(site).length > 0);
    assert.equal((await fetch(`${proxy.url}/v2/new.io/app/tags/list`)).status, 502);
    assert.deepEqual(reloaded(site), [[file]]);
  });

  it('that cannot be used is told once, and the next one that can is taken', async (t) => {
    const site = await watched(t);
    const { proxy, look } = site;
    const file = join(proxy.folder, 'entrepot.toml');
    writeFileSync(file, 'lisen = 1\n');
    for (let looks = 0; looks < 6; looks += 1) await look();
    await eventually('it is refused', () => refused(site).length > 0);
    for (let looks = 0; looks < 4; looks += 1) await look();
    assert.deepEqual([refused(site).length, refused(site)[0]?.[0], reloaded(site)], [1, [file], []]);
    assert.match(String(refused(site)[0]?.[1]), /did you mean listen/);

    writeFileSync(file, '[cache]\nmax_size = "1MiB"\n');
    for (let looks = 0; looks < 2; looks += 1) await look();
    await eventually('it is reloaded', () => reloaded(site).length > 0);
    assert.match(
      (await fetch(`${proxy.url}/metrics`)).body.toString(),
      /^entrepot_cache_limit_bytes 1048576$/m,
    );
  });

  it('in the folder of policies is a reload, and one that cannot be used leaves the policies as they were', async (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'policies'));
    const site = await watched(t, 'policies = "policies"\n', folder);
    const { proxy, look } = site;
    const file = join(folder, 'policies', 'image.yaml');
    const status = async () => (await fetch(`${proxy.url}/v2/new.io/app/tags/list`)).status;
    assert.equal(await status(), 403, 'new.io is not listed');
    const blocked = (list: string) =>
      `apiVersion: config.openshift.io/v1\nkind: Image\nmetadata: {name: cluster}\nspec:\n  registrySources:\n    blockedRegistries: ${list}\n`;
    writeFileSync(file, blocked('[new.io]'));
    for (let looks = 0; looks < 2; looks += 1) await look();
    await eventually('it is reloaded', () => reloaded(site).length > 0);
    assert.deepEqual(reloaded(site), [[file]]);
    assert.equal(await status(), 502, 'it is listed, and blocked');

    writeFileSync(file, blocked('["*"]'));
    for (let looks = 0; looks < 2; looks += 1) await look();
    await eventually('it is refused', () => refused(site).length > 0);
    assert.match(String(refused(site)[0]?.[1]), /not reloaded.*Image "cluster": "\*" in blockedRegistries/);
    assert.equal(await status(), 502);
  });

  it('that names files which are not there yet is taken when they come', async (t) => {
    const site = await watched(t);
    const { proxy, look } = site;
    writeFileSync(join(proxy.folder, 'entrepot.toml'), '[upstream]\nca_file = "ca.pem"\n');
    for (let looks = 0; looks < 2; looks += 1) await look();
    await eventually('it is refused', () => refused(site).length > 0);
    writeFileSync(join(proxy.folder, 'ca.pem'), createCertificateAuthority().cert);
    for (let looks = 0; looks < 2; looks += 1) await look();
    await eventually('it is reloaded', () => reloaded(site).length > 0);
    assert.deepEqual(reloaded(site), [[join(proxy.folder, 'ca.pem')]]);
  });

  for (const { key, file, bad, good } of [
    {
      key: 'htpasswd = "accounts"',
      file: 'accounts',
      bad: 'bob:$apr1$hRY7OJWH$km1EYH.UIRjp6CzfZQz/g1\n',
      good: passwordLine('bob', 'bob-secret-2'),
    },
    { key: 'token_key = "token.pem"', file: 'token.pem', bad: 'half', good: privateKey() },
    {
      key: '[[access.issuer]]\nissuer = "https://ex.test"\naudience = "a"\nkeys = "keys.pem"',
      file: 'keys.pem',
      bad: 'half',
      good: createCertificateAuthority().cert,
    },
  ]) {
    it(`that is refused for ${file} is tried again when that file is mended`, async (t) => {
      const site = await watched(t);
      const { proxy, look } = site;
      const twoLooks = async () => {
        for (let looks = 0; looks < 2; looks += 1) await look();
      };
      const [toml, path] = [join(proxy.folder, 'entrepot.toml'), join(proxy.folder, file)];
      const account = file === 'accounts' ? '' : 'htpasswd = "always"\n';
      writeFileSync(join(proxy.folder, 'always'), passwordLine('ann', 'ann-secret-1'));
      writeFileSync(path, bad);
      writeFileSync(toml, `[access]\n${account}${key}\n`);
      await twoLooks();
      await eventually('it is refused', () => refused(site).length > 0);
      assert.deepEqual([refused(site).map(([changed]) => changed), reloaded(site)], [[[toml]], []]);

      writeFileSync(path, good);
      await twoLooks();
      await eventually('it is reloaded', () => reloaded(site).length > 0);
      assert.deepEqual(reloaded(site), [[path]]);
    });
  }

  it('of accounts in use is no reload, unless a reload was refused for them', async (t) => {
    const site = await watched(t);
    const { proxy, look } = site;
    const [toml, accounts] = [join(proxy.folder, 'entrepot.toml'), join(proxy.folder, 'accounts')];
    const ann = passwordLine('ann', 'ann-secret-1');
    const md5 = 'bob:$apr1$hRY7OJWH$km1EYH.UIRjp6CzfZQz/g1\n';
    const change = async (file: string, text: string) => {
      writeFileSync(file, text);
      for (let looks = 0; looks < 3; looks += 1) await look();
    };
    writeFileSync(accounts, ann);
    const access = '[access]\nhtpasswd = "accounts"\n';
    await change(toml, access);
    await eventually('it is reloaded', () => reloaded(site).length === 1);
    await change(accounts, ann + md5);
    await change(toml, `${access}anonymous = ["pull"]\n`);
    await eventually('it is refused', () => refused(site).length === 1);
    assert.deepEqual(reloaded(site), [[toml]], 'the accounts alone are no reload');
    assert.match(String(refused(site)[0]?.[1]), /bob/);
    await change(accounts, ann);
    await eventually('it is reloaded', () => reloaded(site).length === 2);
    await change(accounts, ann + md5);
    await change(accounts, `${ann}\n`);
    assert.deepEqual([reloaded(site), refused(site).length], [[[toml], [accounts]], 1]);
  });

  it('waits for SIGHUP where reload_on_change is false', async (t) => {
    const site = await watched(t, 'reload_on_change = false');
    writeFileSync(join(site.proxy.folder, 'entrepot.toml'), '');
    for (let looks = 0; looks < 4; looks += 1) await site.look();
    assert.deepEqual([reloaded(site), refused(site)], [[], []]);
  });
});
