import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EntrepotError } from '../../../src/errors.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import type { Trail } from '../../../src/upstream/outcome.ts';
import { sha256 } from './memory-pull.ts';
import { running } from './running-server.ts';

const manifest = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"}';
const trail: Trail = [
  { endpoint: 'm1.corp/library/alpine', role: 'mirror', outcome: 'unreachable', reason: 'HTTP 503', ms: 12 },
  { endpoint: 'docker.io/library/alpine', role: 'source', outcome: 'notFound', ms: 30 },
];

function errorOf(body: Buffer) {
  const { errors } = JSON.parse(body.toString());
  assert.equal(errors.length, 1);
  return errors[0];
}

describe('/v2/', () => {
  it('is 200 at once, with and without the slash, for GET and HEAD', async (t) => {
    const { get } = await running(t);
    for (const path of ['/v2/', '/v2', '/v2/?ns=evil.example']) {
      for (const method of ['GET', 'HEAD']) {
        const got = await get(path, { method });
        assert.equal(got.status, 200);
        assert.equal(got.headers['docker-distribution-api-version'], 'registry/2.0');
        assert.equal(got.headers['content-length'], '2');
      }
    }
  });
});

describe('a manifest', () => {
  it('comes byte by byte under its own type, by tag and by digest', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addManifest('docker.io/library/alpine:1', manifest, mediaTypes.dockerManifest);
    for (const reference of ['1', digest]) {
      const got = await get(`/v2/library/alpine/manifests/${reference}`);
      assert.equal(got.status, 200);
      assert.equal(got.body.toString(), manifest);
      assert.equal(got.headers['content-type'], mediaTypes.dockerManifest);
      assert.equal(got.headers['docker-content-digest'], digest);
      assert.equal(got.headers.etag, `"${digest}"`);
      assert.equal(got.headers['x-entrepot-cache'], 'hit');
      assert.equal(got.headers['x-content-type-options'], 'nosniff');
      assert.equal(got.headers['oci-namespace'], undefined);
      assert.equal(got.headers.warning, undefined);
    }
    assert.equal((await get('/v2/library/alpine/manifests/1')).headers['cache-control'], 'no-cache');
    assert.match((await get(`/v2/alpine/manifests/${digest}`)).headers['cache-control'] ?? '', /immutable/);
  });

  it('has the same headers for HEAD and GET', async (t) => {
    const { get, pull } = await running(t);
    pull.addManifest('docker.io/library/alpine:1', manifest);
    const headers = { 'x-request-id': 'same' };
    const whole = await get('/v2/alpine/manifests/1', { headers });
    const head = await get('/v2/alpine/manifests/1', { method: 'HEAD', headers });
    assert.equal(head.body.length, 0);
    assert.deepEqual({ ...head.headers, date: '' }, { ...whole.headers, date: '' });
  });

  it('echoes the namespace that decided', async (t) => {
    const { get, pull } = await running(t);
    pull.addManifest('quay.io/a/b:1', manifest);
    const got = await get('/v2/a/b/manifests/1?ns=quay.io');
    assert.equal(got.status, 200);
    assert.equal(got.headers['oci-namespace'], 'quay.io');
  });

  it('is 304 where the client has it', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addManifest('docker.io/library/alpine:1', manifest);
    const got = await get('/v2/alpine/manifests/1', { headers: { 'if-none-match': `W/"x", "${digest}"` } });
    assert.equal(got.status, 304);
    assert.equal(got.body.length, 0);
    assert.equal(got.headers.etag, `"${digest}"`);
    assert.equal(got.headers['docker-content-digest'], digest);
  });

  it('is marked where it is stale', async (t) => {
    const { get, pull } = await running(t);
    pull.addManifest('docker.io/library/alpine:1', manifest);
    pull.cache = 'stale';
    const got = await get('/v2/alpine/manifests/1');
    assert.equal(got.headers['x-entrepot-cache'], 'stale');
    assert.match(got.headers.warning ?? '', /^299 - ".+"$/);
  });

  it('never splits the answer, whatever type an upstream gave', async (t) => {
    const { get, pull, lines } = await running(t);
    pull.addManifest('docker.io/library/alpine:1', manifest, 'a/b\r\nX-Evil: 1');
    await assert.rejects(get('/v2/alpine/manifests/1'), { code: 'ECONNRESET' });
    assert.equal(lines.at(-1)?.end, 'failed');
  });
});

