import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isFault } from '../../contract/object-store.ts';
import { createManualClock } from '../../support/clock.ts';
import { openTestStore, s3Config } from '../../support/stores.ts';
import { tempFolder } from '../../support/temp-folder.ts';

describe('a URL of CloudFront', () => {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const start = Date.UTC(2026, 0, 1);

  it('is signed with a canned policy for its own path, and needs no credentials of the bucket', async (t) => {
    const privateKeyFile = join(tempFolder(t), 'key.pem');
    writeFileSync(privateKeyFile, keys.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const cloudFront = { url: 'https://d1.cloudfront.net', keyPairId: 'K1', privateKeyFile };
    const config = s3Config({ bucket: 'images', prefix: 'pre/', cloudFront });
    const store = openTestStore(t, config, { clock: createManualClock(start) });
    const url = new URL(await store.presign('sha256/ab/abc', 600));
    assert.equal(`${url.origin}${url.pathname}`, 'https://d1.cloudfront.net/pre/sha256/ab/abc');
    assert.equal(url.searchParams.get('Key-Pair-Id'), 'K1');
    const expires = start / 1000 + 600;
    assert.equal(url.searchParams.get('Expires'), String(expires));
    const policy = `{"Statement":[{"Resource":"https://d1.cloudfront.net/pre/sha256/ab/abc","Condition":{"DateLessThan":{"AWS:EpochTime":${expires}}}}]}`;
    const safe = /[?&]Signature=([^&]+)/.exec(url.search)?.[1] ?? '';
    assert.match(safe, /^[\w~-]+$/);
    const signature = safe.replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/');
    assert.ok(verify('sha1', Buffer.from(policy), keys.publicKey, Buffer.from(signature, 'base64')));
  });

  it('is refused without its key, with the file', async (t) => {
    const cloudFront = {
      url: 'https://d1.cloudfront.net',
      keyPairId: 'K1',
      privateKeyFile: '/nowhere/key.pem',
    };
    const store = openTestStore(t, s3Config({ bucket: 'images', cloudFront }));
    await assert.rejects(store.presign('a', 600), (error) => {
      isFault('refused')(error);
      return String(error).includes('/nowhere/key.pem');
    });
  });
});
