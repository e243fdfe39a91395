import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import type { Access, Identified } from '../../../src/access/access.ts';
import { createChallenge } from '../../../src/access/challenge.ts';
import { anonymous, type Principal } from '../../../src/access/principal.ts';
import { createRights } from '../../../src/access/rights.ts';
import type { AccessRule, Right } from '../../../src/config/config.ts';
import { admit } from '../../../src/http/admission.ts';
import { createRouter } from '../../../src/routing/router.ts';
import type { Target } from '../../../src/routing/target.ts';
import { listing, routingWith } from '../routing/configuration.ts';

const router = createRouter(listing('ex.test'), routingWith());
const routed = router.route({ rawPath: '/v2/ex.test/team/app/manifests/1', rawQuery: '', host: undefined });
assert.ok(routed.ok);
const { target } = routed;
const rules: AccessRule[] = [
  { who: ['puller', 'cn=node'], match: 'ex.test/team/**', may: ['pull'], line: 1 },
  { who: ['pusher'], match: 'ex.test/team/**', may: ['pull', 'push'], line: 1 },
];
const basic = { authorization: 'Basic x' };
const bearer = { authorization: 'Bearer x' };
const named = (name: string, more: Partial<Principal> = {}): Principal => ({
  kind: 'account',
  name,
  names: [name],
  ...more,
});
const node: Principal = named('cn=node', { kind: 'certificate' });
const pullScope = [{ match: 'ex.test/team/app', form: 'name', may: ['pull'] }] as const;

async function admitted(
  found: Identified | Principal,
  { headers = {}, isOpen = false }: { headers?: IncomingHttpHeaders; isOpen?: boolean } = {},
) {
  const asked: Parameters<Access['identify']>[0][] = [];
  const access: Access = {
    ...createRights({ anonymous: [], rules }),
    isOpen,
    identify(credentials) {
      asked.push(credentials);
      return 'ok' in found ? found : { ok: true, principal: found };
    },
    tokens: undefined,
    printOf: () => undefined,
    challenge: createChallenge({ realm: undefined, service: 'entrepot' }),
    prepare: async () => [],
  };
  const incoming = { headers: { host: 'h', ...headers }, socket: {} } as IncomingMessage;
  const result = await admit(access, incoming, { route: router, address: '192.0.2.1', secure: false });
  return { result, asked };
}

/** Status and challenge of the answer to a request that wants `right`; undefined where it has it. */
async function refused(
  principal: Principal,
  right: Right,
  {
    isOpen,
    headers,
    namespace,
    read,
  }: {
    isOpen?: boolean;
    headers?: IncomingHttpHeaders;
    namespace?: string;
    read?: Target;
  } = {},
) {
  const { result } = await admitted(principal, { headers: headers ?? {}, isOpen: isOpen ?? false });
  assert.ok(result.ok);
  const { image } = target;
  const answer = result.admission.refusal({ right, image, name: 'team/app', namespace, target: read });
  return answer && [answer.status, answer.headers['WWW-Authenticate']];
}

const challenge = (rest: string) =>
  `Bearer realm="http://h/token",service="entrepot",scope="repository:${rest}`;

