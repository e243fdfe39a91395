/**
 * The program with FIPS in force: which algorithms it asks for, what it refuses to be configured with, and that it serves. With a real
 * provider where this machine has one, and with a node:crypto that refuses what such a provider refuses.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/config/load.ts';
import { startFakeRegistry } from '../support/fake-registry.ts';
import { get, json } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { insecureRegistry } from '../support/mirrored-registry.ts';
import { startProcess } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const simulated = ['--import', join(root, 'test/support/simulated-fips.ts')];

/** Where distributions keep OpenSSL's modules. */
const moduleFolders = [
  ...(process.env.OPENSSL_MODULES === undefined ? [] : [process.env.OPENSSL_MODULES]),
  '/usr/lib64/ossl-modules',
  '/usr/lib/x86_64-linux-gnu/ossl-modules',
  '/usr/lib/aarch64-linux-gnu/ossl-modules',
  '/usr/lib/ossl-modules',
  '/usr/local/lib64/ossl-modules',
  '/usr/local/lib/ossl-modules',
];

function entrepot(args: readonly string[], flags: readonly string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [...flags, join(root, 'src/main.ts'), ...args],
    {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    },
  );
  return { status, stdout, stderr };
}

/** Pulls through a server of its own, and gets a token that it has signed. */
async function serves(
  t: TestContext,
  flags: readonly string[],
  env: Record<string, string> = {},
): Promise<void> {
  const image = buildImage({ layers: [2_000_000] });
  const registry = await startFakeRegistry();
  t.after(() => registry.stop());
  registry.putImage('app', '1', image);
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'registries.conf'), insecureRegistry(registry.host));
  writeFileSync(join(folder, 'entrepot.toml'), '[access]\nanonymous = ["pull"]\n[log]\nformat = "json"\n');
  const files = ['--registries', 'registries.conf', '--config', 'entrepot.toml', '--data', 'data'];
  const args = [...flags, join(root, 'src/main.ts'), 'serve', ...files, '--listen', '127.0.0.1:0'];
  const server = startProcess(process.execPath, args, { cwd: folder, env });
  t.after(() => server.stop());
  const line = await server.line(/"server\.listening"/);
  const { address, fips } = JSON.parse(line) as { address: string; fips: boolean };
  assert.equal(fips, true);
  const at = `http://${address}/v2/${registry.host}/app`;
  assert.deepEqual((await get(`${at}/manifests/1`)).body, image.bytes);
  for (const blob of image.blobs) {
    assert.deepEqual((await get(`${at}/blobs/${blob.digest}`)).body, Buffer.from(blob.bytes()));
  }
  const made = entrepot(
    ['token', 'create', 'ci', '--match', '**', '--data', join(folder, 'data')],
    flags,
    env,
  );
  assert.equal(made.status, 0, made.stderr);
  const token = await get(`http://${address}/token?service=entrepot&scope=repository:app:pull`);
  assert.equal(token.status, 200);
  assert.match((json(token) as { token: string }).token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
}

describe('with FIPS in force', () => {
  it('the sources name no algorithm for hashes that is not approved, but SHA-1 for CloudFront', () => {
    const calls =
      /\b(?:createHash|createHmac|hash|sign|verify|createSign|createVerify|createCipheriv|pbkdf2|hkdf)(?:Sync)?\(\s*'([^']+)'/g;
    const others = /\b(?:scrypt|argon2|createCipheriv|createDecipheriv|createDiffieHellman)(?:Sync)?\(/g;
    const found: string[] = [];
    for (const name of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const text = readFileSync(join(root, 'src', name), 'utf8');
      for (const [, algorithm] of text.matchAll(calls)) {
        if (!/^sha(?:256|384|512)$/.test(algorithm!)) found.push(`${name}: ${algorithm}`);
      }
      for (const [call] of text.matchAll(others)) found.push(`${name}: ${call}`);
    }
    assert.deepEqual(found, ['stores/s3/cloudfront.ts: sha1']);
  });

  it('a server starts, pulls and signs tokens with what an approved module has', async (t) => {
    await serves(t, simulated);
  });

  it('the same holds with the provider of this machine', async (t) => {
    const folder = moduleFolders.find((one) => existsSync(join(one, 'fips.so')));
    if (folder === undefined) {
      t.skip(`NOT TESTED: no fips.so in ${moduleFolders.join(', ')}`);
      return;
    }
    const work = tempFolder(t);
    const made = spawnSync('openssl', [
      'fipsinstall',
      ...['-module', join(folder, 'fips.so'), '-out', join(work, 'fipsmodule.cnf')],
    ]);
    assert.equal(made.status, 0, String(made.stderr));
    const config = join(work, 'openssl.cnf');
    writeFileSync(config, opensslConfig(join(work, 'fipsmodule.cnf')));
    const flags = [`--openssl-config=${config}`, '--force-fips'];
    const { stdout } = entrepot(['check', '--json'], flags, { OPENSSL_MODULES: folder });
    assert.equal((JSON.parse(stdout) as { fips: boolean }).fips, true);
    await serves(t, flags, { OPENSSL_MODULES: folder });
  });

  it('check says so', (t) => {
    const folder = tempFolder(t);
    writeFileSync(join(folder, 'registries.conf'), insecureRegistry('r.corp'));
    const args = ['check', '--registries', join(folder, 'registries.conf')];
    assert.match(entrepot(args, simulated).stdout, /^FIPS: in force$/m);
    assert.match(entrepot(args, []).stdout, /^FIPS: not in force$/m);
  });

  const refused: readonly (readonly [string, string, RegExp])[] = [
    ['passwords', '[access]\nhtpasswd = "users"\n', /:2: access\.htpasswd has passwords hashed with bcrypt/],
    [
      'URLs of CloudFront',
      '[[store]]\nname = "eu"\nkind = "s3"\nbucket = "images"\nregion = "eu-central-1"\n[store.cloudfront]\nurl = "https://cdn.corp"\nkey_pair_id = "K1"\nprivate_key_file = "key"\n',
      /cloudfront of \[\[store\]\] "eu" signs URLs with SHA-1/,
    ],
    [
      'GPG signatures',
      '[[gate]]\nname = "signed"\nkind = "signature"\npolicy = "policy.json"\n',
      /default\[0\] of \[\[gate\]\] "signed" is signedBy/,
    ],
  ];
  for (const [what, toml, expected] of refused) {
    it(`${what} are a configuration error`, (t) => {
      const folder = tempFolder(t);
      const requirement = { type: 'signedBy', keyType: 'GPGKeys', keyData: 'a2V5' };
      writeFileSync(join(folder, 'policy.json'), JSON.stringify({ default: [requirement] }));
      writeFileSync(join(folder, 'registries.conf'), insecureRegistry('r.corp'));
      writeFileSync(join(folder, 'entrepot.toml'), toml);
      const flags = { registries: join(folder, 'registries.conf'), config: join(folder, 'entrepot.toml') };
      const options = { flags, env: {}, home: folder, uid: 1000, cwd: folder, root: folder };
      assert.doesNotThrow(() => loadConfig({ ...options, fips: false }));
      assert.throws(
        () => loadConfig({ ...options, fips: true }),
        (error: { located: string }) => expected.test(error.located),
      );
    });
  }
});

/** As docs/fips.md has it. */
function opensslConfig(module: string): string {
  const page = readFileSync(join(root, 'docs/fips.md'), 'utf8');
  const [, example = ''] = /```ini\n(.*?)```/s.exec(page) ?? [];
  assert.match(example, /^\.include \S+$/m);
  return example.replace(/^\.include \S+$/m, `.include ${module}`);
}
