/** What an S3 server can do wrong, and what becomes of it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { S3StoreConfig } from '../../../src/config/store-config.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { bytesSource, type ObjectStore, StoreError } from '../../../src/stores/object-store.ts';
import { createPartMemory } from '../../../src/stores/part-memory.ts';
import { usualPart } from '../../../src/stores/upload-parts.ts';
import { bytesOf, isFault } from '../../contract/object-store.ts';
import { createCertificateAuthority } from '../../support/certificates.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { eventually } from '../../support/eventually.ts';
import { type FakeS3, type S3RequestSeen, startFakeS3 } from '../../support/fake-s3.ts';
import { errorAnswer } from '../../support/fake-s3-bucket.ts';
import { fakeS3Access, type OpenStoreOptions, openTestStore, s3Config } from '../../support/stores.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const all = { start: 0 };
const small = randomBytes(1000);
const large = randomBytes(usualPart * 2 + 1);
const portal = {
  status: 200,
  headers: { 'content-type': 'text/html' },
  body: Buffer.from('<html><body>Please log in</body></html>'),
};

/** Waits between the tries of a part are over at once; all other times are as they are. */
const hastyClock: Clock = {
  ...systemClock,
  after: (ms, run) => systemClock.after([500, 1000, 2000].includes(ms) ? 0 : ms, run),
};

async function setUp(
  t: TestContext,
  settings: Partial<S3StoreConfig> = {},
  options: OpenStoreOptions = {},
): Promise<{ fake: FakeS3; store: ObjectStore }> {
  const fake = await startFakeS3();
  t.after(fake.close);
  const { env, place } = fakeS3Access(fake);
  const store = openTestStore(t, s3Config({ ...place, ...settings }), { env, ...options });
  return { fake, store };
}

/** The message, for its words; it must be a StoreError of this kind. */
async function messageOf(work: Promise<unknown>, kind: StoreError['kind']): Promise<string> {
  const error = await work.then(
    () => assert.fail('it succeeded'),
    (thrown: unknown) => thrown,
  );
  isFault(kind)(error);
  return (error as StoreError).message;
}

/** Only the first `count` requests that `matches`. */
function times(
  count: number,
  matches: (request: S3RequestSeen) => boolean,
  answer: ReturnType<FakeS3['mischief']>,
) {
  let left = count;
  return (request: S3RequestSeen) => (matches(request) && left-- > 0 ? answer : undefined);
}

