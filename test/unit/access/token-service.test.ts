import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Identified, TokenRequest } from '../../../src/access/access.ts';
import type { Robots } from '../../../src/access/accounts/robots.ts';
import type { LoginFailure } from '../../../src/access/identify.ts';
import { anonymous, type Principal } from '../../../src/access/principal.ts';
import { createTokenService } from '../../../src/access/token-service.ts';
import { createManualClock } from '../../support/clock.ts';

const ann: Principal = { kind: 'account', name: 'ann', names: ['ann'] };
const robot = {
  ...{ id: 'i', name: 'ci', match: ['ex.test/**'], may: ['pull'] as const },
  ...{ created: 0, expires: undefined },
};
const refreshTokens: Record<string, { kind: 'account' | 'robot'; name: string; print: string }> = {
  'of ann': { kind: 'account', name: 'ann', print: 'p-ann' },
  'of ci': { kind: 'robot', name: 'ci', print: 'p-ci' },
  'of old ann': { kind: 'account', name: 'ann', print: 'p-old' },
  'of zoe': { kind: 'account', name: 'zoe', print: 'p-zoe' },
};

/** A service whose rights are: all may pull what is not secret, and ann may push as well. */
function setUp(found: Identified | Principal = ann, { length = 20 } = {}) {
  const clock = createManualClock();
  const failures: LoginFailure[] = [];
  const identified: TokenRequest[] = [];
  const accessAsked: unknown[] = [];
  const prints = new Map([
    ['account:ann', 'p-ann'],
    ['robot:ci', 'p-ci'],
  ]);
  const service = createTokenService(
    {
      identify(asked) {
        identified.push(asked as TokenRequest);
        return 'ok' in found ? found : { ok: true, principal: found };
      },
      allowance: ({ name }, right, image = '') =>
        !image.includes('secret') && (right === 'pull' || (right === 'push' && name === 'ann'))
          ? { by: 'default' }
          : undefined,
      tokens: {
        async access(principal, scope, bounds) {
          accessAsked.push({ name: principal.name, scope, ...bounds });
          return { token: 't'.repeat(length), lifetime: 300, issuedAt: clock.now() };
        },
        refresh: async (name, kind, print) => `refresh ${kind} ${name} ${print}`,
        readAccess: () => assert.fail('a token of a registry proves no login'),
        readRefresh: async (token) => refreshTokens[token],
      },
      prints: { of: (kind, name) => prints.get(`${kind}:${name}`) },
      robots: { find: (name: string) => (name === 'ci' ? robot : undefined) } as Robots,
      onFailure: (failure) => void failures.push(failure),
    },
    { service: 'entrepot' },
  );
  const issue = (request: Partial<TokenRequest> = {}) =>
    service.issue({
      ...{ scopes: [], service: undefined, offline: false, authorization: 'Basic x', address: '192.0.2.1' },
      resolve: (name) => (name.startsWith('ex.test/') ? name : undefined),
      ...request,
    });
  /** What was granted for these scopes. */
  const granted = async (...scopes: string[]) => {
    const issued = await issue({ scopes });
    assert.ok(issued.ok);
    return issued.granted.map(({ match, form, may }) => `${form} ${match}:${may.join(',')}`);
  };
  return { issue, granted, failures, identified, accessAsked, prints };
}

const refusal = async (issued: ReturnType<ReturnType<typeof setUp>['issue']>) => {
  const found = await issued;
  return found.ok ? 'issued' : found.reason;
};

