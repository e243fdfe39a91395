/** The push and management halves of the OCI distribution specification, row by row, against a `local` repository. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type RunningApp, startApp } from '../support/app.ts';
import { eventually } from '../support/eventually.ts';
import { get } from '../support/http-client.ts';
import {
  codesOf,
  imageManifest,
  indexType,
  type Pusher,
  pusher,
  sha256,
  withQuery,
} from '../support/pusher.ts';
import type { Cleanup } from '../support/temp-folder.ts';

const toml = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
delete = true
immutable = ["v*"]
`;

describe('a client that pushes', () => {
  const cleanups: (() => unknown)[] = [];
  const cleanup: Cleanup = { after: (work: () => unknown) => void cleanups.push(work) } as Cleanup;
  let app: RunningApp;
  let to: Pusher;
  let repository = 0;

  before(async () => {
    app = await startApp(cleanup, { registries: '[[registry]]\nlocation = "listed.test"\n', toml });
  });
  after(async () => {
    for (const work of cleanups.reverse()) await work();
  });
  /** A repository that nothing was pushed to. */
  const fresh = () => {
    repository += 1;
    to = pusher(app.url, `images.local/team/app${repository}`);
    return to;
  };
  const uuidOf = (location: string) => location.split('/').at(-1);

  it('begins a session by POST: 202 with a Location, Range 0-0 and an id', async () => {
    const { status, headers } = await fresh().send('POST', 'blobs/uploads/', '');
    assert.equal(status, 202);
    assert.match(String(headers.location), /^\/v2\/images\.local\/team\/app\d+\/blobs\/uploads\/[\w-]{24}$/);
    assert.equal(headers.range, '0-0');
    assert.equal(headers['docker-upload-uuid'], uuidOf(String(headers.location)));
    assert.equal(headers['content-length'], '0');
  });

  it('pushes a whole blob by one POST', async () => {
    const digest = sha256('one post');
    const { status, headers } = await fresh().send('POST', `blobs/uploads/?digest=${digest}`, 'one post');
    assert.equal(status, 201);
    assert.equal(headers['docker-content-digest'], digest);
    assert.equal((await get(`${app.url}${headers.location}`)).body.toString(), 'one post');
  });

  it('gets 400 for one POST of other bytes, and no session is left', async () => {
    const before = (await to.send('POST', `blobs/uploads/?digest=${sha256('a')}`, 'b')).status;
    assert.equal(before, 400);
  });

  it('asks for sha512 by digest-algorithm, and gets 400 for one that is none', async () => {
    fresh();
    const digest = `sha512:${createHash('sha512').update('long').digest('hex')}`;
    const { headers } = await to.send('POST', 'blobs/uploads/?digest-algorithm=sha512', '');
    const put = await to.send('PUT', withQuery(String(headers.location), `digest=${digest}`), 'long');
    assert.equal(put.status, 201);
    assert.equal(put.headers['docker-content-digest'], digest);
    assert.equal((await to.send('GET', `blobs/${digest}`)).body.toString(), 'long');
    const refused = await to.send('POST', 'blobs/uploads/?digest-algorithm=md5', '');
    assert.equal(refused.status, 400);
    assert.deepEqual(codesOf(refused), ['DIGEST_INVALID']);
  });

  it('mounts a blob of another repository, with its name and without', async () => {
    const digest = await fresh().blob('shared layer');
    const from = `images.local/team/app${repository}`;
    for (const query of [`mount=${digest}&from=${from}`, `mount=${digest}`]) {
      const { status, headers } = await fresh().send('POST', `blobs/uploads/?${query}`, '');
      assert.equal(status, 201, query);
      assert.equal(headers['docker-content-digest'], digest);
      assert.equal((await get(`${app.url}${headers.location}`)).status, 200);
    }
  });

  it('mounts from a repository of the registry that ns names', async () => {
    const digest = await fresh().blob('a layer of ns');
    const query = `ns=images.local&mount=${digest}&from=team/app${repository}`;
    const path = `/v2/team/other/blobs/uploads/?${query}`;
    const { status } = await get(`${app.url}${path}`, { method: 'POST' });
    assert.equal(status, 201);
  });

  it('is told by Allow which methods a path has', async () => {
    const location = await fresh().begin();
    for (const [method, path, allowed] of [
      ['PUT', 'blobs/uploads/', 'POST'],
      ['POST', location, 'GET, HEAD, PATCH, PUT, DELETE'],
      ['POST', 'manifests/1', 'GET, HEAD, PUT, DELETE'],
      ['PATCH', `blobs/${sha256('x')}`, 'GET, HEAD, DELETE'],
    ] as const) {
      const { status, headers } = await to.send(method, path, '');
      assert.deepEqual([status, headers.allow], [405, allowed], `${method} ${path}`);
    }
  });

  it('cancels an upload while another request still sends it: that one gets 404', async () => {
    const location = await fresh().begin();
    const sending = request(`${app.url}${location}`, { method: 'PATCH' });
    const answered = new Promise<number | undefined>((resolve) =>
      sending.on('response', ({ statusCode }) => resolve(statusCode)),
    );
    sending.on('error', () => {});
    sending.write('the first bytes, and then nothing');
    const isBusy = async () => (await to.send('PATCH', location, '')).status === 416;
    await eventually('the request that sends', isBusy);
    assert.equal((await to.send('DELETE', location)).status, 204);
    assert.equal(await answered, 404);
    assert.equal((await to.send('GET', location)).status, 404);
    sending.destroy();
  });

  it('gets a session for a mount of what is not there', async () => {
    for (const query of [
      `mount=${sha256('nowhere')}&from=images.local/team/app1`,
      `mount=${sha256('nowhere')}&from=../../etc`,
      `mount=${sha256('nowhere')}`,
      'mount=sha256:short&from=images.local/team/app1',
    ]) {
      const { status, headers } = await fresh().send('POST', `blobs/uploads/?${query}`, '');
      assert.equal(status, 202, query);
      assert.equal((await to.send('DELETE', String(headers.location))).status, 204);
    }
  });

  it('sends chunks by PATCH, asks how far it is, and ends by PUT', async () => {
    let at = await fresh().begin();
    const first = await to.send('PATCH', at, 'hello ', { 'content-range': '0-5' });
    assert.equal(first.status, 202);
    assert.equal(first.headers.range, '0-5');
    at = String(first.headers.location);
    const status = await to.send('GET', at);
    assert.equal(status.status, 204);
    assert.equal(status.headers.range, '0-5');
    const digest = sha256('hello world');
    const put = await to.send('PUT', withQuery(at, `digest=${digest}`), 'world', {
      'content-range': '6-10',
    });
    assert.equal(put.status, 201);
    assert.equal((await to.send('GET', `blobs/${digest}`)).body.toString(), 'hello world');
    assert.equal((await to.send('GET', at)).status, 404, 'the session is over');
  });

  it('sends one chunked PATCH without Content-Range, as docker does, and an empty PUT', async () => {
    const bytes = randomBytes(300_000);
    const at = await fresh().begin();
    const patched = await chunked(`${app.url}${at}`, 'PATCH', [
      bytes.subarray(0, 100_000),
      bytes.subarray(100_000),
    ]);
    assert.equal(patched.status, 202);
    assert.equal(patched.headers.range, '0-299999');
    const put = await to.send('PUT', withQuery(at, `digest=${sha256(bytes)}`), '');
    assert.equal(put.status, 201);
    assert.deepEqual((await to.send('GET', `blobs/${sha256(bytes)}`)).body, bytes);
  });

  it('gets 416 with Location and Range for a chunk that is not next, by PATCH and by PUT, and goes on from there', async () => {
    const at = await fresh().begin();
    await to.send('PATCH', at, 'hello ', { 'content-range': '0-5' });
    const digest = sha256('hello world');
    for (const [method, path] of [
      ['PATCH', at],
      ['PUT', withQuery(at, `digest=${digest}`)],
    ] as const) {
      const refused = await to.send(method, path, 'world', { 'content-range': '7-11' });
      assert.equal(refused.status, 416, method);
      assert.deepEqual(codesOf(refused), ['RANGE_INVALID']);
      assert.equal(refused.headers.range, '0-5');
      assert.equal(refused.headers.location, at);
      assert.ok(refused.headers['docker-upload-uuid']);
    }
    assert.equal((await to.send('PUT', withQuery(at, `digest=${digest}`), 'world')).status, 201);
  });

  it('gets 400 SIZE_INVALID where the body is shorter or longer than its Content-Range, and what came counts', async () => {
    const at = await fresh().begin();
    const other = await to.send('PATCH', at, 'four', { 'content-range': '0-9' });
    assert.equal(other.status, 400);
    assert.deepEqual(codesOf(other), ['SIZE_INVALID']);
    const longer = await chunked(`${app.url}${at}`, 'PATCH', [Buffer.from('0123456789')], {
      'content-range': '0-3',
    });
    assert.equal(longer.status, 400);
    assert.equal(longer.headers.range, '0-3', 'what was announced is there, and no more');
    const shorter = await chunked(`${app.url}${at}`, 'PATCH', [Buffer.from('45')], {
      'content-range': '4-9',
    });
    assert.equal(shorter.status, 400);
    assert.equal(shorter.headers.range, '0-5');
  });

  it('gets DIGEST_INVALID for a PUT without a digest, and the session stays', async () => {
    const at = await fresh().begin();
    for (const query of ['', 'digest=', 'digest=md5:00', 'digest=sha256:XYZ']) {
      const refused = await to.send('PUT', query === '' ? at : withQuery(at, query), 'x');
      assert.equal(refused.status, 400, query);
      assert.deepEqual(codesOf(refused), ['DIGEST_INVALID']);
    }
    assert.equal((await to.send('GET', at)).status, 204);
  });

  it('gets DIGEST_INVALID with both digests for other bytes, and the session is over', async () => {
    const at = await fresh().begin();
    const refused = await to.send('PUT', withQuery(at, `digest=${sha256('right')}`), 'wrong');
    assert.equal(refused.status, 400);
    assert.deepEqual(JSON.parse(refused.body.toString()).errors[0].detail, {
      wanted: sha256('right'),
      found: sha256('wrong'),
    });
    assert.equal((await to.send('GET', at)).status, 404);
    assert.equal((await to.send('HEAD', `blobs/${sha256('right')}`)).status, 404);
  });

  it('cancels a session by DELETE, once', async () => {
    const at = await fresh().begin();
    assert.equal((await to.send('DELETE', at)).status, 204);
    const again = await to.send('DELETE', at);
    assert.equal(again.status, 404);
    assert.deepEqual(codesOf(again), ['BLOB_UPLOAD_UNKNOWN']);
  });

  it('does not find the session of another repository', async () => {
    const at = await fresh().begin();
    fresh();
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const answer = await to.send(
        method,
        `blobs/uploads/${uuidOf(at)}`,
        method === 'PATCH' ? 'x' : undefined,
      );
      assert.equal(answer.status, 404, method);
    }
  });

  it('finds no session by tricks in its path', async () => {
    const at = await fresh().begin();
    const id = uuidOf(at)!;
    for (const path of [
      `blobs/uploads${id}`,
      `blobs/uploads/..%2f${id}`,
      `blobs/uploads/${id}/`,
      `blobs/uploads/${id}.json`,
      `blobs/uploads/%2e%2e/${id}`,
      `blobs/uploads//${id}`,
    ]) {
      const { status } = await to.send('PATCH', path, 'x');
      assert.ok(status >= 400 && status < 500, `${path}: ${status}`);
    }
    const outside = await get(`${app.url}/v2/images.local/..%2f..%2fetc/blobs/uploads/`, { method: 'POST' });
    assert.equal(outside.status, 400);
    const status = await to.send('GET', at);
    assert.equal(status.headers.range, '0-0', 'nothing was written');
  });

  it('pulls an image whose name has "blobs/uploads" in it', async () => {
    const other = pusher(app.url, 'images.local/a/blobs/uploads');
    await other.blob('{}');
    assert.equal((await other.manifest('1', imageManifest(['{}']))).status, 201);
    assert.equal((await other.send('GET', 'manifests/1')).status, 200);
    assert.equal((await other.send('HEAD', `blobs/${sha256('{}')}`)).status, 200);
  });

  it('pushes a manifest under a tag: 201 with its Location and digest, and its exact bytes come back', async () => {
    await fresh().blob('{}');
    const text = `${JSON.stringify(imageManifest(['{}']), null, 3)}\n`;
    const put = await to.send('PUT', 'manifests/latest', text, {
      'content-type': `${imageManifest([]).mediaType}; charset=utf-8`,
    });
    assert.equal(put.status, 201);
    assert.equal(put.headers['docker-content-digest'], sha256(text));
    assert.equal((await get(`${app.url}${put.headers.location}`)).body.toString(), text);
    assert.equal((await to.send('GET', 'manifests/latest')).body.toString(), text);
  });

  it('sets ten tags beside a digest, and is told of each', async () => {
    await fresh().blob('{}');
    const json = imageManifest(['{}']);
    const digest = sha256(JSON.stringify(json));
    const tags = Array.from({ length: 10 }, (_, n) => `t${n}`);
    const query = tags.map((tag) => `tag=${tag}`).join('&');
    const put = await to.manifest(`${digest}?${query}`, json);
    assert.equal(put.status, 201);
    assert.deepEqual(String(put.headers['oci-tag']).split(', '), tags);
    const list = await to.send('GET', 'tags/list');
    assert.deepEqual(JSON.parse(list.body.toString()).tags, tags);
    const many = await to.manifest(`${digest}?${Array(30).fill('tag=x').join('&')}`, json);
    assert.equal(many.status, 414);
    const bad = await to.manifest(`${digest}?tag=a%2fb`, json);
    assert.equal(bad.status, 400);
    assert.deepEqual(codesOf(bad), ['TAG_INVALID']);
  });

  it('gets 413 for a manifest of more than 4 MiB, whether or not it says so before', async () => {
    const large = Buffer.alloc(4 * 1024 * 1024 + 1, ' ');
    assert.equal((await fresh().send('PUT', 'manifests/a', large, { expect: '100-continue' })).status, 413);
    const streamed = await chunked(`${app.url}/v2/images.local/a/manifests/a`, 'PUT', [large]);
    assert.equal(streamed.status, 413);
  });

  it('gets MANIFEST_BLOB_UNKNOWN for each content that is not in this repository, at most 20', async () => {
    await fresh().blob('of another');
    fresh();
    await to.blob('{}');
    const foreign = await to.manifest('a', imageManifest(['{}', 'of another', 'nowhere']));
    assert.equal(foreign.status, 400);
    assert.deepEqual(codesOf(foreign), ['MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN']);
    const many = await to.manifest('a', imageManifest(Array.from({ length: 100 }, (_, n) => `b${n}`)));
    assert.equal(codesOf(many).length, 20);
    assert.equal((await to.send('GET', 'manifests/a')).status, 404);
  });

  it('gets MANIFEST_INVALID for another type, for what is no JSON, and for a type that differs', async () => {
    await fresh().blob('{}');
    for (const [body, type] of [
      ['{', imageManifest([]).mediaType],
      [JSON.stringify(imageManifest(['{}'])), 'text/html'],
      [JSON.stringify(imageManifest(['{}'])), indexType],
      ['[]', indexType],
    ] as const) {
      const refused = await to.send('PUT', 'manifests/a', body, { 'content-type': type });
      assert.equal(refused.status, 400);
      assert.deepEqual(codesOf(refused), ['MANIFEST_INVALID'], `${body} ${type}`);
    }
    const other = await to.manifest(sha256('another'), imageManifest(['{}']));
    assert.deepEqual(codesOf(other), ['DIGEST_INVALID']);
  });

  it('attaches a manifest to a subject that may be missing, and finds it among the referrers', async () => {
    await fresh().blob('{}');
    const subject = { mediaType: imageManifest([]).mediaType, digest: sha256('subject'), size: 7 };
    const json = imageManifest(['{}'], {
      subject,
      artifactType: 'application/x.sbom',
      annotations: { a: 'b' },
    });
    const put = await to.manifest(sha256(JSON.stringify(json)), json);
    assert.equal(put.status, 201);
    assert.equal(put.headers['oci-subject'], subject.digest);
    const all = await to.send('GET', `referrers/${subject.digest}?artifactType=application/x.sbom`);
    assert.equal(all.headers['oci-filters-applied'], 'artifactType');
    assert.deepEqual(JSON.parse(all.body.toString()).manifests, [
      {
        mediaType: json.mediaType,
        digest: sha256(JSON.stringify(json)),
        size: JSON.stringify(json).length,
        artifactType: 'application/x.sbom',
        annotations: { a: 'b' },
      },
    ]);
    const none = await to.send('GET', `referrers/${sha256('other')}`);
    assert.equal(none.status, 200);
    assert.deepEqual(JSON.parse(none.body.toString()).manifests, []);
  });

  it('gets MANIFEST_INVALID for bytes that are an index and an image at once', async () => {
    const blob = await fresh().blob('{}');
    const both = { ...imageManifest(['{}']), mediaType: undefined, manifests: [{ digest: blob, size: 2 }] };
    for (const type of [indexType, 'application/vnd.oci.image.manifest.v1+json']) {
      const refused = await to.send('PUT', 'manifests/a', JSON.stringify(both), { 'content-type': type });
      assert.deepEqual([refused.status, codesOf(refused)], [400, ['MANIFEST_INVALID']], type);
    }
  });

  it('cannot mount a manifest: it would come without what it lists', async () => {
    await fresh().blob('{}');
    const json = imageManifest(['{}']);
    assert.equal((await to.manifest('a', json)).status, 201);
    const digest = sha256(JSON.stringify(json));
    const from = `images.local/team/app${repository}`;
    const mounted = await fresh().send('POST', `blobs/uploads/?mount=${digest}&from=${from}`, '');
    assert.equal(mounted.status, 202);
    assert.equal((await to.send('GET', `manifests/${digest}`)).status, 404);
  });

  it('lists referrers with large annotations without them', async () => {
    await fresh().blob('{}');
    const subject = { mediaType: imageManifest([]).mediaType, digest: sha256('large subject'), size: 7 };
    for (const text of ['small', 'x'.repeat(100_000)]) {
      const json = imageManifest(['{}'], { subject, annotations: { text } });
      assert.equal((await to.manifest(sha256(JSON.stringify(json)), json)).status, 201);
    }
    const { body } = await to.send('GET', `referrers/${subject.digest}`);
    const { manifests } = JSON.parse(body.toString()) as { manifests: { annotations?: object }[] };
    assert.deepEqual(
      manifests.map(({ annotations }) => annotations),
      [{ text: 'small' }, undefined],
    );
  });

  it('deletes a tag: its digest stays', async () => {
    await fresh().blob('{}');
    const json = imageManifest(['{}']);
    await to.manifest('a', json);
    assert.equal((await to.send('DELETE', 'manifests/a')).status, 202);
    assert.equal((await to.send('GET', 'manifests/a')).status, 404);
    assert.equal((await to.send('GET', `manifests/${sha256(JSON.stringify(json))}`)).status, 200);
    assert.equal((await to.send('DELETE', 'manifests/a')).status, 404);
  });

  it('deletes a digest: its tags go with it, at once', async () => {
    await fresh().blob('{}');
    const json = imageManifest(['{}']);
    await to.manifest('a', json);
    assert.equal((await to.send('DELETE', `manifests/${sha256(JSON.stringify(json))}`)).status, 202);
    assert.equal((await to.send('GET', 'manifests/a')).status, 404);
    const list = await to.send('GET', 'tags/list');
    assert.deepEqual(JSON.parse(list.body.toString()).tags, []);
  });

  it('deletes a blob from its own repository alone', async () => {
    const digest = await fresh().blob('in two');
    const first = to;
    await fresh().blob('in two');
    assert.equal((await to.send('DELETE', `blobs/${digest}`)).status, 202);
    assert.equal((await to.send('HEAD', `blobs/${digest}`)).status, 404);
    assert.equal((await first.send('HEAD', `blobs/${digest}`)).status, 200);
    assert.equal((await to.send('DELETE', `blobs/${digest}`)).status, 404);
  });

  it('cannot move an immutable tag, not even by two pushes at once', async () => {
    await fresh().blob('{}');
    const pushes = await Promise.all(
      [1, 2, 3, 4].map((n) => to.manifest('v1', imageManifest(['{}'], { annotations: { n: String(n) } }))),
    );
    assert.deepEqual(pushes.map(({ status }) => status).sort(), [201, 409, 409, 409]);
    const digest = (await to.send('HEAD', 'manifests/v1')).headers['docker-content-digest'];
    const won = pushes.find(({ status }) => status === 201)!;
    assert.equal(won.headers['docker-content-digest'], digest);
  });

  it('gets 405 for a repository without a rule', async () => {
    const refused = await pusher(app.url, 'listed.test/library/alpine').send(
      'POST',
      'blobs/uploads/',
      'body',
    );
    assert.equal(refused.status, 405);
    assert.deepEqual(codesOf(refused), ['UNSUPPORTED']);
  });

  it('gets 405 for a registry that no file lists, and the mode that could take it', async () => {
    for (const [path, method, said] of [
      ['blobs/uploads/', 'POST', 'pushed to'],
      ['blobs/uploads/x', 'DELETE', 'pushed to'],
      ['manifests/1', 'PUT', 'pushed to'],
      ['manifests/1', 'DELETE', 'deleted in'],
    ] as const) {
      const refused = await pusher(app.url, 'unlisted.test/team/app').send(method, path, '');
      assert.equal(refused.status, 405, `${method} ${path}`);
      const { errors } = JSON.parse(refused.body.toString());
      assert.equal(
        errors[0].message,
        `nothing can be ${said} unlisted.test/team/app: no [[push]] in entrepot.toml matches it; ` +
          'its registry is not listed, so it needs a [[push]] with mode = "local"',
      );
    }
    assert.equal((await get(`${app.url}/v2/unlisted.test/team/app/manifests/1`)).status, 403, 'a pull');
  });

  it('is told by 405 that nothing can be deleted in a repository without a rule', async () => {
    const refused = await pusher(app.url, 'listed.test/library/alpine').send('DELETE', 'manifests/1', '');
    assert.equal(refused.status, 405);
    assert.match(
      refused.body.toString(),
      /nothing can be deleted in listed\.test\/library\/alpine: no \[\[push\]\]/,
    );
  });

  it('is told in a local repository that something is not here, not that endpoints do not know it', async () => {
    for (const path of ['manifests/a', `manifests/${sha256('x')}`, `blobs/${sha256('x')}`, 'tags/list']) {
      const { status, body } = await fresh().send('GET', path);
      assert.equal(status, 404);
      assert.match(body.toString(), /is not here/, path);
      assert.doesNotMatch(body.toString(), /endpoint/, path);
    }
  });

  it('may send a second PATCH only when the first is over: 416', async () => {
    const at = await fresh().begin();
    const first = request(`${app.url}${at}`, {
      method: 'PATCH',
      headers: { 'transfer-encoding': 'chunked' },
    });
    const answered = new Promise<number>((resolve) =>
      first.on('response', (r) => resolve(r.statusCode ?? 0)),
    );
    first.write('begun');
    let second = await to.send('PATCH', at, 'x', { 'content-range': '0-0' });
    // Until the first has come to its handler, the second may still be first.
    for (let n = 0; second.status !== 416 && n < 50; n += 1)
      second = await to.send('PATCH', at, 'x', { 'content-range': '0-0' });
    assert.equal(second.status, 416);
    assert.equal(second.headers.location, at);
    first.end();
    await answered;
  });

  it('goes on after its connection broke in the middle', async () => {
    const bytes = randomBytes(4_000_000);
    const at = await fresh().begin();
    const { port, hostname } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(`PATCH ${at} HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes.length}\r\n\r\n`);
    socket.write(bytes.subarray(0, 3_000_000));
    const sizeNow = async () => {
      const { headers } = await to.send('GET', at);
      return headers.range === '0-0' ? 0 : Number(String(headers.range).split('-')[1]) + 1;
    };
    await eventually('a megabyte is here', async () => (await sizeNow()) > 1_000_000);
    socket.destroy();
    const digest = sha256(bytes);
    // While the server has not noticed, a request is still writing: 416 says where to go on.
    await eventually('it goes on', async () => {
      const size = await sizeNow();
      const rest = await to.send('PUT', withQuery(at, `digest=${digest}`), bytes.subarray(size), {
        'content-range': `${size}-${bytes.length - 1}`,
      });
      return rest.status === 201;
    });
    assert.deepEqual((await to.send('GET', `blobs/${digest}`)).body, bytes);
  });

  it('gets 429 while manifests that others send slowly hold all the memory that there is for them', async () => {
    await fresh().blob('{}');
    const { port, hostname } = new URL(app.url);
    const slow = Array.from({ length: 32 }, () => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {});
      socket.write(
        `PUT /v2/images.local/slow/manifests/a HTTP/1.1\r\nHost: x\r\nContent-Type: ${indexType}\r\nContent-Length: 4194304\r\n\r\n{`,
      );
      return socket;
    });
    await eventually('the memory is taken', async () => {
      return (await to.manifest('a', imageManifest(['{}']))).status === 429;
    });
    for (const socket of slow) socket.destroy();
    await eventually('it is free again', async () => {
      return (await to.manifest('a', imageManifest(['{}']))).status === 201;
    });
  });

  it('is told to go on before it sends a body, or is refused without one', async () => {
    const at = await fresh().begin();
    const { port, hostname } = new URL(app.url);
    const ask = (path: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(Number(port), hostname);
        socket.write(
          `PATCH ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`,
        );
        socket.once('data', (data) => {
          resolve(data.toString());
          socket.destroy();
        });
      });
    assert.match(await ask(at), /^HTTP\/1\.1 100 /);
    assert.match(await ask('/v2/listed.test/library/a/blobs/uploads/x'), /^HTTP\/1\.1 405 /);
  });
});

function chunked(
  url: string,
  method: string,
  parts: readonly Buffer[],
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method, headers: { ...headers, 'transfer-encoding': 'chunked' } },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers }));
      },
    );
    sent.on('error', reject);
    for (const part of parts) sent.write(part);
    sent.end();
  });
}
