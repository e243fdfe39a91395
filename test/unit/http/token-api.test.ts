import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Access, TokenRequest, TokenService } from '../../../src/access/access.ts';
import { createTokenApi } from '../../../src/http/token-api.ts';
import { createRouter } from '../../../src/routing/router.ts';
import { listing, routingWith } from '../routing/configuration.ts';

interface Answered {
  readonly error?: string;
  readonly error_description?: string;
  readonly errors?: readonly { message: string }[];
  readonly refresh_token?: string;
}
type Issued = Awaited<ReturnType<TokenService['issue']>>;
const principal = { kind: 'account', name: 'ann', names: ['ann'] } as const;
const granted = [{ match: 'ex.test/a', form: 'name', may: ['pull', 'push'] }] as const;
const good: Issued = {
  ...{ ok: true, principal, granted, token: 't0k', expiresIn: 300, issuedAt: Date.UTC(2026, 0, 1) },
  refreshToken: undefined,
};

/** The routes over a service that gives `issued`. */
function setUp(issued: Issued = good, hasTokens = true) {
  const asked: TokenRequest[] = [];
  const lines: object[] = [];
  const tokens: TokenService = {
    async issue(request) {
      asked.push(request);
      return issued;
    },
  };
  const api = createTokenApi({
    access: () => ({ tokens: hasTokens ? tokens : undefined }) as Access,
    addressOf: () => '192.0.2.1',
    isSecure: () => false,
    route: createRouter(listing('ex.test'), routingWith()),
    log: { info: (fields: object) => void lines.push(fields) } as never,
  });
  const ask = async (path: string, init: RequestInit = {}) => {
    const { authorization } = (init.headers ?? {}) as { authorization?: string };
    const incoming = { headers: { host: 'h', authorization }, socket: {} };
    const answer = await api.request(path, init, { incoming } as never);
    return {
      status: answer.status,
      headers: answer.headers,
      body: (await answer.json().catch(() => ({}))) as Answered,
    };
  };
  const post = (form: Record<string, string> | [string, string][] | string, headers = {}) =>
    ask('/token', { method: 'POST', body: new URLSearchParams(form).toString(), headers });
  return { asked, lines, ask, post };
}

describe('GET /token', () => {
  it('asks for all scopes with the credentials of the header', async () => {
    const { ask, asked } = setUp();
    const headers = { authorization: 'Basic x' };
    await ask('/token?service=entrepot&scope=repository:a:pull&scope=repository:b:push&offline_token=true', {
      headers,
    });
    const [{ scopes, service, offline, authorization, address, refreshToken, resolve } = assert.fail()] =
      asked;
    assert.deepEqual(scopes, ['repository:a:pull', 'repository:b:push']);
    assert.deepEqual([service, offline, authorization], ['entrepot', true, 'Basic x']);
    assert.deepEqual([address, refreshToken], ['192.0.2.1', undefined]);
    assert.equal(resolve('ex.test/a'), 'ex.test/a');
  });

  it('asks for no refresh token unless the client wants one', async () => {
    const { ask, asked } = setUp();
    for (const query of ['', '?offline_token=false', '?offline_token=1']) await ask(`/token${query}`);
    assert.deepEqual(
      asked.map(({ offline, service }) => [offline, service]),
      [
        [false, undefined],
        [false, undefined],
        [false, undefined],
      ],
    );
  });

  it('answers in the form that clients read, and logs what was granted, without the token', async () => {
    const { ask, lines } = setUp();
    const { status, body } = await ask('/token');
    assert.deepEqual(
      [status, body],
      [200, { token: 't0k', access_token: 't0k', expires_in: 300, issued_at: '2026-01-01T00:00:00.000Z' }],
    );
    assert.deepEqual(lines, [
      {
        event: 'access.tokenIssued',
        client: '192.0.2.1',
        principal: 'ann',
        grants: ['ex.test/a:pull,push'],
      },
    ]);
    const offline = setUp({ ...good, refreshToken: 'r3f' } as Issued);
    assert.equal((await offline.ask('/token')).body.refresh_token, 'r3f');
  });

  for (const [reason, status, error, headers] of [
    ['credentials', 401, 'invalid_grant', ['Basic realm="entrepot"', null]],
    ['request', 400, 'invalid_request', [null, null]],
    ['busy', 429, 'temporarily_unavailable', [null, '5']],
    ['unavailable', 503, 'temporarily_unavailable', [null, '5']],
  ] as const) {
    it(`answers ${status} for ${reason}, in the words of OAuth 2 and of registries`, async () => {
      const { ask, lines } = setUp({ ok: false, reason, message: 'why' });
      const answer = await ask('/token');
      assert.equal(answer.status, status);
      assert.deepEqual([answer.headers.get('www-authenticate'), answer.headers.get('retry-after')], headers);
      assert.deepEqual([answer.body.error, answer.body.error_description], [error, 'why']);
      assert.equal(answer.body.errors?.[0]?.message, 'why');
      assert.deepEqual(lines, []);
    });
  }

  it('is 404 where tokens come from elsewhere', async () => {
    const { ask, asked } = setUp(good, false);
    assert.equal((await ask('/token')).status, 404);
    assert.deepEqual(asked, []);
  });
});

describe('POST /token', () => {
  it('takes name and password of the form in place of the header', async () => {
    const { post, asked } = setUp();
    const form = { grant_type: 'password', username: 'ann', password: 'a:b é', access_type: 'offline' };
    const { status } = await post({ ...form, scope: 'repository:a:pull' }, { authorization: 'Basic other' });
    assert.equal(status, 200);
    const [{ authorization = '', offline, scopes, refreshToken } = assert.fail()] = asked;
    assert.equal(Buffer.from(authorization.slice('Basic '.length), 'base64').toString(), 'ann:a:b é');
    assert.deepEqual([offline, scopes, refreshToken], [true, ['repository:a:pull'], undefined]);
  });

  it('takes a refresh token, and then no credentials of the header', async () => {
    const { post, asked } = setUp();
    const scopes: [string, string][] = [
      ['scope', 'repository:a:pull'],
      ['scope', 'repository:b:pull'],
    ];
    await post([['grant_type', 'refresh_token'], ['refresh_token', 'r3f'], ...scopes], {
      authorization: 'Basic x',
    });
    await post({ grant_type: 'refresh_token' });
    const told = asked.map((one) => [one.refreshToken, one.authorization, one.scopes.length, one.offline]);
    assert.deepEqual(told, [
      ['r3f', undefined, 2, false],
      ['', undefined, 0, false],
    ]);
  });

  it('refuses another grant, and a form that is too long, before it asks for a token', async () => {
    const { post, asked } = setUp();
    for (const form of [{}, { grant_type: 'authorization_code' }, 'grant_type=Password']) {
      const { status, body } = await post(form);
      assert.deepEqual([status, body.error], [400, 'unsupported_grant_type']);
    }
    const long = await post({ grant_type: 'password', username: 'u'.repeat(64 * 1024) });
    assert.equal(long.status, 413);
    assert.deepEqual(asked, []);
  });

  it('asks for no Basic where a form was wrong: the client has sent one', async () => {
    const { post } = setUp({ ok: false, reason: 'credentials', message: 'why' });
    const { status, headers } = await post({ grant_type: 'password' });
    assert.deepEqual([status, headers.get('www-authenticate')], [401, null]);
  });
});
