import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { reasonPhrase, trailInBrief } from '../../../../src/http/answers/reason-phrase.ts';
import type { Attempt } from '../../../../src/upstream/outcome.ts';
import { sha256 } from '../memory-pull.ts';
import { running } from '../running-server.ts';

const attempt = (endpoint: string, reason: string): Attempt => ({
  endpoint,
  role: 'mirror',
  outcome: 'unreachable',
  reason,
  ms: 1,
});
const trail = [
  attempt('m1.corp/team/app', 'connection refused'),
  attempt('quay.io/team/app', 'no answer within 15 s'),
];
const brief = 'quay.io/team/app: m1.corp connection refused; quay.io no answer within 15 s';

/** The status lines that came, without the version. */
function statusLines(text: string): string[] {
  return [...text.matchAll(/^HTTP\/1\.1 ([^\r\n]*)\r$/gm)].map(([, line = '']) => line);
}

describe('the reason phrase', () => {
  it('names the image, what each endpoint said, and the request', () => {
    const phrase = reasonPhrase(502, trailInBrief('quay.io/team/app', trail), '8f2e');
    assert.equal(phrase, `Bad Gateway (${brief}; id 8f2e)`);
  });

  it('stays within 200 bytes of printable ASCII, with the id whole at its end', () => {
    const long = `${'x'.repeat(300)}\r\nX-Evil: 1\0\u00e9\u2028`;
    for (const count of [0, 1, 2, 3, 5, 40]) {
      const many = Array.from({ length: count }, (_, index) => attempt(`m${index}.corp/a`, long));
      for (const subject of ['quay.io/a', `quay.io/${'a/'.repeat(200)}b`, '\r\n\u00fc']) {
        for (const id of ['8f2e', 'i'.repeat(128)]) {
          const phrase = reasonPhrase(508, trailInBrief(subject, many), id);
          assert.match(phrase, /^Loop Detected \([\x20-\x7e]*\)$/);
          assert.ok(phrase.length <= 200, phrase);
          assert.ok(phrase.endsWith(`id ${id.slice(0, 36)})`), phrase);
        }
      }
    }
  });

  it('gives each of several endpoints its share of the room', () => {
    const wordy = ['m1.corp', 'm2.corp', 'quay.io'].map((host) => attempt(`${host}/a`, 'why '.repeat(60)));
    const phrase = reasonPhrase(502, trailInBrief('quay.io/a', wordy), '8f2e');
    for (const host of ['m1.corp why', 'm2.corp why', 'quay.io why'])
      assert.ok(phrase.includes(host), phrase);
  });
});

describe('every error', () => {
  it('has it, over HTTP/1.1 and HTTP/1.0, for GET and for HEAD', async (t) => {
    const { raw, pull } = await running(t, { newId: () => '8f2e' });
    pull.verdict = { kind: 'unavailable' };
    pull.trail = trail;
    for (const version of ['1.1', '1.0']) {
      for (const method of ['GET', 'HEAD']) {
        const path = '/v2/quay.io/team/app/manifests/1';
        const text = await raw(`${method} ${path} HTTP/${version}\r\nHost: x\r\nConnection: close\r\n\r\n`);
        assert.deepEqual(statusLines(text), [`502 Bad Gateway (${brief}; id 8f2e)`]);
        assert.equal(/\r\n\r\n\{"errors"/.test(text), method === 'GET');
      }
    }
  });

  it('of every kind has it, and no other answer', async (t) => {
    const { raw, pull } = await running(t, { newId: () => '8f2e' });
    const blob = pull.addBlob('docker.io/library/alpine', Buffer.from('x'));
    const phraseOf = async (request: string, header = 'A: b') => {
      const text = await raw(`${request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${header}\r\n\r\n`);
      return statusLines(text)[0];
    };
    pull.trail = [{ ...attempt('quay.io/a', 'HTTP 404'), outcome: 'notFound' }];
    assert.equal(
      await phraseOf('GET /v2/quay.io/a/manifests/1'),
      '404 Not Found (quay.io/a: quay.io HTTP 404; id 8f2e)',
    );
    pull.verdict = { kind: 'offline' };
    assert.match(
      (await phraseOf('GET /v2/quay.io/a/manifests/1')) ?? '',
      /^503 Service Unavailable \(quay\.io\/a is not cached, and this server is offline .*id 8f2e\)$/,
    );
    assert.match(
      (await phraseOf('GET /v2/evil.test/a/tags/list')) ?? '',
      /^403 Forbidden \(.*evil\.test.*; id 8f2e\)$/,
    );
    assert.match(
      (await phraseOf('GET /v2/a/manifests/1?ns=joe:hunter2@quay.io')) ?? '',
      /^400 Bad Request \((?!.*hunter2).*; id 8f2e\)$/,
    );
    assert.match(
      (await phraseOf('PUT /v2/a/manifests/1')) ?? '',
      /^405 Method Not Allowed \(nothing can be pushed to docker\.io\/library\/a: .*; id 8f2e\)$/,
    );
    assert.match(
      (await phraseOf(`GET /v2/alpine/blobs/${blob}`, 'Range: bytes=9-')) ?? '',
      /^416 Range Not Satisfiable \(.*; id 8f2e\)$/,
    );
    pull.throws = new Error('secret-in-a-bug');
    assert.equal(
      await phraseOf('GET /v2/alpine/manifests/1'),
      '500 Internal Server Error (internal error; id 8f2e)',
    );
    assert.equal(await phraseOf('GET /v2/'), '200 OK');
  });

  it('bears the id of the client where that is sane, else one of its own', async (t) => {
    const { raw } = await running(t, { newId: () => 'fresh' });
    const endOf = async (id: string) => {
      const path = `/v2/alpine/blobs/${sha256('none')}`;
      const text = await raw(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: ${id}\r\n\r\n`,
      );
      return /id (.*)\)$/.exec(statusLines(text)[0] ?? '')?.[1];
    };
    assert.equal(await endOf('r-1'), 'r-1');
    assert.equal(await endOf('a b'), 'fresh');
    assert.equal(await endOf('a)\u00e9'), 'fresh');
    assert.equal(await endOf('x'.repeat(129)), 'fresh');
  });
});