describe('an S3 server', () => {
  it('that fails is unreachable; one that asks to slow down is throttled, with the time it says', async (t) => {
    const { fake, store } = await setUp(t);
    fake.mischief = () => errorAnswer(500, 'InternalError');
    await assert.rejects(store.head('a'), isFault('unreachable'));
    fake.mischief = () => ({ ...errorAnswer(503, 'SlowDown'), headers: { 'retry-after': '7' } });
    await assert.rejects(store.get('a', all), (error) => {
      assert.ok(error instanceof StoreError);
      assert.deepEqual([error.kind, error.retryAfter], ['throttled', 7000]);
      return true;
    });
  });

  it('that tells no time of an object has none that is old', async (t) => {
    const { fake, store } = await setUp(t);
    const list =
      '<ListBucketResult><Contents><Key>a</Key><Size>1</Size><LastModified>soon</LastModified></Contents></ListBucketResult>';
    fake.mischief = () => ({ status: 200, headers: {}, body: Buffer.from(list) });
    const { objects } = await store.list('');
    assert.deepEqual(
      objects.map(({ modified }) => modified),
      [Number.POSITIVE_INFINITY],
    );
  });

  it('that is gone is unreachable, and says why', async (t) => {
    const { fake, store } = await setUp(t);
    await fake.close();
    assert.match(await messageOf(store.head('a'), 'unreachable'), /^store "test": connection refused/);
  });

  it('behind a captive portal is told from one, whatever is asked', async (t) => {
    const { fake, store } = await setUp(t);
    fake.mischief = () => portal;
    const words = /is a proxy between\?/;
    assert.match(await messageOf(store.head('a'), 'invalid'), words);
    assert.match(await messageOf(store.get('a', all), 'invalid'), words);
    assert.match(await messageOf(store.put('a', bytesSource(small)), 'invalid'), words);
    assert.match(await messageOf(store.list(''), 'invalid'), words);
    assert.match(await messageOf(store.abortUploads(0), 'invalid'), words);
    fake.mischief = ({ method }) => (method === 'HEAD' ? undefined : portal);
    assert.match(await messageOf(store.put('a', bytesSource(large)), 'invalid'), words);
    fake.mischief = () => ({ ...portal, status: 404 });
    assert.match(await messageOf(store.get('a', all), 'invalid'), words);
  });

  it('whose last answer to an upload in parts is an error as 200 has stored nothing', async (t) => {
    const { fake, store } = await setUp(t);
    const isComplete = ({ method, query }: S3RequestSeen) => method === 'POST' && query.has('uploadId');
    for (const [code, kind] of [
      ['InternalError', 'unreachable'],
      ['InvalidPart', 'invalid'],
    ] as const) {
      fake.mischief = times(1, isComplete, { ...errorAnswer(200, code), status: 200 });
      await assert.rejects(store.put('a', bytesSource(large)), isFault(kind));
      assert.equal(fake.objects.size, 0);
      assert.equal(await store.abortUploads(Number.MAX_SAFE_INTEGER), 0, 'its parts were given up');
    }
  });

  it('that fails after it has stored an object has it', async (t) => {
    const { fake, store } = await setUp(t);
    fake.mischief = ({ method }) => {
      if (method !== 'PUT') return undefined;
      fake.objects.set('a', { bytes: small, modified: Date.now() });
      return errorAnswer(500, 'InternalError');
    };
    await assert.rejects(store.put('a', bytesSource(small)), isFault('unreachable'));
    fake.mischief = () => undefined;
    assert.equal(await store.put('a', bytesSource(small)), 'present');
  });

  it('that closes the connection on an upload is asked what became of it', async (t) => {
    const { fake, store } = await setUp(t);
    fake.mischief = ({ method }) => {
      if (method !== 'PUT') return undefined;
      fake.objects.set('a', { bytes: small, modified: Date.now() });
      return 'reset';
    };
    assert.equal(await store.put('a', bytesSource(small)), 'stored');
    fake.mischief = ({ method }) => (method === 'PUT' ? 'reset' : errorAnswer(403, 'InvalidAccessKeyId'));
    await assert.rejects(store.put('b', bytesSource(small)), isFault('refused'));
    fake.mischief = ({ method }) => (method === 'PUT' ? 'reset' : undefined);
    await assert.rejects(store.put('b', bytesSource(small)), isFault('unreachable'));
  });

  it('that loses some parts gets them again', async (t) => {
    const { fake, store } = await setUp(t, {}, { clock: hastyClock });
    const isPart = ({ query }: S3RequestSeen) => query.get('partNumber') === '2';
    fake.mischief = times(3, isPart, errorAnswer(503, 'ServiceUnavailable'));
    assert.equal(await store.put('a', bytesSource(large)), 'stored');
    assert.ok(fake.objects.get('a')?.bytes.equals(large));
    assert.equal(fake.seen.filter(isPart).length, 4);
  });

  it('that loses a part for ever ends the upload, and its parts are given up', async (t) => {
    const { fake, store } = await setUp(t, {}, { clock: hastyClock });
    fake.mischief = ({ query }) =>
      query.get('partNumber') === '3' ? errorAnswer(500, 'InternalError') : undefined;
    await assert.rejects(store.put('a', bytesSource(large)), isFault('unreachable'));
    assert.equal(await store.abortUploads(Number.MAX_SAFE_INTEGER), 0);
  });

  it('that makes a part wait for its next try keeps no memory from other uploads', async (t) => {
    const waiting: (() => void)[] = [];
    const clock: Clock = {
      ...systemClock,
      after(ms, run) {
        if (ms !== 500) return systemClock.after(ms, run);
        waiting.push(run);
        return { cancel() {} };
      },
    };
    const { fake, store } = await setUp(t, {}, { clock, memory: createPartMemory(1, { clock }) });
    const isPart = ({ query }: S3RequestSeen) => query.get('partNumber') === '1';
    fake.mischief = times(1, isPart, errorAnswer(503, 'ServiceUnavailable'));
    const stored = store.put('large', bytesSource(large));
    await eventually('a part waits for its next try', () => waiting.length > 0);
    void store.put('small', bytesSource(small));
    await eventually('the other object is there', () => fake.objects.has('small'));
    for (const run of waiting) run();
    assert.equal(await stored, 'stored');
    assert.ok(fake.objects.get('large')?.bytes.equals(large));
  });

  it('gets the hash of what is meant, so that other bytes are refused', async (t) => {
    const { fake, store } = await setUp(t);
    const source = { ...bytesSource(small), sha256: '0'.repeat(64) };
    await assert.rejects(store.put('a', source), isFault('invalid'));
    assert.equal(fake.objects.size, 0);
  });

  it('sends the length and the signed hash of each body, and no checksum of other kinds', async (t) => {
    const { fake, store } = await setUp(t);
    await store.put('a', bytesSource(large));
    const bodies = fake.seen.filter(({ method }) => method === 'PUT');
    assert.equal(bodies.length, 3);
    for (const { headers, body } of bodies) {
      assert.equal(headers['content-length'], String(body.length));
      assert.match(String(headers['x-amz-content-sha256']), /^[a-f0-9]{64}$/);
      assert.equal(headers['transfer-encoding'], undefined);
      assert.ok(!Object.keys(headers).some((name) => /checksum|trailer|content-md5|expect/.test(name)));
    }
  });

  it('that dies in the middle of a body makes the body fail', async (t) => {
    const { fake, store } = await setUp(t);
    await store.put('a', bytesSource(large));
    fake.mischief = () => ({ cut: 100_000 });
    await assert.rejects(bytesOf((await store.get('a', all))!), /connection closed/);
  });

  it('that stalls in the middle of a body makes the body fail', async (t) => {
    const { fake, store } = await setUp(t, { stallTimeout: 200 });
    fake.objects.set('a', { bytes: large, modified: Date.now() });
    fake.mischief = () => ({ stallAfter: 100_000 });
    await assert.rejects(bytesOf((await store.get('a', all))!), /no byte for 0\.2 s/);
  });

  it('that says nothing is given up', async (t) => {
    const { fake, store } = await setUp(t, { headerTimeout: 200, stallTimeout: 200 });
    fake.mischief = () => 'hang';
    assert.match(await messageOf(store.head('a'), 'unreachable'), /no answer within 0\.2 s/);
    await assert.rejects(store.put('a', bytesSource(small)), isFault('unreachable'));
  });

  it('that ignores a range, or answers another one, is not believed', async (t) => {
    const { fake, store } = await setUp(t);
    await store.put('a', bytesSource(small));
    const about = { etag: '"x"' };
    fake.mischief = () => ({ status: 200, headers: about, body: small });
    await assert.rejects(store.get('a', { start: 5 }), isFault('invalid'));
    fake.mischief = () => ({
      status: 206,
      headers: { ...about, 'content-range': 'bytes 4-9/1000' },
      body: small.subarray(4, 10),
    });
    await assert.rejects(store.get('a', { start: 5, end: 10 }), isFault('invalid'));
  });

  it('from which an object is removed while the same one is uploaded gets it', async (t) => {
    const { fake, store } = await setUp(t);
    await store.put('a', bytesSource(small));
    const before = fake.seen.length;
    fake.mischief = ({ method }) => {
      // After the refusal of the upload, and before the look.
      if (method === 'HEAD') fake.objects.clear();
      return undefined;
    };
    assert.equal(await store.put('a', bytesSource(small)), 'stored');
    assert.ok(fake.objects.get('a')?.bytes.equals(small));
    assert.deepEqual(
      fake.seen.slice(before).map(({ method }) => method),
      ['PUT', 'HEAD', 'PUT'],
    );
  });

  it('without conditions is asked by HEAD before each upload', async (t) => {
    const { fake, store } = await setUp(t);
    fake.knowsConditions = false;
    assert.equal(await store.put('a', bytesSource(small)), 'stored');
    assert.equal(await store.put('a', bytesSource(small)), 'present');
    const before = fake.seen.length;
    assert.equal(await store.put('b', bytesSource(small)), 'stored');
    assert.deepEqual(
      fake.seen.slice(before).map(({ method }) => method),
      ['HEAD', 'PUT'],
    );
  });
});

