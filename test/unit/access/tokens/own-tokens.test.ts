import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { calculateJwkThumbprint, decodeProtectedHeader, exportJWK } from 'jose';
import type { Principal } from '../../../../src/access/principal.ts';
import { createOwnTokens } from '../../../../src/access/tokens/own-tokens.ts';
import { createManualClock } from '../../../support/clock.ts';
import { altered, forged, newKeys, signed } from '../../../support/jwts.ts';

const pair = newKeys();
const kid = await calculateJwkThumbprint(await exportJWK(pair.publicKey));
const key = { kid, alg: 'ES256', ...pair } as const;
const keys = { signing: async () => key, find: (id: string) => (id === kid ? key : undefined) };
const ann: Principal = { kind: 'account', name: 'ann', names: ['ann'] };
const scope = [{ match: 'docker.io/team/app', form: 'name', may: ['pull'] }] as const;

function setUp() {
  const clock = createManualClock();
  const tokens = createOwnTokens({ clock, keys }, { service: 'entrepot' });
  const now = Math.floor(clock.now() / 1000);
  const shape = {
    kid,
    typ: 'entrepot-access+jwt',
    issuer: 'entrepot',
    audience: 'entrepot',
    subject: 'ann',
    expires: now + 60,
    claims: { kind: 'account', names: ['ann'], scope: [], iat: now },
  };
  return { clock, tokens, now, shape };
}

describe('an access token', () => {
  it('bears the principal and its scope, and lives for five minutes', async () => {
    const { clock, tokens } = setUp();
    const { token, lifetime, issuedAt } = await tokens.access(ann, scope, { print: 'p', until: undefined });
    assert.deepEqual([lifetime, issuedAt], [300, clock.now()]);
    const read = await tokens.readAccess(token);
    assert.deepEqual(read, { principal: { ...ann, scope }, print: 'p', expires: clock.now() + 300_000 });
    await clock.advance(300_000 + 31_000);
    assert.equal(await tokens.readAccess(token), undefined);
  });

  it('ends with the credentials that it was issued for', async () => {
    const { clock, tokens } = setUp();
    const until = clock.now() + 10_500;
    const { lifetime, token } = await tokens.access(ann, [], { print: undefined, until });
    assert.equal(lifetime, 10);
    assert.equal((await tokens.readAccess(token))?.expires, clock.now() + 10_000);
  });

  it('is taken in the very form that this server gives it', async () => {
    const { tokens, shape } = setUp();
    assert.equal((await tokens.readAccess(await signed(pair.privateKey, shape)))?.principal.name, 'ann');
  });

  it('without a scope allows nothing', async () => {
    const { tokens, shape } = setUp();
    const { scope: _, ...claims } = shape.claims;
    const read = await tokens.readAccess(await signed(pair.privateKey, { ...shape, claims }));
    assert.deepEqual(read?.principal.scope, []);
  });

  for (const [what, change] of [
    ['another issuer', { issuer: 'other' }],
    ['another audience', { audience: 'other' }],
    ['no expiry', { expires: undefined }],
    ['an expiry in the past', { expires: 1 }],
    ['a time before which it does not count', { notBefore: 4_000_000_000 }],
    ['no subject', { subject: undefined }],
    ['the type of a refresh token', { typ: 'entrepot-refresh+jwt' }],
    ['no type', { typ: undefined }],
    ['an unknown key id', { kid: 'other' }],
    ['no key id', { kid: undefined }],
  ] as const) {
    it(`with ${what} is none`, async () => {
      const { tokens, shape } = setUp();
      const token = await signed(pair.privateKey, { ...shape, ...change } as typeof shape);
      assert.equal(await tokens.readAccess(token), undefined);
    });
  }

  it('signed by a stranger, unsigned, or signed with our public key as a secret is none', async () => {
    const { tokens, shape, now } = setUp();
    const claims = { iss: 'entrepot', aud: 'entrepot', sub: 'ann', exp: now + 60, ...shape.claims };
    const header = { kid, typ: shape.typ };
    const publicPem = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string;
    for (const token of [
      await signed(newKeys().privateKey, shape),
      forged({ ...header, alg: 'none' }, claims),
      forged({ ...header, alg: 'None' }, claims),
      forged({ ...header, alg: 'HS256' }, claims, publicPem),
      await signed(newKeys('rsa').privateKey, { ...shape, alg: 'RS256' }),
    ])
      assert.equal(await tokens.readAccess(token), undefined, JSON.stringify(decodeProtectedHeader(token)));
  });

  it('whose scope was widened by hand is none', async () => {
    const { tokens } = setUp();
    const { token } = await tokens.access(ann, scope, { print: 'p', until: undefined });
    const wider = altered(token, (claims) => ({
      ...claims,
      scope: [{ match: '**', form: 'glob', may: ['push'] }],
    }));
    assert.equal(await tokens.readAccess(wider), undefined);
  });

  for (const text of ['', '.', '..', 'a.b.c', '\0', 'é'.repeat(1000), `${'a'.repeat(5000)}.b.c`])
    it(`is not ${JSON.stringify(text.slice(0, 8))}`, async () => {
      const { tokens } = setUp();
      assert.equal(await tokens.readAccess(text), undefined);
      assert.equal(await tokens.readRefresh(text), undefined);
    });
});

describe('a refresh token', () => {
  it('names the account and the print of its password, and is no access token', async () => {
    const { tokens } = setUp();
    const token = await tokens.refresh('ann', 'account', 'print');
    assert.deepEqual(await tokens.readRefresh(token), { name: 'ann', kind: 'account', print: 'print' });
    assert.equal(await tokens.readAccess(token), undefined);
  });

  it('is not what an access token is', async () => {
    const { tokens } = setUp();
    const { token } = await tokens.access(ann, scope, { print: 'p', until: undefined });
    assert.equal(await tokens.readRefresh(token), undefined);
  });
});
