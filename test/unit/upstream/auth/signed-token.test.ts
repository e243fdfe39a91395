import assert from 'node:assert/strict';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import type { HostToken } from '../../../../src/config/config.ts';
import { systemClock } from '../../../../src/lib/clock.ts';
import { libtrustId } from '../../../../src/lib/libtrust-id.ts';
import type { Upstream } from '../../../../src/upstream/upstream.ts';
import { createManualClock } from '../../../support/clock.ts';
import { type FakeRegistry, startFakeRegistry } from '../../../support/fake-registry.ts';
import { redirect, status } from '../../../support/fake-registry-faults.ts';
import { buildImage } from '../../../support/images.ts';
import { newKeys } from '../../../support/jwts.ts';
import { type SeenToken, type Trust, trusting } from '../../../support/signed-tokens.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { good, hostConfig, image, outline, reasons, reference, upstreamOf } from '../asking.ts';

const app = buildImage({ layers: [1000, 2000] });
const rsa = newKeys('rsa').privateKey;
const ec = newKeys('ec').privateKey;
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string;

interface Setting {
  /** What the registry trusts. */
  readonly trust?: Trust;
  readonly trusted?: KeyObject;
  readonly token?: Partial<HostToken>;
  readonly key?: KeyObject | string;
  readonly clock?: typeof systemClock;
}

interface Stage {
  readonly registry: FakeRegistry;
  readonly upstream: Upstream;
  readonly seen: readonly SeenToken[];
  readonly keyFile: string;
}

async function stage(t: TestContext, setting: Setting = {}): Promise<Stage> {
  const { trust = {}, key = rsa, trusted = rsa, clock = systemClock } = setting;
  const seen: SeenToken[] = [];
  const registry = await startFakeRegistry({ auth: trusting(trusted, trust, seen), catalogue: true });
  registry.putImage('team/app', '1', app);
  registry.putImage('team/other', '1', app);
  const keyFile = join(tempFolder(t), 'registry.key');
  writeFileSync(keyFile, typeof key === 'string' ? key : pem(key));
  const usual = { issuer: 'gitlab', audience: 'container_registry', kid: 'libtrust', expiry: 300_000 };
  const token = { keyFile, ...usual, ...setting.token };
  const upstream = upstreamOf([registry], {
    deps: { clock },
    upstream: { hosts: [hostConfig(registry.host, { token })] },
  });
  t.after(() => Promise.all([upstream.close(), registry.stop()]));
  return { registry, upstream, seen, keyFile };
}

/** The reason of the one attempt, after `refuses ...: HTTP 401 (UNAUTHORIZED: ...); `. */
async function whyRefused(t: TestContext, setting: Setting): Promise<string> {
  const { upstream } = await stage(t, setting);
  const answer = await upstream.getManifest(image());
  assert.equal(outline(answer), 'source unauthorized');
  const [reason = ''] = reasons(answer);
  const start =
    /^refuses a token signed with \S+registry\.key \(entry 127\.0\.0\.1:\d+\): HTTP 401(?: \(.+?\))?; /;
  assert.match(reason, start);
  return reason.replace(start, '');
}

