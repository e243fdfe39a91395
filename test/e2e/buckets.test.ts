/** The contract of ObjectStore with real servers: versitygw checks signatures, hashes and parts; Azurite signatures and blocks. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { authorized } from '../../src/stores/azure/azure-auth.ts';
import { bytesSource, type ObjectStore } from '../../src/stores/object-store.ts';
import { createAddressing } from '../../src/stores/s3/addressing.ts';
import { emptyHash, signedHeaders } from '../../src/stores/s3/signature.ts';
import { usualPart } from '../../src/stores/upload-parts.ts';
import { isFault, objectStoreContract } from '../contract/object-store.ts';
import { azureConfig, openTestStore, s3Config } from '../support/stores.ts';
import { type Cleanup, tempFolder } from '../support/temp-folder.ts';
import { azuriteObstacle, type BucketServer, startAzurite, startVersity } from './support/bucket-servers.ts';
import { missing } from './support/programs.ts';

const region = 'us-east-1';

async function fetchUrl(url: string): Promise<Buffer | undefined> {
  const answer = await fetch(url);
  return answer.ok ? Buffer.from(await answer.arrayBuffer()) : undefined;
}

/** A request to a server of S3, as its administrator. */
async function ask(
  server: BucketServer,
  bucket: string,
  method: string,
  key?: string,
  query?: [string, string][],
) {
  const place = { bucket, region, endpoint: server.endpoint, prefix: '', pathStyle: true };
  const url = createAddressing(place).url(key, query);
  const signing = { key: server, region, now: Date.now() };
  const { host: _host, ...headers } = signedHeaders({ method, url, payloadHash: emptyHash }, signing);
  const answer = await fetch(url, { method, headers });
  assert.ok(answer.ok, `${method} ${url.pathname}: ${answer.status} ${await answer.clone().text()}`);
}

/** Runs `suite` once, with one server for all tests; skipped, or in CI failed, without it. */
function withServer(name: string, obstacle: string | undefined, suite: () => void): void {
  if (obstacle === undefined) {
    suite();
    return;
  }
  it(name, (t) => {
    assert.notEqual(process.env.E2E_REQUIRE_CLIENTS, '1', obstacle);
    t.skip(obstacle);
  });
}

/** One server for all tests. */
function s3Suite(name: string, start: (test: Cleanup) => Promise<BucketServer>): void {
  describe(name, () => {
    let server: BucketServer;
    const ends: (() => unknown)[] = [];
    before(async () => {
      server = await start({ after: (end) => void ends.push(end) });
    });
    after(async () => {
      for (const end of ends) await end();
    });
    let buckets = 0;

    async function open(t: TestContext): Promise<{ store: ObjectStore; bucket: string }> {
      buckets += 1;
      const bucket = `images-${buckets}-${randomBytes(4).toString('hex')}`;
      await ask(server, bucket, 'PUT');
      const { endpoint, accessKey, secretKey } = server;
      const env = { AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey };
      const config = s3Config({ endpoint, region, bucket, prefix: 'pre/fix/' });
      return { bucket, store: openTestStore(t, config, { env }) };
    }

    objectStoreContract(
      'S3',
      async (t) => {
        const { store, bucket } = await open(t);
        return {
          store,
          fetchUrl,
          abandonUpload: (key) => ask(server, bucket, 'POST', `pre/fix/${key}`, [['uploads', '']]),
        };
      },
      { partSize: usualPart },
    );

    it('refuses bytes that are not those of the signed hash', async (t) => {
      const { store } = await open(t);
      const source = { ...bytesSource(randomBytes(1000)), sha256: emptyHash };
      await assert.rejects(store.put('a', source), isFault('invalid'));
      assert.equal(await store.head('a'), undefined);
    });

    it('shows nothing of an upload that is broken off', async (t) => {
      const { store } = await open(t);
      const source = bytesSource(randomBytes(usualPart * 3));
      const caller = new AbortController();
      const broken = {
        ...source,
        stream(start: number, end: number) {
          if (start >= usualPart * 2) caller.abort(new Error('broken off'));
          return source.stream(start, end);
        },
      };
      await assert.rejects(store.put('a', broken, caller.signal), /broken off/);
      assert.equal(await store.head('a'), undefined);
      assert.equal(await store.abortUploads(Number.MAX_SAFE_INTEGER), 0);
    });

    it('refuses a wrong secret', async (t) => {
      const { bucket } = await open(t);
      const env = { AWS_ACCESS_KEY_ID: server.accessKey, AWS_SECRET_ACCESS_KEY: 'wrong' };
      const store = openTestStore(t, s3Config({ endpoint: server.endpoint, region, bucket }), { env });
      await assert.rejects(store.get('a', { start: 0 }), isFault('refused'));
    });
  });
}

withServer('versitygw', missing(['versitygw']).length > 0 ? 'not installed: versitygw' : undefined, () =>
  s3Suite('versitygw', startVersity),
);

// Another server, such as Ceph RGW: its administrator may make buckets.
const { BUCKET_ENDPOINT: endpoint, BUCKET_ACCESS_KEY: accessKey, BUCKET_SECRET_KEY: secretKey } = process.env;
if (endpoint && accessKey && secretKey) {
  s3Suite(endpoint, async () => ({ endpoint, accessKey, secretKey }));
}

withServer('Azurite', azuriteObstacle, () => {
  describe('Azurite', () => {
    let server: BucketServer;
    const ends: (() => unknown)[] = [];
    before(async () => {
      server = await startAzurite({ after: (end) => void ends.push(end) });
    });
    after(async () => {
      for (const end of ends) await end();
    });
    let containers = 0;

    /** A container of its own, through its account key. */
    async function makeContainer(): Promise<{ account: string; container: string; endpoint: string }> {
      containers += 1;
      const account = server.accessKey;
      const place = { account, container: `images-${containers}`, endpoint: `${server.endpoint}/${account}` };
      const url = new URL(`${place.endpoint}/${place.container}?restype=container`);
      const secret = { kind: 'key', key: server.secretKey } as const;
      const signed = authorized(url, { method: 'PUT', headers: {} }, { account, secret, time: Date.now() });
      const answer = await fetch(url, { method: 'PUT', headers: signed.request.headers });
      assert.equal(answer.status, 201, await answer.text());
      return place;
    }

    objectStoreContract(
      'Azure',
      async (t) => {
        const place = await makeContainer();
        const accountKeyFile = join(tempFolder(t), 'key');
        writeFileSync(accountKeyFile, `${server.secretKey}\n`);
        const config = azureConfig({ ...place, accountKeyFile, prefix: 'pre/fix/' });
        return { store: openTestStore(t, config), fetchUrl };
      },
      { partSize: usualPart },
    );

    it('refuses a wrong key', async (t) => {
      const config = azureConfig(await makeContainer());
      const store = openTestStore(t, config, {
        env: { AZURE_STORAGE_KEY: Buffer.from('wrong').toString('base64') },
      });
      await assert.rejects(store.head('a'), isFault('refused'));
    });

    it('tells an absent container from an absent object', async (t) => {
      const config = { ...azureConfig(await makeContainer()), container: 'nowhere' };
      const store = openTestStore(t, config, { env: { AZURE_STORAGE_KEY: server.secretKey } });
      await assert.rejects(store.head('a'), isFault('refused'));
      await assert.rejects(store.put('a', bytesSource(randomBytes(9))), isFault('refused'));
    });
  });
});
