/**
 * What a hostile client can try. Every case is one request, sent byte for byte; each is refused with the status that it has
 * here, and nobody is asked, no file is made, and nothing grows.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { createNegativeCache } from '../../src/pull/negative-cache.ts';
import { type RunningApp, startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { entry, names } from '../support/endpoints.ts';
import { type FakeRegistry, startFakeRegistry } from '../support/fake-registry.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { raw } from '../support/raw-http.ts';

const digest = `sha256:${'a'.repeat(64)}`;
const image = 'listed.test/team/app';
const long = 'a'.repeat(10_000);

describe('a hostile client', () => {
  let registry: FakeRegistry;
  let proxy: RunningApp;
  const looked: string[] = [];
  const hooks: (() => void | Promise<void>)[] = [];

  before(async () => {
    registry = await startFakeRegistry();
    registry.putImage('team/app', '1', buildImage());
    proxy = await startApp(
      { after: (hook) => void hooks.push(hook) },
      { registries: entry('listed.test', { source: registry.host }) },
      {
        resolve(hostname, ...rest) {
          looked.push(hostname);
          names({})(hostname, ...rest);
        },
      },
    );
  });
  after(async () => {
    for (let hook = hooks.shift(); hook; hook = hooks.shift()) await hook();
    await registry.stop();
  });

  async function send(
    target: string,
    headers = '',
    method = 'GET',
  ): Promise<{ status: number; text: string }> {
    const text = await raw(
      proxy.url,
      `${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`,
    );
    return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text };
  }

  const ns = (value: string) => `/v2/team/app/manifests/1?ns=${value}`;
  const refusals: [sentence: string, target: string, status: number][] = [
    ['names a URL in ns', ns('http://169.254.169.254'), 400],
    ['names a URL in ns, encoded', ns('http%3A%2F%2F169.254.169.254'), 400],
    ['puts a path behind ns', ns('listed.test/../../latest/meta-data'), 400],
    ['puts a user before ns', ns('admin:secret@listed.test'), 400],
    ['puts a listed registry before the @ of another', ns('listed.test@stranger.test'), 400],
    ['adds a port to a listed ns', ns('listed.test:22'), 403],
    ['adds a port that is none', ns('listed.test:99999999'), 403],
    ['names the metadata service in ns', ns('169.254.169.254'), 403],
    ['names the metadata service as one number', ns('2852039166'), 403],
    ['names the metadata service by name', ns('metadata.google.internal'), 403],
    ['names an IPv6 address in ns', ns('[::1]:5000'), 400],
    ['names an IPv4 address as IPv6', ns('[::ffff:169.254.169.254]'), 400],
    ['names this machine in ns', ns('localhost'), 403],
    [
      'names two ns and hopes that the check sees the other one',
      `${ns('listed.test')}&ns=stranger.test`,
      400,
    ],
    ['splits the header that echoes ns', ns('listed.test%0d%0aSet-Cookie:%20a=b'), 400],
    ['ends ns with a NUL', ns('listed.test%00.stranger.test'), 400],
    ['ends ns with a dot', ns('listed.test.'), 400],
    ['writes ns in other letters', ns('li%C5%9Fted.test'), 400],
    ['sends ns without a value', ns(''), 400],
    ['climbs out of the name with ..', '/v2/listed.test/../../etc/passwd/manifests/1', 400],
    ['climbs out with encoded dots', '/v2/listed.test/%2e%2e/%2e%2e/etc/manifests/1', 400],
    ['climbs out with encoded slashes', '/v2/listed.test%2f..%2f..%2fetc/manifests/1', 400],
    ['climbs out with doubly encoded dots', '/v2/listed.test/%252e%252e/app/manifests/1', 400],
    ['climbs out with backslashes', '/v2/listed.test/..%5c..%5capp/manifests/1', 400],
    ['hides a NUL in the name', '/v2/listed.test/team%00/app/manifests/1', 400],
    ['hides a line break in the name', '/v2/listed.test/team%0d%0aX-Evil:%201/app/manifests/1', 400],
    ['sends a name that is no UTF-8', '/v2/listed.test/team%ff/app/manifests/1', 400],
    ['sends a name with empty components', '/v2/listed.test//app/manifests/1', 400],
    ['sends a name of ten thousand letters', `/v2/listed.test/${long}/manifests/1`, 400],
    ['sends a name of a thousand components', `/v2/listed.test${'/a'.repeat(500)}/manifests/1`, 400],
    ['sends a tag of ten thousand letters', `/v2/${image}/manifests/${long}`, 400],
    ['sends a tag that climbs', `/v2/${image}/manifests/..`, 404],
    ['sends a tag with a slash', `/v2/${image}/manifests/a%2fb`, 404],
    ['sends a query of ten thousand letters', `/v2/${image}/manifests/1?x=${long}`, 404],
    ['sends a digest that climbs', `/v2/${image}/blobs/sha256:../../../../etc/passwd`, 404],
    ['sends a digest that climbs, encoded', `/v2/${image}/blobs/sha256:..%2f..%2f..%2fetc%2fpasswd`, 400],
    ['sends a digest that is too short', `/v2/${image}/blobs/sha256:abc`, 400],
    ['sends a digest in upper case', `/v2/${image}/blobs/sha256:${'A'.repeat(64)}`, 400],
    ['sends a digest of an algorithm that is none', `/v2/${image}/blobs/..:${'a'.repeat(64)}`, 400],
    ['sends a digest with more behind it', `/v2/${image}/blobs/${digest}%00.json`, 400],
    ['asks for the referrers of a path', `/v2/${image}/referrers/sha256:..%2f..`, 400],
    ['asks for a number of tags that is none', `/v2/${image}/tags/list?n=-1`, 400],
    ['asks for more tags than there are numbers', `/v2/${image}/tags/list?n=99999999999999999999`, 400],
    ['asks for a file of the data folder', '/v2/../index-v1.sqlite', 404],
    ['asks for a file of this machine', '/../../../../etc/passwd', 404],
    ['asks for a URL of somebody else', 'http://169.254.169.254/latest/meta-data', 404],
    ['asks for the catalog of all there is', '/v2/_catalog', 404],
  ];
  assert.ok(refusals.length >= 40);

  for (const [sentence, target, status] of refusals) {
    it(`that ${sentence} gets ${status}`, async () => {
      const answer = await send(target);
      assert.equal(answer.status, status, answer.text.slice(0, 500));
      assert.doesNotMatch(answer.text, /^(?:set-cookie|x-evil|location):/im);
      assert.ok(answer.text.length < 2000, 'what was sent is not sent back whole');
      assert.equal(registry.count(), 0, 'nobody is asked');
      assert.deepEqual(looked, [], 'no name is looked up');
    });
  }

  it('that pushes, deletes or uploads gets 405 and no further', async () => {
    for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) {
      const { status } = await send(`/v2/${image}/manifests/1`, 'Content-Length: 5\r\n', method);
      assert.equal(status, 405, method);
    }
    assert.equal(registry.count(), 0);
  });

  it('that sends headers without end is cut off', async () => {
    const { status } = await send('/v2/', `X-Long: ${'x'.repeat(100_000)}\r\n`);
    assert.equal(status, 431);
  });

  it('that smuggles a second request behind two lengths is cut off', async () => {
    const smuggled = `GET /v2/${image}/manifests/1 HTTP/1.1\r\nHost: x\r\n\r\n`;
    const text = await raw(
      proxy.url,
      `GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: ${smuggled.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      /\r\n\r\n/,
    );
    assert.match(text, /^HTTP\/1\.1 400/);
    assert.equal(registry.count(), 0);
  });

  it('that writes a log line of its own into its path or its request id does not', async () => {
    await send(`/v2/x%0a{"level":"info"}/manifests/1`, 'X-Request-Id: a"b{}\r\n');
    const line = proxy.log.findLast(({ msg }) => msg === 'request');
    assert.equal(line?.path, '/v2/x%0a{"level":"info"}/manifests/1');
    assert.match(String(line?.id), /^[A-Za-z0-9._-]+$/);
  });

  it('that asks for thousands of digests makes no file, and memory holds only the last of them', async () => {
    const hex = (number: number) => number.toString(16).padStart(64, '0');
    const files = () => readdirSync(proxy.data, { recursive: true }).length;
    const before = files();
    for (let number = 0; number < 2000; number += 50) {
      const some = Array.from({ length: 50 }, (_, index) =>
        get(`${proxy.url}/v2/${image}/blobs/sha256:${hex(number + index)}`),
      );
      for (const { status } of await Promise.all(some)) assert.equal(status, 404);
    }
    assert.equal(files(), before);
    assert.deepEqual(readdirSync(join(proxy.data, 'incoming')), []);

    const absences = createNegativeCache(createManualClock(), 10_000);
    for (let number = 0; number < 200_000; number += 1) absences.add(image, hex(number), []);
    assert.equal(absences.get(image, hex(179_999)), undefined, 'two million would take no more');
    assert.deepEqual(absences.get(image, hex(180_000)), []);
  });
});
