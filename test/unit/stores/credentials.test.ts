/** Temporary credentials, from scripted servers: STS, the endpoint of a container, the metadata service of an instance, Microsoft Entra. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it, type TestContext } from 'node:test';
import type { Environment } from '../../../src/config/proxy-env.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { bytesSource, StoreError } from '../../../src/stores/object-store.ts';
import { createTemporary, type Temporary } from '../../../src/stores/temporary.ts';
import { isFault } from '../../contract/object-store.ts';
import { createManualClock } from '../../support/clock.ts';
import { startFakeS3 } from '../../support/fake-s3.ts';
import { errorAnswer } from '../../support/fake-s3-bucket.ts';
import { listen } from '../../support/listener.ts';
import { azureConfig, openTestStore, s3Config } from '../../support/stores.ts';
import { tempFolder } from '../../support/temp-folder.ts';

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A server that answers what the test says. */
async function startServer(t: TestContext, answer: (asked: Asked) => string | number) {
  const asked: Asked[] = [];
  const listener = await listen({}, async (request, response) => {
    const { method = '', url = '', headers } = request;
    const one = { method, url, headers, body: await text(request) };
    asked.push(one);
    const given = answer(one);
    if (typeof given === 'number') response.writeHead(given).end();
    else response.writeHead(200).end(given);
  });
  t.after(listener.close);
  return { url: listener.url, asked, close: listener.close };
}

const session = { accessKey: 'ASIATEST', secretKey: 'session-secret', sessionToken: 'session-token' };
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString();

/** A bucket that accepts the keys of the session alone. */
async function bucketOf(t: TestContext, env: Environment, clock: Clock = systemClock) {
  const fake = await startFakeS3();
  t.after(fake.close);
  fake.keys.splice(0, 1, session);
  const { endpoint, bucket, region } = fake;
  return { fake, store: openTestStore(t, s3Config({ endpoint, bucket, region }), { env, clock }) };
}

const json = (more: Record<string, unknown> = {}) =>
  JSON.stringify({
    Code: 'Success',
    AccessKeyId: session.accessKey,
    SecretAccessKey: session.secretKey,
    Token: session.sessionToken,
    Expiration: inAnHour(),
    ...more,
  });

