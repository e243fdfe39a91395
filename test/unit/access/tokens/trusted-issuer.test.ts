import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import {
  createDiscoveredKeys,
  type IssuerKeys,
  readIssuerKeys,
} from '../../../../src/access/tokens/issuer-keys.ts';
import { createOidcIssuer, createTokenIssuer } from '../../../../src/access/tokens/trusted-issuer.ts';
import { libtrustId } from '../../../../src/lib/libtrust-id.ts';
import { createManualClock, type ManualClock } from '../../../support/clock.ts';
import { forged, newKeys, signed, type TokenShape } from '../../../support/jwts.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const rsa = newKeys('rsa');
const ec = newKeys('ec');
const gitlab = { issuer: 'omnibus-gitlab-issuer', audience: 'container_registry', match: 'docker.io/**' };
const oidc = { issuer: 'https://login.corp', audience: 'entrepot', name: 'sub', groups: 'groups' };
const resolve = (name: string) => (name === 'hidden' ? undefined : `docker.io/${name}`);

const pemOf = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }) as string;
const seconds = (clock: ManualClock) => Math.floor(clock.now() / 1000);

async function fileKeys(t: TestContext, text: string): Promise<IssuerKeys> {
  const file = join(tempFolder(t), 'keys');
  writeFileSync(file, text);
  return readIssuerKeys(file);
}

async function gitlabIssuer(t: TestContext, text = pemOf(rsa.publicKey)) {
  const clock = createManualClock();
  const issuer = createTokenIssuer({ clock, keys: await fileKeys(t, text) }, gitlab);
  const shape: TokenShape = {
    ...gitlab,
    alg: 'RS256',
    typ: 'JWT',
    kid: libtrustId(rsa.publicKey),
    subject: 'root',
    expires: seconds(clock) + 300,
    claims: { access: [{ type: 'repository', name: 'team/app', actions: ['pull', 'push'] }] },
  };
  return { clock, issuer, shape };
}

