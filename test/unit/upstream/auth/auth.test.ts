import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { FoundCredentials } from '../../../../src/config/credentials/auth-lookup.ts';
import { EntrepotError } from '../../../../src/errors.ts';
import { endpointKey } from '../../../../src/upstream/endpoint.ts';
import type { Upstream } from '../../../../src/upstream/upstream.ts';
import { createManualClock } from '../../../support/clock.ts';
import {
  type FakeRegistry,
  type FakeRegistryOptions,
  startFakeRegistry,
} from '../../../support/fake-registry.ts';
import { errorAnswer } from '../../../support/fake-registry-content.ts';
import {
  holdHeaders,
  redirect,
  stallAfter,
  status,
  withHeaders,
} from '../../../support/fake-registry-faults.ts';
import { gate } from '../../../support/gate.ts';
import { buildImage } from '../../../support/images.ts';
import {
  startTokenServer,
  type TokenServer,
  type TokenServerOptions,
} from '../../../support/token-server.ts';
import { type AskingOptions, good, hostConfig, image, outline, reasons, upstreamOf } from '../asking.ts';

const app = buildImage({ layers: [1000, 2000] });
const source = { file: '/etc/auth.json', helper: undefined, key: 'ex.io' };
const unknown = status(401, { 'www-authenticate': 'Basic realm="x"' });
const joe: FoundCredentials = { kind: 'basic', username: 'joe', password: 'secret', source };