describe('a blob', () => {
  const bytes = Buffer.from(Array.from({ length: 100 }, (_, index) => index));

  it('comes whole, and HEAD agrees', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addBlob('docker.io/library/alpine', bytes);
    const headers = { 'x-request-id': 'same' };
    const whole = await get(`/v2/library/alpine/blobs/${digest}`, { headers });
    assert.equal(whole.status, 200);
    assert.deepEqual(whole.body, bytes);
    assert.equal(whole.headers['accept-ranges'], 'bytes');
    assert.equal(whole.headers['content-length'], '100');
    const head = await get(`/v2/library/alpine/blobs/${digest}`, { method: 'HEAD', headers });
    assert.deepEqual({ ...head.headers, date: '' }, { ...whole.headers, date: '' });
    assert.equal(pull.openBlobs.size + pull.openStreams.size, 0);
  });

  it('comes in one range', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addBlob('docker.io/library/alpine', bytes);
    for (const [range, from, to] of [
      ['bytes=0-0', 0, 1],
      ['bytes=10-19', 10, 20],
      ['bytes=90-', 90, 100],
      ['bytes=-5', 95, 100],
      ['bytes=95-500', 95, 100],
      ['bytes=0-', 0, 100],
    ] as const) {
      const got = await get(`/v2/library/alpine/blobs/${digest}`, { headers: { range } });
      assert.equal(got.status, 206, range);
      assert.deepEqual(got.body, bytes.subarray(from, to));
      assert.equal(got.headers['content-range'], `bytes ${from}-${to - 1}/100`);
      assert.equal(got.headers['content-length'], String(to - from));
    }
    const asked = pull.asked.at(-1);
    assert.deepEqual(asked?.kind === 'blob' && asked.ranges, [{ start: 0 }]);
  });

  it('comes in several ranges as multipart, in the order asked', async (t) => {
    const { get, pull } = await running(t, { newId: () => 'id' });
    const digest = pull.addBlob('docker.io/library/alpine', bytes);
    const got = await get(`/v2/library/alpine/blobs/${digest}`, { headers: { range: 'bytes=50-54,0-1,-2' } });
    assert.equal(got.status, 206);
    assert.equal(got.headers['content-type'], 'multipart/byteranges; boundary=entrepot-id');
    assert.equal(got.headers['content-range'], undefined);
    const part = (range: string, content: Buffer) =>
      `--entrepot-id\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${range}/100\r\n\r\n${content.toString('latin1')}\r\n`;
    const expected = `${part('50-54', bytes.subarray(50, 55))}${part('0-1', bytes.subarray(0, 2))}${part('98-99', bytes.subarray(98))}--entrepot-id--\r\n`;
    assert.equal(got.body.toString('latin1'), expected);
    assert.equal(pull.openBlobs.size + pull.openStreams.size, 0);
  });

  it('is 416 with its size where the range lies outside', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addBlob('docker.io/library/alpine', bytes);
    const got = await get(`/v2/library/alpine/blobs/${digest}`, { headers: { range: 'bytes=100-' } });
    assert.equal(got.status, 416);
    assert.equal(got.headers['content-range'], 'bytes */100');
    assert.equal(errorOf(got.body).code, 'RANGE_INVALID');
    assert.equal(pull.openBlobs.size, 0);
  });

  it('is whole where the range is nonsense, overlaps, or belongs to other content', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addBlob('docker.io/library/alpine', bytes);
    for (const headers of [
      { range: 'bytes=9-5' },
      { range: 'lines=0-1' },
      { range: 'bytes=0-,0-,0-,0-' },
      { range: 'bytes=0-4', 'if-range': '"other"' },
      { range: 'bytes=0-4', 'if-range': `W/"${digest}"` },
    ]) {
      const got = await get(`/v2/library/alpine/blobs/${digest}`, { headers });
      assert.equal(got.status, 200, JSON.stringify(headers));
      assert.deepEqual(got.body, bytes);
    }
    const same = await get(`/v2/library/alpine/blobs/${digest}`, {
      headers: { range: 'bytes=0-4', 'if-range': `"${digest}"` },
    });
    assert.equal(same.status, 206);
  });

  it('has a range only for GET, and a manifest has none', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addBlob('docker.io/library/alpine', bytes);
    pull.addManifest('docker.io/library/alpine:1', manifest);
    const headers = { range: 'bytes=0-4' };
    const head = await get(`/v2/library/alpine/blobs/${digest}`, { method: 'HEAD', headers });
    assert.equal(head.status, 200);
    assert.equal(head.headers['content-length'], '100');
    assert.equal((await get('/v2/alpine/manifests/1', { headers })).status, 200);
  });

  it('comes whole and chunked if its size is unknown, with and without ranges', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addBlob('docker.io/library/alpine', bytes);
    pull.isSizeHidden = true;
    const got = await get(`/v2/library/alpine/blobs/${digest}`, { headers: { range: 'bytes=5-9' } });
    assert.equal(got.status, 200);
    assert.equal(got.headers['transfer-encoding'], 'chunked');
    assert.deepEqual(got.body, bytes);
    const head = await get(`/v2/library/alpine/blobs/${digest}`, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.headers['content-length'], undefined);
  });

  it('is 304 only where this repository may serve it', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addBlob('docker.io/library/alpine', bytes);
    const headers = { 'if-none-match': `"${digest}"` };
    assert.equal((await get(`/v2/library/alpine/blobs/${digest}`, { headers })).status, 304);
    assert.equal((await get(`/v2/library/other/blobs/${digest}`, { headers })).status, 404);
    assert.equal(pull.openBlobs.size, 0);
  });

  it('may be empty', async (t) => {
    const { get, pull } = await running(t);
    const digest = pull.addBlob('docker.io/library/alpine', Buffer.alloc(0));
    const got = await get(`/v2/library/alpine/blobs/${digest}`, { headers: { range: 'bytes=0-' } });
    assert.equal(got.status, 200);
    assert.equal(got.headers['content-length'], '0');
    assert.equal(got.isComplete, true);
  });
});