describe('credentials and rights', () => {
  it('a bucket in another region is named with its region', async (t) => {
    const { store } = await setUp(t, { region: 'eu-test-9' });
    assert.match(
      await messageOf(store.get('a', all), 'refused'),
      /in the region "eu-test-1": write region = "eu-test-1"/,
    );
    const { fake, store: other } = await setUp(t);
    fake.mischief = () => ({
      status: 301,
      headers: { 'x-amz-bucket-region': 'eu-test-5' },
      body: errorAnswer(301, 'PermanentRedirect').body,
    });
    assert.match(await messageOf(other.head('a'), 'refused'), /in the region "eu-test-5"/);
  });

  it('a bucket that does not exist is no absent object', async (t) => {
    const { store } = await setUp(t, { bucket: 'other' });
    assert.match(
      await messageOf(store.get('a', all), 'refused'),
      /no such bucket: create it, or correct bucket/,
    );
    assert.match(await messageOf(store.put('a', bytesSource(small)), 'refused'), /no such bucket/);
  });

  it('a wrong clock is told, with the difference', async (t) => {
    const { fake, store } = await setUp(t);
    fake.skew = 20 * 60_000;
    assert.match(
      await messageOf(store.get('a', all), 'refused'),
      /this machine is 20 minutes behind that of the store/,
    );
    fake.skew = -60 * 60_000;
    assert.match(await messageOf(store.list(''), 'refused'), /this machine is 60 minutes ahead of/);
  });

  it('without the right to list, an absent object is absent all the same', async (t) => {
    const { fake, store } = await setUp(t);
    fake.mayList = false;
    assert.equal(await store.head('a'), undefined);
    assert.equal(await store.get('a', all), undefined);
    const asked = fake.seen.filter(({ path, method }) => method === 'HEAD' && path === '/images').length;
    assert.equal(asked, 1, 'the right is asked for once');
  });

  it('without the right to read, what is there is not put again and again', async (t) => {
    const { fake, store } = await setUp(t);
    await store.put('a', bytesSource(small));
    fake.mayList = false;
    fake.mischief = ({ method, path }) => {
      if (path === '/images' || method === 'PUT') return undefined;
      const refused = errorAnswer(403, 'AccessDenied');
      return method === 'HEAD' ? { ...refused, body: Buffer.alloc(0) } : refused;
    };
    const before = fake.seen.length;
    assert.equal(await store.put('a', bytesSource(small)), 'present');
    const puts = fake.seen.slice(before).filter(({ method }) => method === 'PUT').length;
    assert.equal(puts, 2, 'once more, since it may have been removed meanwhile');
  });

  it('with the right to list, a refusal is a refusal', async (t) => {
    const { fake, store } = await setUp(t);
    fake.mischief = ({ method, path }) => {
      if (path === '/images') return undefined;
      const refused = errorAnswer(403, 'AccessDenied');
      return method === 'HEAD' ? { ...refused, body: Buffer.alloc(0) } : refused;
    };
    assert.match(await messageOf(store.head('a'), 'refused'), /HTTP 403, AccessDenied/);
    assert.match(await messageOf(store.get('a', all), 'refused'), /AccessDenied/);
    await assert.rejects(store.put('a', bytesSource(small)), isFault('refused'));
  });

  it('a wrong secret is a refusal that shows no secret', async (t) => {
    const env = { AWS_ACCESS_KEY_ID: 'AKTEST', AWS_SECRET_ACCESS_KEY: 'a-secret-that-is-wrong' };
    const { store } = await setUp(t, {}, { env });
    const calls = [
      () => store.head('a'),
      () => store.get('a', all),
      () => store.put('a', bytesSource(small)),
    ];
    for (const call of calls) {
      const message = await messageOf(call(), 'refused');
      assert.match(message, /SignatureDoesNotMatch/);
      assert.ok(!message.includes('a-secret'));
    }
  });

  it('a key that is rotated in its files is read again', async (t) => {
    const folder = tempFolder(t);
    const keyFiles = {
      accessKeyFile: join(folder, 'id'),
      secretKeyFile: join(folder, 'key'),
      sessionTokenFile: undefined,
    };
    const write = (accessKey: string, secretKey: string) => {
      writeFileSync(keyFiles.accessKeyFile, `${accessKey}\n`);
      writeFileSync(keyFiles.secretKeyFile, `${secretKey}\n`);
      return { accessKey, secretKey };
    };
    const { fake, store } = await setUp(t, { keyFiles }, { env: {} });
    fake.keys.splice(0, 1, write('AKOLD', 'old-secret'));
    assert.equal(await store.put('a', bytesSource(small)), 'stored');
    fake.keys.splice(0, 1, write('AKNEWER', 'another-secret'));
    assert.equal(await store.put('a', bytesSource(small)), 'present');
  });

  it('a key that is rotated while several requests are under way is read again for each of them', async (t) => {
    const folder = tempFolder(t);
    const [accessKeyFile, secretKeyFile] = [join(folder, 'id'), join(folder, 'key')];
    const write = (accessKey: string, secretKey: string) => {
      writeFileSync(accessKeyFile, accessKey);
      writeFileSync(secretKeyFile, secretKey);
      return { accessKey, secretKey };
    };
    const keyFiles = { accessKeyFile, secretKeyFile, sessionTokenFile: undefined };
    const { fake, store } = await setUp(t, { keyFiles }, { env: {} });
    fake.keys.splice(0, 1, write('AKOLD', 'old-secret'));
    const names = ['a', 'b', 'c'];
    const stored = Promise.all(names.map((name) => store.put(name, bytesSource(small))));
    const withOld: unknown[] = [];
    fake.mischief = ({ headers }) => {
      if (!headers.authorization?.includes('AKOLD')) return undefined;
      withOld.push(headers);
      if (withOld.length === 1) fake.keys.splice(0, 1, write('AKNEWER', 'another-secret'));
      return undefined;
    };
    assert.deepEqual(
      await stored,
      names.map(() => 'stored'),
    );
    assert.equal(withOld.length, names.length);
  });

  it('a file of a key that is not there is named', async (t) => {
    const keyFiles = {
      accessKeyFile: '/nowhere/id',
      secretKeyFile: '/nowhere/key',
      sessionTokenFile: undefined,
    };
    const { store } = await setUp(t, { keyFiles }, { env: {} });
    assert.match(await messageOf(store.head('a'), 'refused'), /\/nowhere\/id: there is no such file/);
  });

  it('no credentials at all are told with a way out', async (t) => {
    const { store } = await setUp(t, {}, { env: { AWS_EC2_METADATA_DISABLED: 'true' } });
    assert.match(await messageOf(store.head('a'), 'refused'), /no credentials: set access_key_file/);
  });
});