describe('a token of another token server', () => {
  it('allows what its claim "access" says, on the images that the names mean here, and nothing else', async (t) => {
    const { issuer, shape } = await gitlabIssuer(t);
    const access = [
      { type: 'repository', name: 'team/app', actions: ['pull', 'push'] },
      { type: 'repository', name: 'all', actions: ['*'] },
      { type: 'repository', name: 'hidden', actions: ['pull'] },
      { type: 'registry', name: 'catalog', actions: ['*'] },
      { type: 'repository', name: 'x', actions: ['launch', 7] },
      { type: 'repository', name: 5, actions: ['pull'] },
      null,
      'text',
    ];
    const issued = await issuer.verify(await signed(rsa.privateKey, { ...shape, claims: { access } }));
    assert.ok(issued.ok);
    const principal = issued.principalOf(resolve);
    assert.deepEqual([principal.kind, principal.name, principal.names], ['issuer', 'root', []]);
    assert.deepEqual(principal.grants, [
      { match: 'docker.io/team/app', form: 'name', may: ['pull', 'push'] },
      { match: 'docker.io/all', form: 'name', may: ['pull', 'push', 'delete'] },
    ]);
    assert.equal(principal.scope, principal.grants);
  });

  it('allows nothing outside of what its issuer is for, whichever registry the client has chosen', async (t) => {
    const { issuer, shape } = await gitlabIssuer(t);
    const issued = await issuer.verify(await signed(rsa.privateKey, shape));
    assert.ok(issued.ok);
    assert.equal(issued.principalOf(resolve).grants?.length, 1);
    assert.deepEqual(issued.principalOf((name) => `quay.io/${name}`).grants, []);
  });

  it('without a subject, or with one that is no name, is named after its issuer', async (t) => {
    const { issuer, shape } = await gitlabIssuer(t);
    for (const subject of ['', 'a\nb', 'x'.repeat(300)]) {
      const issued = await issuer.verify(await signed(rsa.privateKey, { ...shape, subject }));
      assert.ok(issued.ok && issued.principalOf(resolve).name === gitlab.issuer);
    }
  });

  it('is found by libtrust fingerprint, by thumbprint, by a foreign id and without one', async (t) => {
    const { issuer, shape } = await gitlabIssuer(t, pemOf(ec.publicKey) + pemOf(rsa.publicKey));
    const thumbprint = await calculateJwkThumbprint(await exportJWK(rsa.publicKey));
    for (const kid of [libtrustId(rsa.publicKey), thumbprint, 'of another form', undefined])
      assert.ok((await issuer.verify(await signed(rsa.privateKey, { ...shape, kid } as TokenShape))).ok, kid);
  });

  for (const [what, change, problem] of [
    ['another issuer', { issuer: 'x' }, /another "iss"/],
    ['another audience', { audience: 'x' }, /another "aud"/],
    ['no audience', { audience: undefined }, /another "aud"/],
    ['no expiry', { expires: undefined }, /another "exp"/],
    ['an expiry in the past', { expires: 1000 }, /has expired/],
    ['a time before which it does not count', { notBefore: 4_000_000_000 }, /another "nbf"/],
    ['the type of a logout token', { typ: 'logout+jwt' }, /another type/],
    ['the type of a refresh token', { typ: 'entrepot-refresh+jwt' }, /another type/],
  ] as const) {
    it(`with ${what} is refused`, async (t) => {
      const { issuer, shape } = await gitlabIssuer(t);
      const issued = await issuer.verify(await signed(rsa.privateKey, { ...shape, ...change } as TokenShape));
      assert.ok(!issued.ok && issued.reason === 'invalid');
      assert.match(issued.problem, problem);
    });
  }

  it('by another key, unsigned, or with the public key as a secret is refused', async (t) => {
    const { issuer, shape, clock } = await gitlabIssuer(t);
    const claims = {
      iss: gitlab.issuer,
      aud: gitlab.audience,
      sub: 'root',
      exp: seconds(clock) + 60,
      ...shape.claims,
    };
    const kid = shape.kid;
    for (const token of [
      await signed(newKeys('rsa').privateKey, shape),
      forged({ alg: 'none', kid }, claims),
      forged({ alg: 'none' }, claims),
      forged({ alg: 'HS256', kid }, claims, pemOf(rsa.publicKey)),
      forged({ alg: 'HS256' }, claims, pemOf(rsa.publicKey).trim()),
      forged({ alg: 'HS512' }, claims, ''),
      forged({ alg: 'RS256', jwk: { kty: 'RSA' }, kid }, claims, 'x'),
      'no token',
    ]) {
      const issued = await issuer.verify(token);
      assert.ok(!issued.ok && issued.reason === 'invalid', token);
      assert.ok(!issued.problem.includes('root'), 'no part of the token is told');
    }
  });

  it('may be a minute late, since clocks differ, and no more', async (t) => {
    const { issuer, shape, clock } = await gitlabIssuer(t);
    const token = await signed(rsa.privateKey, { ...shape, expires: seconds(clock) + 10 });
    await clock.advance(69_000);
    assert.ok((await issuer.verify(token)).ok);
    await clock.advance(2000);
    assert.ok(!(await issuer.verify(token)).ok);
  });
});

describe('libtrust’s key id', () => {
  it('is base32 of the first 30 bytes of the SHA-256 of the public key, in twelve groups of four', () => {
    const id = libtrustId(rsa.publicKey);
    assert.match(id, /^(?:[A-Z2-7]{4}:){11}[A-Z2-7]{4}$/);
    const der = rsa.publicKey.export({ type: 'spki', format: 'der' });
    const digest = createHash('sha256').update(der).digest().subarray(0, 30);
    const bits = [...digest].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    const letters = bits
      .match(/.{5}/g)!
      .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)]);
    assert.equal(id.replaceAll(':', ''), letters.join(''));
  });
});

