/** What a server of Azure blobs can do wrong, and what each kind of credentials sends. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { AzureStoreConfig } from '../../../src/config/store-config.ts';
import { bytesSource, StoreError } from '../../../src/stores/object-store.ts';
import { usualPart } from '../../../src/stores/upload-parts.ts';
import { isFault } from '../../contract/object-store.ts';
import { listen } from '../../support/listener.ts';
import { azureConfig, openTestStore } from '../../support/stores.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const key = Buffer.from('the key of an account').toString('base64');

async function setUp(t: TestContext, answer: RequestListener, settings: Partial<AzureStoreConfig> = {}) {
  const urls: string[] = [];
  const listener = await listen({}, (request, response) => {
    urls.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => answer(request, response));
  });
  t.after(listener.close);
  const config = azureConfig({ account: 'corp', container: 'images', endpoint: listener.url, ...settings });
  const hasFile = config.sasFile !== undefined || config.accountKeyFile !== undefined;
  return { urls, store: openTestStore(t, config, { env: hasFile ? {} : { AZURE_STORAGE_KEY: key } }) };
}

const error = (status: number, code: string, headers: Record<string, string> = {}): RequestListener => {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`;
  return (request, response) => {
    response.writeHead(status, { 'x-ms-error-code': code, 'x-ms-request-id': 'r', ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
};

describe('a server of Azure blobs', () => {
  it('behind a captive portal is told from one', async (t) => {
    const { store } = await setUp(t, (_, response) => response.end('<html>Please log in</html>'));
    await assert.rejects(store.head('a'), isFault('invalid'));
    await assert.rejects(store.get('a', { start: 0 }), isFault('invalid'));
    await assert.rejects(store.put('a', bytesSource(randomBytes(9))), isFault('invalid'));
    await assert.rejects(store.list(''), isFault('invalid'));
    const { store: other } = await setUp(t, (_, response) => response.writeHead(404).end('<html>'));
    await assert.rejects(other.get('a', { start: 0 }), isFault('invalid'));
  });

  it('that is busy is throttled; one that fails is unreachable', async (t) => {
    const { store } = await setUp(t, error(503, 'ServerBusy', { 'retry-after': '3' }));
    await assert.rejects(store.head('a'), (thrown) => {
      assert.ok(thrown instanceof StoreError);
      assert.deepEqual([thrown.kind, thrown.retryAfter], ['throttled', 3000]);
      return true;
    });
    const { store: other } = await setUp(t, error(500, 'InternalError'));
    await assert.rejects(other.head('a'), isFault('unreachable'));
  });

  it('that refuses says how far the clocks are apart', async (t) => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const { store } = await setUp(t, error(403, 'AuthenticationFailed', { date }));
    await assert.rejects(
      store.head('a'),
      /AuthenticationFailed\): the clock of this machine differs by (?:59|60) minutes/,
    );
  });

  it('gets blocks with ids of one length, and their list at the end', async (t) => {
    const { store, urls } = await setUp(t, (request, response) => {
      if (request.method === 'HEAD') error(404, 'BlobNotFound')(request, response);
      else response.writeHead(201, { etag: '"x"' }).end();
    });
    assert.equal(await store.put('a', bytesSource(Buffer.alloc(usualPart * 2 + 1))), 'stored');
    const blocks = urls.filter((url) => url.includes('comp=block&')).map((url) => url.split('blockid=')[1]);
    assert.equal(blocks.length, 3);
    assert.equal(new Set(blocks.map((id) => decodeURIComponent(id ?? '').length)).size, 1);
    assert.equal(urls.at(-1), 'PUT /images/a?comp=blocklist');
  });

  it('gets a shared access signature behind each URL, and clients never do', async (t) => {
    const sasFile = join(tempFolder(t), 'sas');
    writeFileSync(sasFile, '?sv=2021-12-02&sig=the-signature%3D\n');
    const { store, urls } = await setUp(t, error(403, 'AuthorizationPermissionMismatch'), { sasFile });
    await assert.rejects(store.head('a'), (thrown) => {
      isFault('refused')(thrown);
      return !String(thrown).includes('the-signature');
    });
    await assert.rejects(store.list(''), isFault('refused'));
    assert.match(urls[0]!, /^HEAD \/images\/a\?sv=2021-12-02&sig=the-signature%3D$/);
    assert.match(urls[1]!, /comp=list.*&sv=2021-12-02&sig=the-signature%3D$/);
    await assert.rejects(store.presign('a', 60), /need an account key: set account_key_file/);
  });
});