describe('a token that is signed here', () => {
  it('says what a token server of the registry would say, for one repository, and to pull alone', async (t) => {
    const clock = createManualClock();
    const { upstream, seen } = await stage(t, { trust: { now: clock.now }, clock });
    good(await upstream.getManifest(image()));
    const { header, claims } = seen[0]!;
    assert.deepEqual(header, { typ: 'JWT', alg: 'RS256', kid: libtrustId(createPublicKey(rsa)) });
    const { jti, ...rest } = claims;
    const now = clock.now() / 1000;
    assert.match(String(jti), /^[0-9a-f-]{36}$/);
    assert.deepEqual(rest, {
      iss: 'gitlab',
      aud: 'container_registry',
      iat: now,
      nbf: now - 5,
      exp: now + 300,
      access: [{ type: 'repository', name: 'team/app', actions: ['pull'] }],
    });
  });

  it('is kept for its repository, and is another one for another', async (t) => {
    const { upstream, registry, seen } = await stage(t);
    good(await upstream.getManifest(image()));
    good(await upstream.headBlob(image(), app.layers[0]!.digest));
    assert.deepEqual([seen.length, registry.count({ kind: 'manifest' })], [2, 2], 'one 401 to all');
    assert.equal(seen[0]!.claims.jti, seen[1]!.claims.jti);
    good(await upstream.getManifest(reference('ex.io/team/other:1')));
    assert.deepEqual(seen[2]!.claims.access, [{ type: 'repository', name: 'team/other', actions: ['pull'] }]);
  });

  for (const [kid, key, alg, expected] of [
    ['thumbprint', rsa, 'RS256', async () => calculateJwkThumbprint(await exportJWK(createPublicKey(rsa)))],
    ['thumbprint', ec, 'ES256', async () => calculateJwkThumbprint(await exportJWK(createPublicKey(ec)))],
    ['libtrust', ec, 'ES256', async () => libtrustId(createPublicKey(ec))],
    ['key-7', ec, 'ES256', async () => 'key-7'],
  ] as const) {
    it(`names its key by ${kid}, with ${alg}`, async (t) => {
      const { upstream, seen } = await stage(t, {
        key,
        trusted: key,
        token: { kid },
        trust: { kid: await expected() },
      });
      good(await upstream.getManifest(image()));
      assert.deepEqual(seen[0]!.header, { typ: 'JWT', alg, kid: await expected() });
    });
  }

  it('is made anew shortly before its end, without a refusal in between', async (t) => {
    const clock = createManualClock();
    const { upstream, registry, seen } = await stage(t, {
      trust: { now: clock.now },
      clock,
      token: { expiry: 120_000 },
    });
    good(await upstream.getManifest(image()));
    await clock.advance(109_000);
    good(await upstream.getManifest(image()));
    assert.equal(seen[1]!.claims.jti, seen[0]!.claims.jti);
    await clock.advance(1000);
    good(await upstream.getManifest(image()));
    assert.notEqual(seen[2]!.claims.jti, seen[0]!.claims.jti);
    assert.equal(registry.count({ kind: 'manifest' }), 4);
  });

  it('is made anew once where the registry refuses it in the middle of its life', async (t) => {
    const { upstream, registry, seen } = await stage(t);
    good(await upstream.getManifest(image()));
    registry.on(
      { kind: 'manifest', early: true, times: 1 },
      status(401, { 'www-authenticate': 'Bearer realm="https://x/"' }),
    );
    good(await upstream.getManifest(image()));
    assert.equal(seen.length, 2);
    assert.notEqual(seen[1]!.claims.jti, seen[0]!.claims.jti);
  });

  it('is not sent again for half a minute after it was refused, unless the key has changed', async (t) => {
    const clock = createManualClock();
    const { upstream, registry, seen, keyFile } = await stage(t, {
      key: ec,
      trust: { now: clock.now },
      clock,
    });
    assert.equal(outline(await upstream.getManifest(image())), 'source unauthorized');
    assert.equal(outline(await upstream.getManifest(image())), 'source unauthorized');
    assert.deepEqual([seen.length, registry.count({ kind: 'manifest' })], [1, 3]);
    writeFileSync(keyFile, pem(rsa));
    good(await upstream.getManifest(image()));
    assert.equal(seen.length, 2);
  });

  it('goes to its own host alone: not to storage, nor to another registry', async (t) => {
    const { upstream, registry, seen } = await stage(t);
    const elsewhere = await startFakeRegistry();
    t.after(elsewhere.stop);
    elsewhere.putImage('team/app', '1', app);
    const layer = app.layers[0]!.digest;
    registry.on({ kind: 'blob' }, redirect(`${elsewhere.url}/v2/team/app/blobs/${layer}`));
    good(await upstream.headBlob(image(), layer));
    registry.on({ kind: 'manifest' }, redirect(elsewhere.putFile('/storage/m', app.bytes)));
    await upstream.getManifest(image());
    assert.equal(seen.length, 2);
    assert.ok(elsewhere.matching({}).length >= 2);
    for (const { headers } of elsewhere.matching({})) assert.equal(headers.authorization, undefined);
  });

  it('asks no token server, and says which key cannot be used', async (t) => {
    const { upstream, registry } = await stage(t, { key: 'no key' });
    const answer = await upstream.getManifest(image());
    assert.match(
      reasons(answer)[0]!,
      /^\S+registry\.key: the file has no private key in PEM \(token\.key_file of \[\[upstream\.host\]\] 127\.0\.0\.1:\d+\)$/,
    );
    assert.equal(registry.count({ kind: 'manifest' }), 1);
  });

  it('is for the catalogue alone, where that is read', async (t) => {
    const { upstream, seen } = await stage(t, { trust: { wants: 'registry:catalog:*' } });
    const { value } = good(await upstream.listRepositories({ registry: 'ex.io', under: '' }));
    assert.deepEqual(value, ['team/app', 'team/other']);
    assert.deepEqual(seen[0]!.claims.access, [{ type: 'registry', name: 'catalog', actions: ['*'] }]);
  });

  it('is of no use where the registry wants a password', async (t) => {
    const { upstream, registry } = await stage(t);
    registry.on({ kind: 'manifest', early: true }, status(401, { 'www-authenticate': 'Basic realm="x"' }));
    assert.match(
      reasons(await upstream.getManifest(image()))[0]!,
      /^wants a password, but \S+registry\.key \(entry \S+\) has a key that signs tokens$/,
    );
  });
});