describe('authentication at an endpoint', () => {
  const stops: (() => Promise<unknown>)[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-auth-'));
  after(async () => {
    await Promise.all(stops.map((stop) => stop()));
    rmSync(folder, { recursive: true });
  });

  async function start(auth: FakeRegistryOptions['auth']): Promise<FakeRegistry> {
    const registry = await startFakeRegistry(auth ? { auth } : {});
    stops.push(registry.stop);
    registry.putImage('team/app', '1', app);
    return registry;
  }

  async function startTokens(options?: TokenServerOptions): Promise<TokenServer> {
    const tokens = await startTokenServer(options);
    stops.push(tokens.stop);
    return tokens;
  }

  function ask(registry: FakeRegistry, options?: AskingOptions): Upstream {
    const upstream = upstreamOf([registry], options);
    stops.push(upstream.close);
    return upstream;
  }

  const as = (found: FoundCredentials | undefined): AskingOptions => ({
    deps: { authLookup: async () => found },
  });

  it('sends nothing before it is asked, then an anonymous token, and keeps that', async () => {
    const tokens = await startTokens();
    const registry = await start({ kind: 'bearer', tokens });
    const upstream = ask(registry);
    good(await upstream.getManifest(image()));
    assert.equal(registry.matching({ kind: 'manifest' })[0]!.headers.authorization, undefined);
    assert.deepEqual(tokens.requests[0]!.scopes, ['repository:team/app:pull']);
    assert.equal(tokens.requests[0]!.service, 'fake-registry');
    assert.equal(tokens.requests[0]!.authorization, undefined);
    good(await upstream.headBlob(image(), app.layers[0]!.digest));
    assert.equal(tokens.requests.length, 1);
    assert.equal(registry.count({ kind: 'blob' }), 1, 'no 401 in between');
  });

  it('gets a token with a password, and says which credentials were used', async () => {
    const tokens = await startTokens({ accounts: { joe: { password: 'secret' } }, field: 'access_token' });
    const registry = await start({ kind: 'bearer', tokens });
    const answer = good(await ask(registry, as(joe)).getManifest(image()));
    assert.equal(tokens.requests[0]!.account, 'joe');
    assert.equal(tokens.requests[0]!.parameters.get('account'), 'joe');
    assert.deepEqual(answer.trail[0]!.credentials, source);
    assert.doesNotMatch(JSON.stringify(answer.trail), /secret/);
  });

  for (const created of [201, 203]) {
    it(`takes a token from an answer with status ${created}`, async () => {
      const tokens = await startTokens();
      const registry = await start({ kind: 'bearer', tokens });
      tokens.fail(created, '{"token":"made-elsewhere"}');
      await ask(registry).getManifest(image());
      const sent = registry.matching({ kind: 'manifest' }).map(({ headers }) => headers.authorization);
      assert.ok(sent.includes('Bearer made-elsewhere'), JSON.stringify(sent));
    });
  }

  it('gets a token with an identity token, by POST', async () => {
    const tokens = await startTokens({ accounts: { joe: { password: 'x', identityToken: 'id-7' } } });
    const registry = await start({ kind: 'bearer', tokens });
    const found = { kind: 'identityToken', username: 'joe', token: 'id-7', source } as const;
    good(await ask(registry, as(found)).getManifest(image()));
    const seen = tokens.requests[0]!;
    assert.deepEqual([seen.method, seen.account, seen.service], ['POST', 'joe', 'fake-registry']);
    assert.equal(seen.parameters.get('client_id'), 'entrepot');
  });

  it('answers a Basic challenge, and remembers that it had to', async () => {
    const registry = await start({ kind: 'basic', username: 'joe', password: 'secret' });
    const upstream = ask(registry, as(joe));
    good(await upstream.getManifest(image()));
    good(await upstream.getManifest(image()));
    assert.equal(registry.count({ kind: 'manifest' }), 3);
  });

  it('finds the challenge at the ping where the request itself has none', async () => {
    const tokens = await startTokens();
    const registry = await start({ kind: 'bearer', tokens });
    registry.on({ kind: 'manifest', nth: 1, early: true }, status(401));
    good(await ask(registry).getManifest(image()));
    assert.equal(tokens.requests.length, 1);
  });

  it('gets along with a single connection', async () => {
    const tokens = await startTokens();
    const registry = await start({ kind: 'bearer', tokens });
    registry.on({ kind: 'manifest', nth: 1, early: true }, status(401));
    const upstream = ask(registry, {
      upstream: { hosts: [hostConfig(registry.host, { maxConnections: 1 })] },
    });
    good(await upstream.getManifest(image()));
    for (const head of await Promise.all(app.blobs.map((blob) => upstream.headBlob(image(), blob.digest))))
      good(head);
  });

  it('does not blame a registry for the wait behind others for its only connection', async () => {
    const clock = createManualClock();
    const basic = { kind: 'basic', username: 'joe', password: 'secret' } as const;
    const [registry, other] = [await start(basic), await start(undefined)];
    const hosts = [hostConfig(registry.host, { maxConnections: 1 })];
    const upstream = upstreamOf([registry, other], {
      deps: { clock, authLookup: async () => joe },
      upstream: { hosts },
    });
    stops.push(upstream.close);
    const first = gate();
    registry.on({ kind: 'manifest', early: true, nth: 1 }, holdHeaders(first), unknown);
    const asking = upstream.getManifest(image());
    await first.arrived;
    const blob = upstream.openBlob(image(), app.layers[0]!.digest, { start: 0 });
    await clock.armed(30_000);
    const rest = gate();
    registry.on({ kind: 'blob', early: true }, stallAfter(10, rest));
    first.release();
    const { body } = good(await blob).value;
    await clock.armed(30_000);
    await clock.advance(1000);
    assert.equal(outline(await asking), 'mirror overdue, source ok');
    const health = upstream.health().find(({ host }) => host === registry.host);
    assert.equal(health?.lastFailure, undefined);
    body.cancel();
  });

  it('says what is wrong without credentials, with wrong ones, and with a challenge that it does not know', async () => {
    const basic = await start({ kind: 'basic', username: 'joe', password: 'other' });
    const none = await ask(basic).getManifest(image());
    assert.deepEqual(
      [outline(none), reasons(none)[0]],
      ['source unauthorized', `no credentials for ${basic.host}/team/app`],
    );
    const wrong = await ask(basic, as(joe)).getManifest(image());
    assert.match(
      reasons(wrong)[0]!,
      /^refuses the credentials of \/etc\/auth\.json \(entry ex\.io\): HTTP 401 \(UNAUTHORIZED: auth/,
    );
    assert.equal(basic.count({ kind: 'manifest' }), 3);

    const tokens = await startTokens({ accounts: { joe: { password: 'other' } } });
    const bearer = await start({ kind: 'bearer', tokens });
    const refused = await ask(bearer, as(joe)).getManifest(image());
    assert.match(
      reasons(refused)[0]!,
      /^token server .*: HTTP 401 with the credentials of \/etc\/auth\.json/,
    );
    const anonymous = await ask(bearer).getManifest(image());
    assert.match(
      reasons(anonymous)[0]!,
      /^refuses an anonymous token of 127\.0\.0\.1:\d+: HTTP 401 .*; no credentials for /,
    );

    const strange = await start(undefined);
    strange.on({ kind: 'manifest' }, status(401), withHeaders({ 'www-authenticate': 'Negotiate' }));
    assert.match(
      reasons(await ask(strange).getManifest(image()))[0]!,
      /asks for negotiate authentication only/,
    );
  });

  it('takes credentials that cannot be read for a failure of that endpoint', async () => {
    const registry = await start({ kind: 'basic', username: 'joe', password: 'secret' });
    const authLookup = async () => {
      throw new EntrepotError('CREDENTIALS_UNUSABLE', 'is no JSON', { file: '/etc/auth.json', line: 3 });
    };
    const answer = await ask(registry, { deps: { authLookup } }).getManifest(image());
    assert.deepEqual(
      [outline(answer), reasons(answer)[0]],
      ['source unauthorized', '/etc/auth.json:3: is no JSON'],
    );
  });

  it('asks for one token however many need it, and for one new one when it is refused', async () => {
    const tokens = await startTokens();
    const registry = await start({ kind: 'bearer', tokens });
    const upstream = ask(registry);
    const hold = gate();
    tokens.hold(hold);
    const digests = app.blobs.map((blob) => blob.digest);
    const heads = Promise.all(digests.map((digest) => upstream.headBlob(image(), digest)));
    await registry.seen({ kind: 'blob' }, 3);
    hold.release();
    for (const head of await heads) good(head);
    assert.equal(tokens.requests.length, 1);

    tokens.revokeAll();
    for (const head of await Promise.all(digests.map((digest) => upstream.headBlob(image(), digest))))
      good(head);
    assert.equal(tokens.requests.length, 2);
  });

  it('looks credentials up again after a 401', async () => {
    const registry = await start({ kind: 'basic', username: 'joe', password: 'second' });
    const passwords = ['first', 'second'];
    const authLookup = async () => ({ ...joe, password: passwords.shift() ?? '' }) as FoundCredentials;
    const upstream = ask(registry, { deps: { authLookup } });
    assert.equal(outline(await upstream.getManifest(image())), 'source unauthorized');
    good(await upstream.getManifest(image()));
    assert.deepEqual(passwords, []);
  });

  it('renews a token before it ends, without a 401', async () => {
    const clock = createManualClock();
    const tokens = await startTokens({ expiresIn: 20, clock });
    const registry = await start({ kind: 'bearer', tokens });
    // The server's 20 s count as the 60 s that the specification makes the least: a refusal in between is answered.
    const upstream = ask(registry, { deps: { clock } });
    good(await upstream.getManifest(image()));
    await clock.advance(25_000);
    good(await upstream.getManifest(image()));
    assert.equal(tokens.requests.length, 2);
    registry.clear();
    await clock.advance(51_000);
    good(await upstream.getManifest(image()));
    assert.equal(tokens.requests.length, 3);
    assert.equal(registry.count({ kind: 'manifest' }), 1, 'renewed by itself');
  });

  it('asks once more with the scope that the registry names', async () => {
    const tokens = await startTokens();
    const registry = await start(undefined);
    const challenge = (scope: string, error: string) =>
      withHeaders({
        'www-authenticate': `Bearer realm="${tokens.realm}",service="s",scope="${scope}",error="${error}"`,
      });
    const scope = 'repository:team/app:metadata_read';
    registry.on({ kind: 'tags', times: 2 }, status(401), challenge(scope, 'insufficient_scope'));
    good(await ask(registry).listTags(image()));
    assert.deepEqual(
      tokens.requests.map(({ scopes }) => scopes[0]),
      ['repository:team/app:pull', scope],
    );

    registry.heal();
    registry.on(
      { kind: 'tags' },
      status(401),
      challenge('repository:team/app:pull,push', 'insufficient_scope'),
    );
    assert.equal(outline(await ask(registry).listTags(image())), 'source unauthorized');
    assert.equal(tokens.requests.length, 3, 'never for a scope that could change anything');
  });

  it('fails as unreachable when the token server does, and waits when that says so', async () => {
    const tokens = await startTokens();
    const registry = await start({ kind: 'bearer', tokens });
    tokens.fail(503);
    const down = await ask(registry).getManifest(image());
    assert.equal(outline(down), 'source unreachable');
    assert.match(reasons(down)[0]!, /^token server 127\.0\.0\.1:\d+: HTTP 503 \(out of order\)$/);
    tokens.fail(429);
    const upstream = ask(registry);
    assert.equal(outline(await upstream.getManifest(image())), 'source rateLimited');
    const count = tokens.requests.length;
    const again = await upstream.getManifest(image());
    assert.equal(outline(again), 'source rateLimited');
    assert.match(reasons(again)[0]!, /^token server 127\.0\.0\.1:\d+: not asked: HTTP 429 until /);
    assert.equal(tokens.requests.length, count);
    tokens.fail(200, '{"token":"a\\r\\nb"}');
    assert.match(reasons(await ask(registry).getManifest(image()))[0]!, /holds no token/);
    tokens.fail(200, 'x'.repeat(2 << 20));
    assert.match(reasons(await ask(registry).getManifest(image()))[0]!, /larger than/);
  });

  it('gives a password to no token server of another site, and says so', async () => {
    const thief = await startTokens({ address: '127.0.0.2', accounts: { joe: { password: 'secret' } } });
    const registry = await start({ kind: 'bearer', tokens: await startTokens(), realm: thief.realm });
    const answer = await ask(registry, as(joe)).getManifest(image());
    assert.equal(outline(answer), 'source unauthorized');
    assert.match(
      reasons(answer)[0]!,
      /credentials are not given to 127\.0\.0\.2:\d+: list it in upstream\.token_realms/,
    );
    assert.deepEqual(
      thief.requests.map(({ authorization, parameters }) => [authorization, parameters.get('account')]),
      [[undefined, null]],
    );
    const listed = ask(registry, { ...as(joe), upstream: { tokenRealms: ['127.0.0.2'] } });
    await listed.getManifest(image());
    assert.ok(thief.requests.some(({ account }) => account === 'joe'));
  });

  it('does not follow a token server’s redirect with a password', async () => {
    const tokens = await startTokens();
    tokens.fail(307);
    const registry = await start({ kind: 'bearer', tokens });
    assert.match(reasons(await ask(registry, as(joe)).getManifest(image()))[0]!, /HTTP 307/);
  });

  it('does not try a refused password again for half a minute, unless it changed', async () => {
    const clock = createManualClock();
    const tokens = await startTokens({ accounts: { joe: { password: 'new' } } });
    for (const auth of [
      { kind: 'bearer', tokens } as const,
      { kind: 'basic', username: 'joe', password: 'new' } as const,
    ]) {
      const registry = await start(auth);
      const count = () =>
        tokens.requests.filter(({ authorization }) => authorization !== undefined).length +
        registry.count({ when: ({ headers }) => /^Basic/.test(headers.authorization ?? '') });
      let found = joe;
      const upstream = ask(registry, { deps: { clock, authLookup: async () => found } });
      const before = count();
      for (let time = 0; time < 3; time += 1) {
        assert.equal(outline(await upstream.getManifest(image())), 'source unauthorized');
      }
      assert.equal(count(), before + 1);
      await clock.advance(30_000);
      await upstream.getManifest(image());
      assert.equal(count(), before + 2);
      found = { ...joe, password: 'new' };
      good(await upstream.getManifest(image()));
    }
  });

  it('prefers the files that entrepot.toml names, and reads them again when they change', async () => {
    const registry = await start({ kind: 'basic', username: 'robot', password: 'new' });
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, 'old\n');
    const hosts = [hostConfig(registry.host, { username: 'robot', passwordFile })];
    const upstream = ask(registry, { ...as(joe), upstream: { hosts } });
    assert.match(
      reasons(await upstream.getManifest(image()))[0]!,
      /refuses the credentials of .*password \(entry 127/,
    );
    await writeFile(passwordFile, 'new\n');
    good(await upstream.getManifest(image()));
    const missing = [hostConfig(registry.host, { username: 'robot', passwordFile: join(folder, 'none') })];
    const answer = await ask(registry, { upstream: { hosts: missing } }).getManifest(image());
    assert.match(reasons(answer)[0]!, /none: there is no such file/);
  });

  it('asks a token server again that did not answer the requests before', async () => {
    const clock = createManualClock();
    const tokens = await startTokens();
    const [registry, other] = [await start({ kind: 'bearer', tokens }), await start(undefined)];
    const upstream = upstreamOf([registry, other], { deps: { clock } });
    stops.push(upstream.close);
    const silence = gate();
    tokens.hold(silence);
    const first = upstream.getManifest(image());
    await silence.arrived;
    await clock.advance(1000);
    assert.equal(outline(await first), 'mirror overdue, source ok');
    const healed = gate();
    healed.release();
    tokens.hold(healed);
    assert.equal(outline(await upstream.getManifest(image())), 'mirror ok');
  });

  it('keeps 64 MiB of tokens, however large they are', async () => {
    const tokens = await startTokens({ tokenBytes: 780_000 });
    const upstream = ask(await start({ kind: 'bearer', tokens }));
    const of = (number: number) => ({ ...image(), repository: `team/app${number}` as never });
    for (let number = 0; number < 80; number += 1) await upstream.getManifest(of(number));
    assert.equal(tokens.requests.length, 80);
    await upstream.getManifest(of(79));
    assert.equal(tokens.requests.length, 80);
    await upstream.getManifest(of(0));
    assert.equal(tokens.requests.length, 81);
  });

  it('goes on with the tokens that it has when the token server says 429', async () => {
    const tokens = await startTokens();
    const registry = await start({ kind: 'bearer', tokens });
    const upstream = ask(registry);
    good(await upstream.getManifest(image()));
    tokens.fail(429);
    const other = { ...image(), repository: 'team/other' as never };
    assert.equal(outline(await upstream.getManifest(other)), 'source rateLimited');
    good(await upstream.getManifest(image()));
  });

  it('cools a host down for one account only', async () => {
    const registry = await start({ kind: 'basic', username: 'joe', password: 'secret' });
    registry.on({ kind: 'manifest', times: 1 }, status(429, { 'retry-after': '60' }));
    let found: FoundCredentials = joe;
    const upstream = ask(registry, { deps: { authLookup: async () => found } });
    assert.equal(outline(await upstream.getManifest(image())), 'source rateLimited');
    assert.equal(outline(await upstream.getManifest(image())), 'source rateLimited');
    assert.equal(registry.count({ kind: 'manifest' }), 2, 'one 401, one 429');
    found = { ...joe, username: 'ann' };
    const other = { ...image(), repository: 'team/other' as never };
    assert.equal(outline(await upstream.getManifest(other)), 'source unauthorized', 'ann is asked for');
  });

  it('cools down no account for the answer to an anonymous request that a redirect brought', async () => {
    let refusal = () => errorAnswer(401, 'UNAUTHORIZED', '', { 'www-authenticate': 'Basic realm="x"' });
    const registry = await start(({ headers }) => (headers.authorization ? undefined : refusal()));
    const hostile = await start(undefined);
    hostile.on(
      { kind: 'manifest' },
      redirect(({ path }) => `${registry.url}${path}`),
    );
    const upstream = upstreamOf([hostile, registry], { deps: { authLookup: async () => joe } });
    stops.push(upstream.close);
    const [first, second] = upstream.endpoints(image()).map(endpointKey);
    assert.ok(first && second);
    const ownOnly = { exclude: new Set([first]) };
    good(await upstream.getManifest(image(), ownOnly));
    refusal = () => errorAnswer(429, 'TOOMANYREQUESTS', '', { 'retry-after': '60' });
    const sent = await upstream.getManifest(image(), { exclude: new Set([second]) });
    assert.equal(outline(sent), 'mirror rateLimited, source invalid');
    good(await upstream.getManifest(image(), ownOnly));
  });
});
