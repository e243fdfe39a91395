import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createBearerTokens } from '../../../src/access/bearer-tokens.ts';
import type { Principal } from '../../../src/access/principal.ts';
import type { IssuedToken } from '../../../src/access/tokens/trusted-issuer.ts';
import { createManualClock } from '../../support/clock.ts';
import { forged } from '../../support/jwts.ts';

const resolve = () => undefined;
const issuer = 'https://login.corp';
const foreign = (name: string) => forged({ alg: 'ES256' }, { iss: issuer, sub: name }, 'x');

/** `own`: tokens of this server. `issued`: what the trusted issuer says of a token. */
function setUp(own: Record<string, { principal: Principal; print?: string; life: number }> = {}) {
  const clock = createManualClock();
  const prints = new Map([['account:ann', 'p1']]);
  let verified = 0;
  let issued: (token: string) => IssuedToken = () => ({ ok: false, reason: 'invalid', problem: 'is wrong' });
  const tokens = createBearerTokens({
    clock,
    tokens: {
      access: () => assert.fail(),
      refresh: () => assert.fail(),
      readRefresh: async () => undefined,
      async readAccess(token) {
        verified += 1;
        const found = own[token];
        return found && { principal: found.principal, print: found.print, expires: clock.now() + found.life };
      },
    },
    issuers: [{ issuer, prepare: async () => undefined, verify: async (token) => issued(token) }],
    prints: { of: (kind, name) => prints.get(`${kind}:${name}`) },
  });
  return {
    ...{ clock, prints, tokens },
    verified: () => verified,
    issue(answer: typeof issued) {
      issued = answer;
    },
  };
}

const ann: Principal = { kind: 'account', name: 'ann', names: ['ann'], scope: [] };
const oidc = (name: string): IssuedToken => ({
  ok: true,
  principalOf: () => ({ kind: 'oidc', name, names: [name] }),
  expires: Number.MAX_SAFE_INTEGER,
});

describe('bearer tokens', () => {
  it('are verified once, and remembered until they end', async () => {
    const { clock, tokens, verified } = setUp({ t: { principal: ann, print: 'p1', life: 1000 } });
    assert.equal(tokens.remembered('t', resolve), undefined);
    assert.ok((await tokens.verify('t', resolve)).ok);
    const found = tokens.remembered('t', resolve);
    assert.ok(found?.ok && found.principal === ann);
    assert.equal(verified(), 1);
    await clock.advance(1000);
    assert.equal(tokens.remembered('t', resolve), undefined);
  });

  it('end with the secret that they were issued for, also remembered ones', async () => {
    const { prints, tokens } = setUp({
      t: { principal: ann, print: 'p1', life: 1000 },
      none: { principal: ann, life: 1000 },
      robot: { principal: { ...ann, kind: 'robot' }, print: 'p1', life: 1000 },
    });
    await tokens.verify('t', resolve);
    assert.equal((await tokens.verify('none', resolve)).ok, false, 'a token without a print');
    assert.equal((await tokens.verify('robot', resolve)).ok, false, 'a print of another kind');
    prints.set('account:ann', 'p2');
    assert.equal(tokens.remembered('t', resolve), undefined);
    assert.equal((await tokens.verify('t', resolve)).ok, false);
  });

  it('of an issuer bear no name that means something else here', async () => {
    const { prints, tokens, issue } = setUp();
    for (const name of ['ann', 'anonymous', 'cn=x', 'group:x']) {
      issue(() => oidc(name));
      assert.equal((await tokens.verify(foreign(name), resolve)).ok, false, name);
    }
    issue(() => oidc('bob'));
    const token = foreign('bob');
    assert.ok((await tokens.verify(token, resolve)).ok);
    prints.set('robot:bob', 'p');
    assert.equal(tokens.remembered(token, resolve), undefined, 'a token of that name was made since');
  });

  it('that cannot be judged now are neither right nor wrong', async () => {
    const { tokens, issue } = setUp();
    issue(() => ({ ok: false, reason: 'unavailable', problem: 'connection refused' }));
    const found = await tokens.verify(foreign('bob'), resolve);
    assert.ok(!found.ok && found.reason === 'unavailable');
    assert.match(found.message, /cannot be asked: connection refused/);
  });

  it('of an unknown issuer, of none, or too long are refused, and nothing of them is told', async () => {
    const { tokens } = setUp();
    for (const token of ['x', forged({}, { iss: 'https://evil.test' }), foreign('bob'), 'a'.repeat(33_000)]) {
      const found = await tokens.verify(token, resolve);
      assert.ok(!found.ok && found.reason === 'credentials');
      assert.ok(!/evil|bob/.test(found.message));
      assert.equal(tokens.remembered(token, resolve), undefined);
    }
  });
});