describe('the reason of a refused token', () => {
  it('is the audience, where the registry calls itself otherwise', async (t) => {
    assert.equal(
      await whyRefused(t, { trust: { audience: 'registry.corp' } }),
      'it takes tokens for the audience "registry.corp", and token.audience is "container_registry"',
    );
  });

  it('is a clock, where the token is not valid by that of the registry', async (t) => {
    const behind = { now: () => Date.now() - 600_000 };
    assert.match(
      await whyRefused(t, { trust: behind }),
      /^its clock is (?:599|600|601) s behind ours, where a new token is not valid yet: set both by NTP$/,
    );
    const ahead = { now: () => Date.now() + 600_000 };
    assert.match(
      await whyRefused(t, { trust: ahead }),
      /^its clock is (?:599|600|601) s ahead of ours, where a new token is over: set both by NTP$/,
    );
  });

  it('is the issuer or the key, with both named, where nothing else is known', async (t) => {
    const id = libtrustId(createPublicKey(rsa));
    const both =
      `it trusts another issuer than token.issuer = "gitlab", or it does not know the key "${id}" ` +
      '(RS256, token.kid = "libtrust") of FILE: its own log says which';
    for (const setting of [{ trust: { issuer: 'other' } }, { trusted: newKeys('rsa').privateKey }]) {
      assert.equal((await whyRefused(t, setting)).replace(/ of \S+registry\.key/, ' of FILE'), both);
    }
    const late = { issuer: 'other', now: () => Date.now() - 30_000 };
    assert.match(
      await whyRefused(t, { trust: late }),
      /which; its clock is (?:29|30|31) s behind ours, where a new token is not valid yet$/,
    );
  });

  it('is what the registry says, where it says more', async (t) => {
    const said = (text: string) => `,error_description="${text}"`;
    assert.equal(
      await whyRefused(t, { trust: { issuer: 'other', more: said('untrusted issuer') } }),
      'it trusts another issuer than token.issuer = "gitlab"; it says "untrusted issuer"',
    );
    assert.match(
      await whyRefused(t, { trusted: ec, trust: { more: said('no key with this kid') } }),
      /^it does not know the key "\S+" \(RS256, token\.kid = "libtrust"\) of \S+; it says "no key with this kid"$/,
    );
  });

  it('is the scope, where the registry wants another one', async (t) => {
    assert.equal(
      await whyRefused(t, { trust: { wants: 'registry:catalog:*' } }),
      'the token is valid there, and allows repository:team/app:pull where registry:catalog:* is wanted',
    );
  });
});