describe('the keys of an issuer in a file', () => {
  it('may be a JWKS with private parts, other kinds of keys and other uses: only what verifies is used', async (t) => {
    const set = {
      keys: [
        { kty: 'oct', k: 'c2VjcmV0', kid: 'o' },
        { ...(await exportJWK(ec.publicKey)), kid: 'e', use: 'enc' },
        { kty: 'XYZ', kid: 'x' },
        { ...(await exportJWK(rsa.privateKey)), kid: 'r', key_ops: ['sign'] },
      ],
    };
    const { issuer, shape } = await gitlabIssuer(t, JSON.stringify(set));
    assert.ok((await issuer.verify(await signed(rsa.privateKey, { ...shape, kid: 'r' }))).ok);
    assert.ok((await issuer.verify(await signed(rsa.privateKey, { ...shape, kid: 'r', alg: 'PS256' }))).ok);
    assert.ok(!(await issuer.verify(await signed(ec.privateKey, { ...shape, kid: 'e', alg: 'ES256' }))).ok);
    assert.ok(
      !(await issuer.verify(forged({ alg: 'HS256', kid: 'o' }, { iss: gitlab.issuer }, 'secret'))).ok,
    );
  });

  it('serve for the algorithm alone that they name', async (t) => {
    const set = { keys: [{ ...(await exportJWK(rsa.publicKey)), kid: 'r', alg: 'RS256' }] };
    const { issuer, shape } = await gitlabIssuer(t, JSON.stringify(set));
    assert.ok((await issuer.verify(await signed(rsa.privateKey, { ...shape, kid: 'r' }))).ok);
    assert.ok(!(await issuer.verify(await signed(rsa.privateKey, { ...shape, kid: 'r', alg: 'PS256' }))).ok);
  });

  for (const [what, text] of [
    ['nothing', ''],
    ['text', 'hello'],
    ['a list', '{"keys":[]}'],
    ['no list', '{"a":1}'],
    ['broken PEM', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
    ['a small RSA key', pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)],
  ] as const) {
    it(`are refused at the start where it holds ${what}`, async (t) => {
      await assert.rejects(fileKeys(t, text), {
        code: 'CONFIG_INVALID',
        message: /access\.issuer keys names a file of PEM certificates/,
      });
    });
  }
});