describe('a token', () => {
  it('is narrowed to what the principal may do, one image at a time', async () => {
    const { granted } = setUp();
    assert.deepEqual(await granted('repository:ex.test/a:pull,push,delete'), ['name ex.test/a:pull,push']);
    assert.deepEqual(await granted('repository:ex.test/a:*'), ['name ex.test/a:pull,push']);
    assert.deepEqual(await granted('repository:ex.test/a:pull repository:ex.test/b:push'), [
      'name ex.test/a:pull',
      'name ex.test/b:push',
    ]);
    assert.deepEqual(await granted('repository:ex.test/secret:pull', 'repository:ex.test/a:fly'), []);
    assert.deepEqual(await granted('repository:ex.test/a:pull,pull,pull'), ['name ex.test/a:pull']);
  });

  it('is for repositories that mean an image here, and for nothing else', async () => {
    const { granted } = setUp();
    assert.deepEqual(await granted('repository:unknown.test/a:pull'), []);
    assert.deepEqual(
      await granted('registry:catalog:*', 'registry:ex.test/a:pull', 'repository(plugin):ex.test/a:pull'),
      ['name ex.test/a:pull'],
    );
  });

  it('without a scope is given to every client that is known: it proves a login', async () => {
    const { issue, accessAsked } = setUp();
    const issued = await issue();
    assert.deepEqual(issued.ok && [issued.granted, issued.expiresIn, issued.refreshToken], [
      [],
      300,
      undefined,
    ]);
    assert.deepEqual(accessAsked, [{ name: 'ann', scope: [], print: 'p-ann', until: undefined }]);
  });

  it('ends with the token that was sent as a password', async () => {
    const { issue, accessAsked } = setUp({
      ok: true,
      principal: { kind: 'oidc', name: 'job', names: ['job'] },
      expires: 5000,
    });
    assert.equal(await refusal(issue({ offline: true })), 'issued');
    assert.deepEqual(accessAsked, [{ name: 'job', scope: [], print: undefined, until: 5000 }]);
  });

  it('is refused for another service, for scopes without the form, and for too many of them', async () => {
    const { issue, identified } = setUp();
    assert.equal(await refusal(issue({ service: 'other' })), 'request');
    assert.deepEqual(identified, [], 'no password is looked at');
    assert.equal(await refusal(issue({ service: 'entrepot' })), 'issued');
    assert.equal(await refusal(issue({ scopes: ['nonsense'] })), 'request');
    const many = (count: number) => Array.from({ length: count }, (_, n) => `repository:ex.test/a${n}:pull`);
    assert.equal(await refusal(issue({ scopes: many(200) })), 'issued');
    assert.equal(await refusal(issue({ scopes: many(201) })), 'request');
  });

  it('that no header could hold is not given', async () => {
    assert.equal(await refusal(setUp(ann, { length: 24 * 1024 }).issue()), 'issued');
    assert.equal(await refusal(setUp(ann, { length: 24 * 1024 + 1 }).issue()), 'request');
  });

  it('is not given for wrong credentials, nor for a token of a registry', async () => {
    for (const reason of ['credentials', 'busy', 'unavailable'] as const)
      assert.equal(await refusal(setUp({ ok: false, reason, message: 'why' }).issue()), reason);
    const { issue, accessAsked } = setUp({ ...ann, scope: [] });
    assert.equal(await refusal(issue()), 'credentials');
    assert.deepEqual(accessAsked, []);
  });
});

describe('a refresh token', () => {
  it('is given to accounts and robots that ask for one, and to no other client', async () => {
    const of = async (principal: Principal, offline = true) => {
      const issued = await setUp(principal).issue({ offline });
      return issued.ok && issued.refreshToken;
    };
    assert.equal(await of(ann), 'refresh account ann p-ann');
    assert.equal(await of({ ...ann, kind: 'robot', name: 'ci' }), 'refresh robot ci p-ci');
    assert.equal(await of(ann, false), undefined);
    assert.equal(await of(anonymous), undefined);
    assert.equal(await of({ kind: 'certificate', name: 'cn=x', names: ['cn=x'] }), undefined);
  });

  it('stands for the principal, without a look at other credentials, and stays the same', async () => {
    const { issue, identified } = setUp(anonymous);
    const scopes = ['repository:ex.test/a:pull,push'];
    const issued = await issue({ refreshToken: 'of ann', scopes });
    assert.deepEqual(issued.ok && [issued.principal, issued.refreshToken, issued.granted[0]?.may], [
      ann,
      'of ann',
      ['pull', 'push'],
    ]);
    const ofRobot = await issue({ refreshToken: 'of ci', scopes });
    assert.deepEqual(ofRobot.ok && ofRobot.principal.grants, [
      { match: 'ex.test/**', form: 'glob', may: ['pull'] },
    ]);
    assert.deepEqual(identified, []);
  });

  it('that is unknown, or whose secret has changed or is gone, is a failed login', async () => {
    const { issue, failures, prints } = setUp();
    for (const refreshToken of ['', 'unknown', 'of old ann', 'of zoe'])
      assert.equal(await refusal(issue({ refreshToken })), 'credentials', refreshToken);
    prints.delete('robot:ci');
    assert.equal(await refusal(issue({ refreshToken: 'of ci' })), 'credentials');
    assert.deepEqual(
      new Set(failures.map(({ address, scheme }) => `${address} ${scheme}`)),
      new Set(['192.0.2.1 bearer']),
    );
    assert.equal(failures.length, 5);
  });
});