describe('lists', () => {
  it('gives tags under the name that was asked for, and the way to the next page', async (t) => {
    const { get, pull } = await running(t);
    pull.moreTags = true;
    const got = await get('/v2/docker.io/library/alpine/tags/list?n=2');
    assert.deepEqual(JSON.parse(got.body.toString()), {
      name: 'docker.io/library/alpine',
      tags: ['1.0', '1.1'],
    });
    assert.equal(got.headers.link, '</v2/docker.io/library/alpine/tags/list?n=2&last=1.1>; rel="next"');
    const byNs = await get('/v2/a/tags/list?n=2&ns=quay.io');
    assert.equal(byNs.headers.link, '</v2/a/tags/list?n=2&last=1.1&ns=quay.io>; rel="next"');
    pull.moreTags = false;
    assert.equal((await get('/v2/alpine/tags/list')).headers.link, undefined);
  });

  it('gives referrers as an index, and says when it filtered', async (t) => {
    const { get } = await running(t);
    const path = `/v2/alpine/referrers/${sha256('x')}`;
    const got = await get(path);
    assert.equal(got.headers['content-type'], mediaTypes.ociIndex);
    assert.equal(got.headers['oci-filters-applied'], undefined);
    const filtered = await get(`${path}?artifactType=application%2Fspdx%2Bjson`);
    assert.equal(filtered.headers['oci-filters-applied'], 'artifactType');
  });
});