describe('the way to an S3 server', () => {
  async function setUpTls(t: TestContext) {
    const authority = createCertificateAuthority();
    const fake = await startFakeS3({ tls: authority.issue() });
    t.after(fake.close);
    const caFile = join(tempFolder(t), 'ca.pem');
    writeFileSync(caFile, authority.cert);
    return { ...fakeS3Access(fake), caFile };
  }

  it('over TLS needs its CA, which ca_file names', async (t) => {
    const { env, place, caFile } = await setUpTls(t);
    const unknown = openTestStore(t, s3Config(place), { env });
    const message = await messageOf(unknown.head('a'), 'unreachable');
    assert.match(message, /put its CA into a file, and name it in ca_file of \[\[store\]\] "test"/);
    const store = openTestStore(t, s3Config({ ...place, caFile }), { env });
    assert.equal(await store.put('a', bytesSource(small)), 'stored');
  });

  it('may lead through a proxy', async (t) => {
    const proxy = await startConnectProxy(t);
    const { env, place, caFile } = await setUpTls(t);
    const store = openTestStore(t, s3Config({ ...place, caFile, proxy: proxy.url }), { env });
    assert.equal(await store.put('a', bytesSource(large)), 'stored');
    assert.equal(await store.head('a').then((info) => info?.size), large.length);
    assert.ok(proxy.seen.length > 0);
  });
});