const sts = () =>
  `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>${session.accessKey}</AccessKeyId><SecretAccessKey>${session.secretKey}</SecretAccessKey><SessionToken>${session.sessionToken}</SessionToken><Expiration>${inAnHour()}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;

describe('the credentials of a bucket', () => {
  it('come from STS for the token of a service account, which is read each time', async (t) => {
    const server = await startServer(t, sts);
    const tokenFile = join(tempFolder(t), 'token');
    writeFileSync(tokenFile, 'token-1');
    const env = {
      AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
      AWS_ROLE_ARN: 'arn:aws:iam::123:role/images',
      AWS_ENDPOINT_URL_STS: server.url,
    };
    const { fake, store } = await bucketOf(t, env);
    assert.equal(await store.put('a', bytesSource(Buffer.from('x'))), 'stored');
    assert.equal(await store.head('a').then((info) => info?.size), 1);
    assert.equal(server.asked.length, 1, 'once for both');
    const [first] = server.asked;
    const form = new URLSearchParams(first?.body);
    assert.equal(first?.method, 'POST');
    assert.equal(form.get('Action'), 'AssumeRoleWithWebIdentity');
    assert.equal(form.get('RoleArn'), 'arn:aws:iam::123:role/images');
    assert.equal(form.get('WebIdentityToken'), 'token-1');
    assert.equal(fake.seen.at(-1)?.headers['x-amz-security-token'], session.sessionToken);
  });

  it('are refused by STS with its code, and without the token', async (t) => {
    const server = await listen({}, (_, response) =>
      response
        .writeHead(400)
        .end('<ErrorResponse><Error><Code>ExpiredTokenException</Code></Error></ErrorResponse>'),
    );
    t.after(server.close);
    const tokenFile = join(tempFolder(t), 'token');
    writeFileSync(tokenFile, 'a-secret-token');
    const env = {
      AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
      AWS_ROLE_ARN: 'arn:aws:iam::123:role/images',
      AWS_ENDPOINT_URL_STS: server.url,
    };
    const { store } = await bucketOf(t, env);
    await assert.rejects(store.head('a'), (error) => {
      isFault('refused')(error);
      assert.match(
        String(error),
        /gives no credentials for arn:aws:iam::123:role\/images \(ExpiredTokenException\)/,
      );
      assert.ok(!String(error).includes('a-secret'));
      return true;
    });
  });

  it('come from the endpoint of a container, which wants a token', async (t) => {
    const server = await startServer(t, ({ headers }) =>
      headers.authorization === 'pod-token' ? json() : 401,
    );
    const tokenFile = join(tempFolder(t), 'token');
    writeFileSync(tokenFile, 'pod-token\n');
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/v1/credentials` };
    const { store } = await bucketOf(t, { ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile });
    assert.equal(await store.head('a'), undefined);
    assert.equal(server.asked[0]?.url, '/v1/credentials');
    const { store: other } = await bucketOf(t, { ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'wrong' });
    await assert.rejects(other.head('a'), isFault('refused'));
  });

  it('are not taken with an end that cannot be read: they would be used for ever', async (t) => {
    const server = await startServer(t, () => json({ Expiration: 'tomorrow' }));
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/v1/credentials` };
    const { store } = await bucketOf(t, env);
    await assert.rejects(store.head('a'), isFault('invalid'));
  });

  it('come from the role of an instance, with a session of its metadata service', async (t) => {
    const server = await startServer(t, ({ method, url, headers }) => {
      if (method === 'PUT' && url === '/latest/api/token') return 'imds-session';
      if (headers['x-aws-ec2-metadata-token'] !== 'imds-session') return 401;
      if (url === '/latest/meta-data/iam/security-credentials/') return 'images-role\n';
      return url.endsWith('/images-role') ? json() : 404;
    });
    const { store } = await bucketOf(t, { AWS_EC2_METADATA_SERVICE_ENDPOINT: server.url });
    assert.equal(await store.head('a'), undefined);
    assert.deepEqual(
      server.asked.map(({ method }) => method),
      ['PUT', 'GET', 'GET'],
    );
    assert.equal(server.asked[0]?.headers['x-aws-ec2-metadata-token-ttl-seconds'], '60');
  });

  it('are not there if the instance has no role, or its service answers nonsense', async (t) => {
    const noRole = await startServer(t, ({ method, url }) =>
      method === 'PUT' ? 's' : url.endsWith('/') ? 404 : 500,
    );
    const { store } = await bucketOf(t, { AWS_EC2_METADATA_SERVICE_ENDPOINT: noRole.url });
    await assert.rejects(store.head('a'), isFault('refused'));
    const odd = await startServer(t, ({ method }) => (method === 'PUT' ? 's' : '<html>'));
    const { store: other } = await bucketOf(t, { AWS_EC2_METADATA_SERVICE_ENDPOINT: odd.url });
    await assert.rejects(other.head('a'), isFault('refused'));
    const broken = await startServer(t, ({ method, url }) =>
      method === 'PUT' ? 's' : url.endsWith('/') ? 'r' : '{"a":1}',
    );
    const { store: third } = await bucketOf(t, { AWS_EC2_METADATA_SERVICE_ENDPOINT: broken.url });
    await assert.rejects(third.head('a'), isFault('invalid'));
  });

  it('whose server is gone are told as such: it is not the store that does not answer', async (t) => {
    const gone = await startServer(t, () => 500);
    const { store } = await bucketOf(t, { AWS_EC2_METADATA_SERVICE_ENDPOINT: gone.url });
    await assert.rejects(store.head('a'), /127\.0\.0\.1:\d+ gives no credentials \(HTTP 500\)/);
    await gone.close();
    await assert.rejects(store.head('a'), /no credentials from 127\.0\.0\.1:\d+: connection refused/);
  });

  it('that the store no longer accepts are fetched anew, and the request is sent again', async (t) => {
    let turn = 0;
    const server = await startServer(t, () => {
      turn += 1;
      return turn === 1 ? json({ AccessKeyId: 'ASIAOLD' }) : json();
    });
    const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/c` };
    let later = 0;
    const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + later };
    const { store } = await bucketOf(t, env, clock);
    await assert.rejects(store.head('a'), isFault('refused'));
    assert.equal(turn, 1, 'not at once: a store that refuses everything would be a loop');
    later = 31_000;
    assert.equal(await store.head('a'), undefined);
    assert.equal(turn, 2);
  });
});