/** An issuer that answers from `state`, and counts. */
async function discovered() {
  const clock = createManualClock();
  const state = { issuer: oidc.issuer, jwks: 'https://login.corp/keys', keys: [] as object[], isDown: false };
  let fetches = 0;
  const keys = createDiscoveredKeys(
    {
      clock,
      async fetchJson(url) {
        fetches += 1;
        if (state.isDown) throw new Error('login.corp: connection refused');
        return url.endsWith('openid-configuration')
          ? { issuer: state.issuer, jwks_uri: state.jwks }
          : { keys: state.keys };
      },
    },
    oidc.issuer,
  );
  const publish = async (kid: string, pair: { publicKey: KeyObject }) => {
    state.keys = [...state.keys, { ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256', use: 'sig' }];
  };
  await publish('one', ec);
  await clock.advance(60_000);
  const shape: TokenShape = { ...oidc, kid: 'one', subject: 'ann', expires: seconds(clock) + 86_400 };
  const issuer = createOidcIssuer({ clock, keys }, oidc);
  return { clock, state, issuer, shape, publish, fetches: () => fetches };
}

describe('an OpenID Connect issuer', () => {
  it('is asked for its keys once, by all that wait', async () => {
    const { issuer, shape, fetches } = await discovered();
    const token = await signed(ec.privateKey, { ...shape, claims: { groups: ['platform', 7, 'a\nb'] } });
    const all = await Promise.all(Array.from({ length: 10 }, () => issuer.verify(token)));
    assert.ok(all.every(({ ok }) => ok));
    assert.equal(fetches(), 2);
    const [issued] = all;
    assert.ok(issued?.ok);
    assert.deepEqual(issued.principalOf(resolve), {
      kind: 'oidc',
      name: 'ann',
      names: ['ann', 'group:platform'],
    });
  });

  it('that rotates its keys is asked again, and not more often than each 30 s', async () => {
    const { clock, issuer, shape, publish, fetches } = await discovered();
    assert.ok((await issuer.verify(await signed(ec.privateKey, shape))).ok);
    const next = newKeys();
    await publish('two', next);
    await clock.advance(30_000);
    assert.ok((await issuer.verify(await signed(next.privateKey, { ...shape, kid: 'two' }))).ok);
    assert.equal(fetches(), 4);
    for (let n = 0; n < 20; n++) {
      const stranger = await signed(newKeys().privateKey, { ...shape, kid: `unknown-${n}` });
      const issued = await issuer.verify(stranger);
      assert.ok(!issued.ok && issued.reason === 'invalid');
    }
    assert.equal(fetches(), 4, 'unknown ids do not make it ask');
  });

  it('that is down is no reason to refuse tokens of known keys, nor to call others wrong', async () => {
    const { clock, state, issuer, shape } = await discovered();
    assert.ok((await issuer.verify(await signed(ec.privateKey, shape))).ok);
    state.isDown = true;
    await clock.advance(3_600_000);
    assert.ok((await issuer.verify(await signed(ec.privateKey, shape))).ok);
    for (const wait of [0, 1000, 60_000]) {
      await clock.advance(wait);
      const issued = await issuer.verify(await signed(newKeys().privateKey, { ...shape, kid: 'new' }));
      assert.deepEqual(issued, {
        ok: false,
        reason: 'unavailable',
        problem: 'login.corp: connection refused',
      });
    }
  });

  it('that is down at the start is asked again after a rest', async () => {
    const { clock, state, issuer, shape, fetches } = await discovered();
    state.isDown = true;
    assert.equal(await issuer.prepare(), 'login.corp: connection refused');
    const token = await signed(ec.privateKey, shape);
    const early = await issuer.verify(token);
    assert.ok(!early.ok && early.reason === 'unavailable');
    assert.equal(fetches(), 1);
    state.isDown = false;
    await clock.advance(30_000);
    assert.ok((await issuer.verify(token)).ok);
    assert.equal(await issuer.prepare(), undefined);
  });

  it('that withdraws a key takes its tokens with it, once its keys are old', async () => {
    const { clock, state, issuer, shape } = await discovered();
    const token = await signed(ec.privateKey, shape);
    assert.ok((await issuer.verify(token)).ok);
    state.keys = [];
    await clock.advance(600_000);
    assert.ok(!(await issuer.verify(token)).ok);
  });

  for (const [what, change, problem] of [
    ['names another issuer', { issuer: 'https://evil.corp' }, /names another issuer/],
    ['has no jwks_uri', { jwks: 7 as unknown as string }, /has no jwks_uri/],
    ['leaves TLS', { jwks: 'http://login.corp/keys' }, /jwks_uri without TLS/],
    ['publishes no set', { keys: 'x' as unknown as object[] }, /no JWKS/],
  ] as const) {
    it(`whose document ${what} has no keys`, async () => {
      const { state, issuer } = await discovered();
      Object.assign(state, change);
      assert.match((await issuer.prepare()) ?? '', problem);
    });
  }

  it('gives names and groups that are bounded and printable', async () => {
    const { issuer, shape } = await discovered();
    for (const subject of ['', 'a\nb', 'x'.repeat(256)]) {
      const issued = await issuer.verify(await signed(ec.privateKey, { ...shape, subject }));
      assert.ok(!issued.ok && /no name of at most 255/.test(issued.problem), JSON.stringify(subject));
    }
    const groups = Array.from({ length: 5000 }, (_, n) => `group-${n}-${'x'.repeat(100)}`);
    const issued = await issuer.verify(await signed(ec.privateKey, { ...shape, claims: { groups } }));
    assert.ok(issued.ok && issued.principalOf(resolve).names.join('').length < 10_000);
  });

  it('names by an email only where the issuer has not said that it is not verified', async () => {
    const { clock, state } = await discovered();
    const keys = createDiscoveredKeys(
      {
        clock,
        fetchJson: async (url) =>
          url.endsWith('n') ? { issuer: state.issuer, jwks_uri: state.jwks } : { keys: state.keys },
      },
      oidc.issuer,
    );
    const issuer = createOidcIssuer({ clock, keys }, { ...oidc, name: 'email' });
    const verify = async (claims: object) =>
      issuer.verify(
        await signed(ec.privateKey, {
          ...oidc,
          kid: 'one',
          expires: seconds(clock) + 60,
          claims: { email: 'a@b.c', ...claims },
        }),
      );
    assert.ok((await verify({ email_verified: true })).ok);
    assert.ok((await verify({})).ok);
    assert.ok(!(await verify({ email_verified: false })).ok);
  });
});
