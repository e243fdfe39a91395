import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openKeyring, readKeyring } from '../../../../src/access/tokens/keyring.ts';
import { createOwnTokens } from '../../../../src/access/tokens/own-tokens.ts';
import { createManualClock } from '../../../support/clock.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const day = 86_400_000;
const ann = { kind: 'account', name: 'ann', names: ['ann'] } as const;
const unbound = { print: 'p', until: undefined };

async function setUp(t: TestContext) {
  const file = join(tempFolder(t), 'access', 'token-keys.json');
  const clock = createManualClock();
  const problems: string[] = [];
  const open = () => openKeyring({ clock, onProblem: ({ message }) => void problems.push(message) }, file);
  const keys = await open();
  return {
    file,
    clock,
    problems,
    open,
    keys,
    tokens: createOwnTokens({ clock, keys }, { service: 'entrepot' }),
  };
}

const pem = (key: ReturnType<typeof generateKeyPairSync>['privateKey']) =>
  key.export({ type: 'pkcs8', format: 'pem' }) as string;

describe('the keys of the data folder', () => {
  it('are made when the first token is, for the owner alone, and found again', async (t) => {
    const { file, keys, open } = await setUp(t);
    const { kid, alg } = await keys.signing();
    assert.equal(alg, 'ES256');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const again = await open();
    assert.equal((await again.signing()).kid, kid);
    assert.ok(again.find(kid));
    assert.equal(again.find('another'), undefined);
  });

  it('are made once by requests that come together', async (t) => {
    const { keys } = await setUp(t);
    const kids = await Promise.all(Array.from({ length: 10 }, async () => (await keys.signing()).kid));
    assert.equal(new Set(kids).size, 1);
  });

  it('change after 30 days, and a rotation cuts no token that is out', async (t) => {
    const { clock, keys, tokens, open } = await setUp(t);
    const first = await keys.signing();
    await clock.advance(30 * day - 1000);
    const access = (await tokens.access(ann, [], unbound)).token;
    const refresh = await tokens.refresh('ann', 'account', 'p');
    await clock.advance(2000);
    const second = await keys.signing();
    assert.notEqual(second.kid, first.kid);
    assert.ok(await tokens.readAccess(access));
    await clock.advance(30 * day - 60_000);
    assert.ok(await tokens.readRefresh(refresh), 'a month later');
    const after = createOwnTokens({ clock, keys: await open() }, { service: 'entrepot' });
    assert.ok(await after.readRefresh(refresh), 'and after a restart');
    await clock.advance(2 * 60_000);
    assert.equal(await tokens.readRefresh(refresh), undefined);
    await clock.advance(day);
    assert.equal(keys.find(first.kid), undefined);
  });

  it('of a clock that was ahead count from the start on, and are replaced in time', async (t) => {
    const { file, clock, keys, open } = await setUp(t);
    const { kid } = await keys.signing();
    const stored = JSON.parse(readFileSync(file, 'utf8'));
    stored.keys[0].created = clock.now() + 3650 * day;
    writeFileSync(file, JSON.stringify(stored));
    const again = await open();
    assert.equal((await again.signing()).kid, kid);
    await clock.advance(31 * day);
    assert.notEqual((await again.signing()).kid, kid);
  });

  it('serve from memory where they cannot be stored, and the log says so', async (t) => {
    const { file, problems, keys } = await setUp(t);
    mkdirSync(join(file, '..'), { recursive: true });
    mkdirSync(file);
    const { kid } = await keys.signing();
    assert.equal((await keys.signing()).kid, kid);
    assert.match(
      problems[0] ?? '',
      /^a new key for tokens cannot be stored, and serves until the next start/,
    );
  });

  it('refuse a file that holds something else', async (t) => {
    const { file, keys, open } = await setUp(t);
    await keys.signing();
    writeFileSync(file, '{"keys":[{"created":1,"pem":"x"}]}');
    await assert.rejects(open(), { code: 'DATA_UNUSABLE', file });
  });
});

describe('access.token_key', () => {
  const kinds = {
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
    ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
    EdDSA: generateKeyPairSync('ed25519').privateKey,
    RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  };

  for (const [alg, key] of Object.entries(kinds)) {
    it(`signs and verifies with ${alg}`, async (t) => {
      const file = join(tempFolder(t), 'key.pem');
      writeFileSync(file, pem(key));
      const clock = createManualClock();
      const keys = await readKeyring(file);
      assert.equal((await keys.signing()).alg, alg);
      const tokens = createOwnTokens({ clock, keys }, { service: 'entrepot' });
      const { token } = await tokens.access(ann, [], unbound);
      assert.equal((await tokens.readAccess(token))?.principal.name, 'ann');
    });
  }

  it('signs with the first of several keys and verifies with all, so that it can be rotated', async (t) => {
    const file = join(tempFolder(t), 'key.pem');
    const clock = createManualClock();
    writeFileSync(file, pem(kinds.ES256));
    const old = createOwnTokens({ clock, keys: await readKeyring(file) }, { service: 'entrepot' });
    const { token } = await old.access(ann, [], unbound);
    writeFileSync(file, pem(kinds.EdDSA) + pem(kinds.ES256));
    const keys = await readKeyring(file);
    assert.equal((await keys.signing()).alg, 'EdDSA');
    assert.ok(await createOwnTokens({ clock, keys }, { service: 'entrepot' }).readAccess(token));
  });

  for (const [what, text, message] of [
    ['is missing', undefined, /^there is no such file: access\.token_key names a PEM file/],
    ['holds no key', 'hello', /^it holds no private key:/],
    [
      'holds a public key',
      generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }) as string,
      /^it holds no private key:/,
    ],
    ['is cut', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', /cannot be read:/],
    [
      'is too small',
      pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
      /^it holds a key \(rsa\) that signs no tokens/,
    ],
    [
      'is of a kind without signatures',
      pem(generateKeyPairSync('x25519').privateKey),
      /^it holds a key \(x25519\)/,
    ],
  ] as const) {
    it(`that ${what} is refused in a clear line with its file`, async (t) => {
      const file = join(tempFolder(t), 'key.pem');
      if (text !== undefined) writeFileSync(file, text);
      await assert.rejects(readKeyring(file), { code: 'CONFIG_INVALID', file, message });
    });
  }

  it('that may not be read is refused in a clear line with its file', {
    skip: process.getuid?.() === 0,
  }, async (t) => {
    const file = join(tempFolder(t), 'key.pem');
    writeFileSync(file, pem(kinds.ES256));
    chmodSync(file, 0o000);
    await assert.rejects(readKeyring(file), {
      code: 'CONFIG_UNREADABLE',
      file,
      message: /permission denied/,
    });
  });
});