describe('errors', () => {
  it('are 404 with the code of what is missing, when every endpoint said so', async (t) => {
    const { get, pull } = await running(t);
    pull.trail = trail;
    for (const [path, code] of [
      ['manifests/2', 'MANIFEST_UNKNOWN'],
      [`blobs/${sha256('none')}`, 'BLOB_UNKNOWN'],
      ['tags/list', 'NAME_UNKNOWN'],
    ]) {
      const got = await get(`/v2/none/${path}?ns=quay.io`);
      assert.equal(got.status, 404);
      assert.equal(got.headers['content-type'], 'application/json');
      const error = errorOf(got.body);
      assert.equal(error.code, code);
      assert.deepEqual(error.detail, trail);
    }
  });

  it('are 502 when one failed otherwise, naming each endpoint and its reason in order', async (t) => {
    const { get, pull } = await running(t);
    pull.verdict = { kind: 'unavailable' };
    pull.trail = trail;
    const got = await get('/v2/alpine/manifests/1');
    assert.equal(got.status, 502);
    const error = errorOf(got.body);
    assert.match(
      error.message,
      /m1\.corp\/library\/alpine unreachable \(HTTP 503\); docker\.io\/library\/alpine notFound/,
    );
    assert.deepEqual(error.detail, trail);
  });

  it('are 503 when offline or rate limited, without Retry-After', async (t) => {
    const { get, pull } = await running(t);
    for (const verdict of [
      { kind: 'offline' },
      { kind: 'rateLimited', until: Date.UTC(2030, 0, 1) },
    ] as const) {
      pull.verdict = verdict;
      const got = await get(`/v2/alpine/blobs/${sha256('none')}`);
      assert.equal(got.status, 503);
      assert.equal(got.headers['retry-after'], undefined);
    }
    assert.match(errorOf((await get('/v2/alpine/manifests/1')).body).message, /2030-01-01T00:00:00/);
  });

  it('agree for HEAD, without a body', async (t) => {
    const { get, pull } = await running(t);
    pull.verdict = { kind: 'unavailable' };
    const got = await get('/v2/alpine/manifests/1', { method: 'HEAD' });
    assert.equal(got.status, 502);
    assert.equal(got.body.length, 0);
    assert.ok(Number(got.headers['content-length']) > 0);
  });

  it('tell a configuration that cannot be rewritten, and hide a bug behind the request id', async (t) => {
    const { get, pull, lines } = await running(t);
    pull.throws = new EntrepotError(
      'REWRITE_INVALID',
      'mirror "x" makes no valid name of docker.io/library/alpine',
    );
    const told = await get('/v2/alpine/manifests/1');
    assert.equal(told.status, 400);
    assert.match(errorOf(told.body).message, /mirror "x"/);
    assert.equal(errorOf(told.body).detail.code, 'REWRITE_INVALID');

    pull.throws = new Error('secret-in-a-bug');
    const hidden = await get('/v2/alpine/manifests/1', { headers: { 'x-request-id': 'abc-1' } });
    assert.equal(hidden.status, 500);
    assert.ok(!hidden.body.includes('secret-in-a-bug'));
    assert.match(errorOf(hidden.body).message, /abc-1/);
    assert.equal(lines.at(-1)?.level, 'error');
    assert.match(JSON.stringify(lines.at(-1)), /secret-in-a-bug/);
  });

  it('are 4xx for refused registries and hostile names, and no endpoint is asked', async (t) => {
    const { get, pull } = await running(t);
    for (const [path, status, code] of [
      ['/v2/a/manifests/1?ns=evil.example', 403, 'DENIED'],
      ['/v2/evil.example/a/manifests/1', 403, 'DENIED'],
      ['/v2/a/manifests/1?ns=docker.io:8443', 403, 'DENIED'],
      ['/v2/a/manifests/1?ns=http://docker.io', 400, 'NAME_INVALID'],
      ['/v2/..%2f..%2fetc%2fpasswd/manifests/1', 400, 'NAME_INVALID'],
      ['/v2/../../etc/passwd/manifests/1', 400, 'NAME_INVALID'],
      ['/v2/a%00b/manifests/1', 400, 'NAME_INVALID'],
      [`/v2/${'a'.repeat(10_240)}/manifests/1`, 400, 'NAME_INVALID'],
      ['/v2/A/manifests/1', 400, 'NAME_INVALID'],
      ['/v2/a/manifests/.x', 404, 'MANIFEST_UNKNOWN'],
      ['/v2/a/blobs/sha256:..%2f', 400, 'DIGEST_INVALID'],
      ['/v2/a/tags/list?n=x', 400, 'PAGINATION_NUMBER_INVALID'],
      ['/v2/_catalog', 404, 'UNSUPPORTED'],
    ] as const) {
      const got = await get(path);
      assert.equal(got.status, status, path.slice(0, 60));
      assert.equal(errorOf(got.body).code, code, path.slice(0, 60));
    }
    assert.equal(pull.asked.length, 0);
  });

  it('are 405 for pushing, without taking the body', async (t) => {
    const { get, raw, pull } = await running(t);
    for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) {
      const got = await get('/v2/a/blobs/uploads/', { method });
      assert.equal(got.status, 405);
      assert.equal(got.headers.allow, 'GET, HEAD');
      assert.equal(errorOf(got.body).code, 'UNSUPPORTED');
    }
    const text = await raw(
      'PUT /v2/a/manifests/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\nExpect: 100-continue\r\n\r\n',
    );
    assert.match(text, /^HTTP\/1\.1 405 /);
    assert.doesNotMatch(text, /100 Continue/);
    assert.equal(pull.asked.length, 0);
  });
});