describe('credentials that have ended', () => {
  for (const [status, code] of [
    [403, 'InvalidAccessKeyId'],
    [400, 'ExpiredToken'],
  ] as const)
    it(`are fetched anew by a look at an object, whose refusal has no body: ${status}`, async (t) => {
      let turn = 0;
      const server = await startServer(t, () => {
        turn += 1;
        return turn === 1 ? json({ AccessKeyId: 'ASIAOLD' }) : json();
      });
      let later = 0;
      const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + later };
      const { fake, store } = await bucketOf(
        t,
        { AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/c` },
        clock,
      );
      fake.objects.set('a', { bytes: Buffer.from('abc'), modified: Date.now() });
      fake.mischief = ({ headers }) =>
        headers.authorization?.includes('ASIAOLD') ? errorAnswer(status, code) : undefined;
      await assert.rejects(store.head('a'), isFault('refused'));
      later = 31_000;
      assert.equal((await store.head('a'))?.size, 3);
    });
});

describe('temporary credentials', () => {
  const clock = createManualClock();
  const minute = 60_000;

  function create() {
    const calls: PromiseWithResolvers<Temporary<string>>[] = [];
    const credentials = createTemporary<string>(
      () => {
        const call = Promise.withResolvers<Temporary<string>>();
        calls.push(call);
        return call.promise;
      },
      { clock },
    );
    const answer = (value: string, lives: number) =>
      calls.at(-1)?.resolve({ value, expires: clock.now() + lives });
    return { credentials, calls, answer };
  }

  it('are shared by callers at once, and renewed five minutes before their end', async () => {
    const { credentials, calls, answer } = create();
    const both = Promise.all([credentials.get(), credentials.get()]);
    answer('first', 60 * minute);
    assert.deepEqual(await both, ['first', 'first']);
    await clock.advance(54 * minute);
    assert.equal(await credentials.get(), 'first');
    assert.equal(calls.length, 1);
    await clock.advance(2 * minute);
    const asked = credentials.get();
    answer('second', 60 * minute);
    assert.equal(await asked, 'first', 'they are valid, so no request waits for others');
    await clock.advance(0);
    assert.equal(await credentials.get(), 'second');
    assert.equal(calls.length, 2);
  });

  it('are waited for as long as the caller has time, and fetched on for others', async () => {
    const { credentials, calls, answer } = create();
    const caller = new AbortController();
    const left = credentials.get(caller.signal);
    const other = credentials.get();
    caller.abort(new Error('too late'));
    answer('first', 60 * minute);
    await assert.rejects(left, /too late/);
    assert.equal(await other, 'first');
    assert.equal(calls.length, 1);
  });

  it('are used to their end if they cannot be renewed, which is tried each half minute', async () => {
    const { credentials, calls, answer } = create();
    const first = credentials.get();
    answer('first', 10 * minute);
    await first;
    await clock.advance(6 * minute);
    const renewed = credentials.get();
    calls.at(-1)?.reject(new StoreError('unreachable', 'no answer'));
    assert.equal(await renewed, 'first');
    assert.equal(await credentials.get(), 'first');
    assert.equal(calls.length, 2);
    await clock.advance(5 * minute);
    const late = credentials.get();
    calls.at(-1)?.reject(new StoreError('unreachable', 'no answer'));
    await assert.rejects(late, isFault('unreachable'));
  });

  it('are others for each of the requests that were refused with the same old ones', async () => {
    const { credentials, calls, answer } = create();
    const first = credentials.get();
    answer('old', 60 * minute);
    await first;
    assert.equal(credentials.doubt('old'), false, 'they have just come');
    await clock.advance(minute);
    assert.equal(credentials.doubt('old'), true);
    const renewed = credentials.get();
    assert.equal(credentials.doubt('old'), true, 'others are on their way');
    answer('new', 60 * minute);
    assert.equal(await renewed, 'new');
    assert.equal(credentials.doubt('old'), true, 'others are here');
    assert.equal(await credentials.get(), 'new');
    assert.equal(credentials.doubt('new'), false);
    assert.equal(calls.length, 2);
  });

  it('that are refused in their last minutes make way for those that are being fetched', async () => {
    const { credentials, answer } = create();
    const first = credentials.get();
    answer('old', 4 * minute);
    await first;
    await clock.advance(minute);
    assert.equal(await credentials.get(), 'old');
    assert.equal(credentials.doubt('old'), true);
    const renewed = credentials.get();
    answer('new', 60 * minute);
    assert.equal(await renewed, 'new');
  });
});

describe('the credentials of a container of Azure', () => {
  it('come from Microsoft Entra for the token of a service account', async (t) => {
    const authority = await startServer(t, () =>
      JSON.stringify({ access_token: 'entra-token', expires_in: 3600 }),
    );
    const blobs = await listen({}, (request, response) => {
      const isRight = request.headers.authorization === 'Bearer entra-token';
      const code = isRight ? 'BlobNotFound' : 'AuthenticationFailed';
      response.writeHead(isRight ? 404 : 403, { 'x-ms-error-code': code }).end();
    });
    t.after(blobs.close);
    const tokenFile = join(tempFolder(t), 'token');
    writeFileSync(tokenFile, 'service-account-token');
    const env = {
      AZURE_TENANT_ID: 'tenant',
      AZURE_CLIENT_ID: 'client',
      AZURE_FEDERATED_TOKEN_FILE: tokenFile,
      AZURE_AUTHORITY_HOST: `${authority.url}/`,
    };
    const config = azureConfig({ account: 'corp', container: 'images', endpoint: blobs.url });
    const store = openTestStore(t, config, { env });
    assert.equal(await store.head('a'), undefined);
    const [asked] = authority.asked;
    assert.equal(asked?.url, '/tenant/oauth2/v2.0/token');
    assert.equal(new URLSearchParams(asked?.body).get('client_assertion'), 'service-account-token');
    await assert.rejects(store.presign('a', 60), isFault('refused'));
  });

  it('come from the identity of the machine, by its metadata service', async (t) => {
    const machine = await startServer(t, ({ url, headers }) => {
      if (headers.metadata !== 'true') return 400;
      const query = new URL(url, 'http://any').searchParams;
      if (query.get('client_id') === 'unknown') return 400;
      return JSON.stringify({ access_token: `token of ${query.get('client_id')}`, expires_in: '3599' });
    });
    const blobs = await listen({}, (request, response) => {
      const isRight = request.headers.authorization === 'Bearer token of client';
      const code = isRight ? 'BlobNotFound' : 'AuthenticationFailed';
      response.writeHead(isRight ? 404 : 403, { 'x-ms-error-code': code }).end();
    });
    t.after(blobs.close);
    const config = azureConfig({ account: 'corp', container: 'images', endpoint: blobs.url });
    const open = (client: string) =>
      openTestStore(t, config, {
        env: { AZURE_POD_IDENTITY_AUTHORITY_HOST: machine.url, AZURE_CLIENT_ID: client },
      });
    assert.equal(await open('client').head('a'), undefined);
    const asked = new URL(machine.asked[0]?.url ?? '', machine.url);
    assert.equal(asked.pathname, '/metadata/identity/oauth2/token');
    assert.equal(asked.searchParams.get('resource'), 'https://storage.azure.com/');
    await assert.rejects(open('unknown').head('a'), /gives no token for the identity unknown \(HTTP 400\)/);
  });
});

describe('a profile of a file', () => {
  const text = `# of a person
[default]
aws_access_key_id = AKDEFAULT
aws_secret_access_key=none

[ "images" ]
aws_access_key_id = ${session.accessKey}   ; of the session
aws_secret_access_key = ${session.secretKey}
aws_session_token = ${session.sessionToken}

[person]
sso_session = corp
s3 =
  aws_access_key_id = nested
`;

  async function withProfile(t: TestContext, profile: string, content: string) {
    const file = join(tempFolder(t), 'credentials');
    writeFileSync(file, content);
    return { file, ...(await bucketOf(t, { AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: profile })) };
  }

  it('gives its keys', async (t) => {
    const { store } = await withProfile(t, 'images', text);
    assert.equal(await store.head('a'), undefined);
  });

  it('is read again when its keys were rotated', async (t) => {
    const { store, file } = await withProfile(t, 'images', text.replace(session.secretKey, 'old'));
    await assert.rejects(store.head('a'), isFault('refused'));
    writeFileSync(file, text);
    assert.equal(await store.head('a'), undefined);
  });

  for (const [profile, why] of [
    ['absent', /the profile "absent" is not there/],
    ['person', /gets its keys by sso_session, which is not supported/],
  ] as const) {
    it(`is refused with its reason: ${profile}`, async (t) => {
      const { store } = await withProfile(t, profile, text);
      await assert.rejects(store.head('a'), why);
    });
  }
});
