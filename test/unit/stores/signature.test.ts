/** The examples of "Authenticating Requests (AWS Signature Version 4)" in the API reference of Amazon S3. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAddressing } from '../../../src/stores/s3/addressing.ts';
import { emptyHash, presignedUrl, signedHeaders } from '../../../src/stores/s3/signature.ts';

const signing = {
  key: { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
  region: 'us-east-1',
  now: Date.UTC(2013, 4, 24),
};
const place = { bucket: 'examplebucket', region: 'us-east-1', prefix: '', pathStyle: undefined };
const aws = createAddressing({ ...place, endpoint: 'https://s3.amazonaws.com', pathStyle: false });

describe('Signature Version 4', () => {
  const authorizationOf = (url: URL) =>
    signedHeaders({ method: 'GET', url, payloadHash: emptyHash }, signing).authorization;
  const scope = 'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request';

  it('of a request with a query without value', () => {
    assert.equal(
      authorizationOf(aws.url(undefined, [['lifecycle', '']])),
      `${scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543`,
    );
  });

  it('of a list of objects, whatever the order of its query', () => {
    const query = [
      ['prefix', 'J'],
      ['max-keys', '2'],
    ] as const;
    assert.equal(
      authorizationOf(aws.url(undefined, query)),
      `${scope}, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7`,
    );
  });

  it('of a URL for a client', () => {
    assert.equal(
      presignedUrl(aws.url('test.txt'), 86_400, signing),
      'https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
    );
  });

  it('carries the token of a session, signed', () => {
    const session = { ...signing, key: { ...signing.key, sessionToken: 'a/b+c=' } };
    const headers = signedHeaders({ method: 'GET', url: aws.url('x'), payloadHash: emptyHash }, session);
    assert.equal(headers['x-amz-security-token'], 'a/b+c=');
    assert.match(
      headers.authorization!,
      /SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,/,
    );
    assert.match(presignedUrl(aws.url('x'), 60, session), /&X-Amz-Security-Token=a%2Fb%2Bc%3D&/);
  });

  it('of a URL lasts a week at most', () => {
    assert.match(presignedUrl(aws.url('x'), 1e9, signing), /X-Amz-Expires=604800&/);
  });
});

describe('the place of a bucket', () => {
  it('is in the host name at AWS, and in the path with an endpoint of its own or a dot in its name', () => {
    const urlOf = (settings: Partial<Parameters<typeof createAddressing>[0]>) =>
      createAddressing({ ...place, endpoint: undefined, ...settings }).url('sha256/ab').href;
    assert.equal(urlOf({}), 'https://examplebucket.s3.us-east-1.amazonaws.com/sha256/ab');
    assert.equal(urlOf({ bucket: 'a.b' }), 'https://s3.us-east-1.amazonaws.com/a.b/sha256/ab');
    assert.equal(
      urlOf({ region: 'cn-north-1' }),
      'https://examplebucket.s3.cn-north-1.amazonaws.com.cn/sha256/ab',
    );
    assert.equal(urlOf({ endpoint: 'http://h:9000' }), 'http://h:9000/examplebucket/sha256/ab');
    assert.equal(
      urlOf({ endpoint: 'http://h:9000', pathStyle: false }),
      'http://examplebucket.h:9000/sha256/ab',
    );
    assert.equal(
      urlOf({ prefix: 'a b/(c)/' }),
      'https://examplebucket.s3.us-east-1.amazonaws.com/a%20b/%28c%29/sha256/ab',
    );
  });
});