describe('the log', () => {
  it('has one line per request, with what was learned on the way and no query', async (t) => {
    const { get, pull, lines } = await running(t);
    pull.addManifest('quay.io/a:1', manifest);
    await get('/v2/a/manifests/1?ns=quay.io&token=hunter2', {
      headers: { authorization: 'Basic c2VjcmV0', 'x-request-id': 'r-1', 'user-agent': 'x'.repeat(101) },
    });
    assert.equal(lines.length, 1);
    const [line] = lines;
    assert.equal(line?.id, 'r-1');
    assert.equal(line?.method, 'GET');
    assert.equal(line?.agent, 'x'.repeat(100));
    assert.equal(line?.path, '/v2/a/manifests/1');
    assert.equal(line?.image, 'quay.io/a');
    assert.equal(line?.status, 200);
    assert.equal(line?.cache, 'hit');
    assert.equal(line?.endpoint, 'm1.corp/x');
    assert.equal(line?.bytes, manifest.length);
    assert.equal(typeof line?.ms, 'number');
    assert.doesNotMatch(JSON.stringify(lines), /hunter2|c2VjcmV0/);
  });

  it('tells why a request was refused, which a client that asks with HEAD cannot, but nothing of its query', async (t) => {
    const { get, lines } = await running(t);
    const reasonOf = async (path: string) => {
      await get(path, { method: 'HEAD' });
      return lines.at(-1)?.reason;
    };
    assert.match(
      String(await reasonOf('/v2/a/manifests/1?ns=evil.example')),
      /"evil\.example" is not in the/,
    );
    assert.match(String(await reasonOf('/v2/a/manifests/1?ns=docker.io:8443')), /not with the port/);
    assert.match(String(await reasonOf('/v2/A/manifests/1')), /is no image name/);
    assert.equal(await reasonOf('/v2/a/manifests/1?ns=joe:hunter2@quay.io'), undefined);
    assert.equal(await reasonOf('/v2/a/tags/list?n=hunter2'), undefined);
  });

  it('bears the request id that a client gives, as the answer does, even an error', async (t) => {
    const { get, lines } = await running(t, { newId: () => 'fresh' });
    for (const id of ['a.b-c_1', 'Root=1-67891233-abcdef', 'c2Vjcm+0/A==', 'x'.repeat(128)]) {
      const { status, headers } = await get('/v2/none/manifests/1', { headers: { 'x-request-id': id } });
      assert.deepEqual([status, headers['x-request-id'], lines.at(-1)?.id], [404, id, id]);
    }
  });

  it('bears one of its own instead of none, or of one that is too long or of other characters', async (t) => {
    const { get, lines } = await running(t, { newId: () => 'fresh' });
    for (const id of ['', 'x'.repeat(129), 'a b', '<script>', 'a"b{}', '%0a', 'a;b', 'a,b', '\u00e9']) {
      const { headers } = await get('/v2/', { headers: { 'x-request-id': id } });
      assert.deepEqual([headers['x-request-id'], lines.at(-1)?.id], ['fresh', 'fresh'], id);
    }
    assert.equal((await get('/v2/')).headers['x-request-id'], 'fresh');
  });
});
