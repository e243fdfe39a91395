import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startFakeRegistry } from '../../../support/fake-registry.ts';
import { rateLimited, status } from '../../../support/fake-registry-faults.ts';
import { buildImage } from '../../../support/images.ts';
import { runEntrepot } from '../../../support/processes.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { startTokenServer } from '../../../support/token-server.ts';

interface Probed {
  readonly host: string;
  readonly outcome: string;
  readonly ms: number;
  readonly reason: string | null;
  readonly credentials: { readonly file: string | null; readonly key: string } | null;
}

async function registryFor(t: TestContext, options: Parameters<typeof startFakeRegistry>[0] = {}) {
  const registry = await startFakeRegistry(options);
  t.after(() => registry.stop());
  return registry;
}

/** ex.io, pulled from these hosts over plain HTTP, the last one being the source. */
function entry(...hosts: readonly string[]): string {
  const tables = hosts.map((host) => `location = "${host}"\ninsecure = true\n`);
  const mirrors = tables.slice(0, -1).map((table) => `[[registry.mirror]]\n${table}`);
  return `[[registry]]\nprefix = "ex.io"\n${tables.at(-1)}${mirrors.join('')}`;
}

async function probe(home: string, registries: string, reference: string) {
  writeFileSync(join(home, 'registries.conf'), registries);
  const args = ['explain', reference, '--probe', '--registries', 'registries.conf'];
  const options = { cwd: home, env: { HOME: home } };
  const [asJson, inWords] = [
    await runEntrepot([...args, '--json'], options),
    await runEntrepot(args, options),
  ];
  assert.deepEqual([asJson.code, asJson.stderr, inWords.code], [0, '', 0]);
  return { endpoints: JSON.parse(asJson.stdout).endpoints as Probed[], text: inWords.stdout };
}

test('every endpoint is asked by HEAD, also after one that has the image', async (t) => {
  const [mirror, source] = [await registryFor(t), await registryFor(t)];
  for (const registry of [mirror, source]) registry.putImage('app', '1', buildImage());
  const { endpoints, text } = await probe(tempFolder(t), entry(mirror.host, source.host), 'ex.io/app:1');
  assert.deepEqual(
    endpoints.map(({ host, outcome, reason, credentials }) => ({ host, outcome, reason, credentials })),
    [mirror, source].map(({ host }) => ({ host, outcome: 'ok', reason: null, credentials: null })),
  );
  assert.ok(endpoints.every(({ ms }) => Number.isInteger(ms)));
  assert.match(text, /answer +ok after \d+ ms, without credentials\n/);
  assert.match(text, /A client gets the answer of endpoint 1\./);
  assert.equal(source.count({ kind: 'manifest', method: 'HEAD' }), 2);
  assert.equal(source.count({ kind: 'manifest', method: 'GET' }), 0);
});

test('each endpoint tells its own reason', async (t) => {
  const [gone, broken, limited, source] = [
    await registryFor(t),
    await registryFor(t),
    await registryFor(t),
    await registryFor(t),
  ];
  await gone.stop();
  broken.on({ kind: 'manifest' }, status(503));
  limited.on({ kind: 'manifest' }, rateLimited(60));
  const hosts = [gone, broken, limited, source].map(({ host }) => host);
  const { endpoints, text } = await probe(tempFolder(t), entry(...hosts), 'ex.io/app:1');
  assert.deepEqual(
    endpoints.map(({ outcome }) => outcome),
    ['unreachable', 'unreachable', 'rateLimited', 'notFound'],
  );
  assert.match(endpoints[0]?.reason ?? '', /refused/);
  assert.match(endpoints[1]?.reason ?? '', /HTTP 503/);
  assert.match(text, /answer +unreachable after \d+ ms, without credentials: HTTP 503/);
  assert.match(text, /else 503: the registry limits requests/);
});

test('when every endpoint says 404, so would a client be told', async (t) => {
  const source = await registryFor(t);
  const { text } = await probe(tempFolder(t), entry(source.host), 'ex.io/app');
  assert.match(text, /A client gets 404/);
  assert.equal(source.count({ kind: 'manifest', reference: 'latest', method: 'GET' }), 2);
});

/** A home directory that has the password of `robot`. */
function loggedIn(t: TestContext, host: string) {
  const home = tempFolder(t);
  const file = join(home, '.docker/config.json');
  mkdirSync(join(home, '.docker'));
  const secret = Buffer.from('robot:hunter2').toString('base64');
  writeFileSync(file, JSON.stringify({ auths: { [host]: { auth: secret } } }));
  return { home, file };
}

test('the credentials that were used are named by file and key', async (t) => {
  const auth = { kind: 'basic', username: 'robot', password: 'hunter2' } as const;
  const source = await registryFor(t, { auth });
  source.putImage('app', '1', buildImage());
  const { home, file } = loggedIn(t, source.host);
  const { endpoints, text } = await probe(home, entry(source.host), 'ex.io/app:1');
  assert.deepEqual(endpoints[0]?.credentials, { file, key: source.host });
  assert.equal(endpoints[0]?.outcome, 'ok');
  assert.ok(text.includes(`with ${file} (entry ${source.host})`), text);
  assert.ok(![JSON.stringify(endpoints), text].some((said) => said.includes('hunter2')));
});

test('so are those that only a token server has seen, and refused', async (t) => {
  const tokens = await startTokenServer({ accounts: { robot: { password: 'changed' } } });
  t.after(() => tokens.stop());
  const source = await registryFor(t, { auth: { kind: 'bearer', tokens } });
  const { home, file } = loggedIn(t, source.host);
  const { endpoints, text } = await probe(home, entry(source.host), 'ex.io/app:1');
  assert.deepEqual(endpoints[0]?.credentials, { file, key: source.host });
  assert.doesNotMatch(text, /without credentials/);
});

test('an endpoint that is blocked, not listed or behind upstream.offline is not asked', async (t) => {
  const source = await registryFor(t);
  const outcomes = async (registries: string, reference: string, toml = '') => {
    const home = tempFolder(t);
    writeFileSync(join(home, 'entrepot.toml'), toml);
    const { endpoints } = await probe(home, registries, reference);
    return endpoints.map(({ outcome, reason }) => `${outcome}: ${reason}`);
  };
  const blocked = `${entry(source.host)}blocked = true\n`;
  assert.deepEqual(await outcomes(blocked, 'ex.io/a:1'), ['blocked: blocked by the entry for ex.io']);
  assert.deepEqual(await outcomes(entry(source.host), `${source.host}/a:1`), [
    'skipped: the registry is not listed',
  ]);
  assert.deepEqual(await outcomes(entry(source.host), 'ex.io/a:1', '[upstream]\noffline = true\n'), [
    'skipped: upstream.offline is set',
  ]);
  assert.equal(source.requests.length, 0);
});

test('a CA file that cannot be used is an error of stage load', async (t) => {
  const home = tempFolder(t);
  writeFileSync(join(home, 'registries.conf'), entry('m.corp'));
  writeFileSync(join(home, 'entrepot.toml'), '[upstream]\nca_file = "ca.pem"\n');
  writeFileSync(join(home, 'ca.pem'), 'no certificate');
  const args = ['explain', 'ex.io/a:1', '--probe', '--json', '--registries', 'registries.conf'];
  const { code, stdout } = await runEntrepot(args, { cwd: home });
  const { error } = JSON.parse(stdout);
  assert.equal(code, 2);
  assert.deepEqual([error.stage, error.code, error.file], ['load', 'TLS_UNUSABLE', join(home, 'ca.pem')]);
});