describe('a request', () => {
  it('that has the right is not refused', async () => {
    assert.equal(await refused(named('puller'), 'pull', { headers: basic, read: target }), undefined);
    assert.equal(await refused(node, 'pull', { read: target }), undefined);
  });

  it('without credentials gets a challenge for the scope that it needs', async () => {
    assert.deepEqual(await refused(anonymous, 'pull', { read: target }), [401, challenge('team/app:pull"')]);
    assert.deepEqual(await refused(anonymous, 'push'), [401, challenge('team/app:pull,push"')]);
    assert.deepEqual(await refused(anonymous, 'delete'), [401, challenge('team/app:delete"')]);
    assert.deepEqual(
      await refused(anonymous, 'pull', { namespace: 'ex.test' }),
      [401, challenge('ex.test/team/app:pull"')],
      'a token request has no ns',
    );
  });

  it('with a certificate alone gets one as well, since its client may have a password', async () => {
    assert.deepEqual(await refused(node, 'push'), [401, challenge('team/app:pull,push"')]);
    const other = named('cn=x', { kind: 'certificate' });
    assert.deepEqual(await refused(other, 'pull', { read: target }), [401, challenge('team/app:pull"')]);
    assert.deepEqual(
      await refused(node, 'push', { headers: { authorization: '' } }),
      [401, challenge('team/app:pull,push"')],
      'an empty header is none',
    );
  });

  it('with a token for less is told to get a wider one, if there is one', async () => {
    const narrow = 'team/app:pull,push",error="insufficient_scope"';
    const scope = pullScope;
    const push = (principal: Principal) => refused(principal, 'push', { headers: bearer });
    assert.deepEqual(await push(named('pusher', { scope })), [401, challenge(narrow)]);
    assert.deepEqual(await push(named('puller', { scope })), [403, undefined], 'no token helps');
    assert.deepEqual(await push({ ...node, scope }), [403, undefined], 'nor one for its certificate');
    assert.deepEqual(await push({ ...anonymous, scope }), [401, challenge(narrow)], 'an account might');
    const issued = named('x', { kind: 'issuer', names: [], grants: scope, scope });
    assert.deepEqual(await push(issued), [401, challenge(narrow)], 'its server may have one');
  });

  it('of a known principal is refused with 404 where it reads, and with 403 where it writes', async () => {
    assert.deepEqual(await refused(named('x'), 'pull', { headers: basic, read: target }), [404, undefined]);
    assert.deepEqual(await refused(named('puller'), 'push', { headers: basic }), [403, undefined]);
    assert.deepEqual(await refused(named('pusher'), 'delete', { headers: basic }), [403, undefined]);
  });

  it('where no credentials exist never gets a challenge', async () => {
    assert.deepEqual(await refused(anonymous, 'pull', { isOpen: true, read: target }), [404, undefined]);
    assert.deepEqual(await refused(node, 'push', { isOpen: true }), [403, undefined]);
  });

  it('that lacks a right is told which, of what and why', async () => {
    const { result } = await admitted(named('ci', { kind: 'robot' }), { headers: basic });
    assert.ok(result.ok);
    const { image } = target;
    const answer = result.admission.refusal({ right: 'push', image, name: 'team/app' });
    assert.match(
      String(answer?.body),
      /DENIED.*ci may not push ex\.test\/team\/app: neither its token nor an \[\[access\.rule\]\]/,
    );
  });

  it('says what its principal may do with an image', async () => {
    const { result } = await admitted(named('puller'), { headers: basic });
    assert.ok(result.ok);
    assert.equal(result.admission.may('pull', target.image), true);
    assert.equal(result.admission.may('push', target.image), false);
  });
});

describe('/v2/', () => {
  const pinged = async (principal: Principal, options: Parameters<typeof admitted>[1] = {}) => {
    const { result } = await admitted(principal, options);
    assert.ok(result.ok);
    const answer = result.admission.challenge();
    return answer && [answer.status, answer.headers['WWW-Authenticate']];
  };

  it('asks every client without credentials to log in, with a certificate, too', async () => {
    const ping = [401, 'Bearer realm="http://h/token",service="entrepot"'];
    assert.deepEqual(await pinged(anonymous), ping);
    assert.deepEqual(await pinged(node), ping);
  });

  it('asks no client that has logged in, and none where no credentials exist', async () => {
    assert.equal(await pinged(named('x'), { headers: basic }), undefined);
    assert.equal(await pinged(anonymous, { headers: bearer }), undefined);
    assert.equal(await pinged({ ...node, scope: [] }, { headers: bearer }), undefined);
    assert.equal(await pinged(anonymous, { isOpen: true }), undefined);
    assert.equal(await pinged(node, { isOpen: true }), undefined);
  });
});

describe('credentials', () => {
  it('that are wrong get 401, of too many 429, of an issuer that is away 503', async () => {
    for (const [reason, status, header, value] of [
      ['credentials', 401, 'WWW-Authenticate', /service="entrepot",error="invalid_token"$/],
      ['busy', 429, 'Retry-After', /^5$/],
      ['unavailable', 503, 'Retry-After', /^30$/],
    ] as const) {
      const { result } = await admitted({ ok: false, reason, message: 'why' }, { headers: basic });
      assert.ok(!result.ok);
      const { answer } = result;
      assert.equal(answer.status, status);
      assert.match(String(answer.headers[header]), value);
      assert.match(String(answer.body), /"message":"why"/);
    }
  });

  it('are those of the request: header, address, and what its names mean here', async () => {
    const { asked } = await admitted(anonymous, { headers: basic });
    const [credentials] = asked;
    assert.equal(credentials?.authorization, 'Basic x');
    assert.equal(credentials?.address, '192.0.2.1');
    assert.equal(credentials?.resolve('ex.test/a'), 'ex.test/a');
    assert.equal(credentials?.resolve('unknown.test/a'), undefined);
    assert.equal(
      (await admitted(anonymous, { headers: { authorization: '' } })).asked[0]?.authorization,
      undefined,
    );
  });
});
