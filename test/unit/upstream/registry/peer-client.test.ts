import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EntrepotError } from '../../../../src/errors.ts';
import type { PushedBody } from '../../../../src/lib/bytes/pushed-body.ts';
import { parseReference } from '../../../../src/oci/reference.ts';
import type { AttemptContext } from '../../../../src/upstream/attempt.ts';
import type { HttpRequest } from '../../../../src/upstream/http/exchange.ts';
import type { Route } from '../../../../src/upstream/http/route.ts';
import { peerEndpoint } from '../../../../src/upstream/peer-endpoints.ts';
import { createPeerClient, type PeerHeaders } from '../../../../src/upstream/registry/peer-client.ts';
import { createManualClock } from '../../../support/clock.ts';

const parsed = parseReference('docker.io/library/app:1');
assert.ok(parsed.ok);
const endpoint = peerEndpoint({ id: 'e1:5000', origin: 'https://e1:5000', name: 'e1:5000' }, parsed.value);

function bodyOf(text: string): PushedBody {
  return {
    consume(sink) {
      if (text !== '') sink.data(Buffer.from(text));
      sink.end();
    },
    resume() {},
    cancel() {},
  };
}

interface Given {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks a peer that answers so. */
async function ask(given: Given, method: 'GET' | 'HEAD' = 'GET', headersFor: PeerHeaders = () => ({})) {
  const sent: { route: Route; request: HttpRequest }[] = [];
  const ages: number[] = [];
  const client = createPeerClient({
    clock: createManualClock(),
    headersFor,
    sender: {
      async send(route, request) {
        sent.push({ route, request });
        const headers = { 'x-entrepot-peer': 'e1:5000', ...given.headers };
        const body = bodyOf(given.body ?? '');
        return { ok: true, response: { status: given.status, headers, body, url: route.url } };
      },
    },
  });
  const context = { signal: new AbortController().signal, heard() {}, aged: (ms: number) => ages.push(ms) };
  const path = '/v2/library/app/manifests/1';
  const outcome = await client.request(endpoint, { method, path }, context as unknown as AttemptContext);
  return { outcome, sent, ages };
}

const errors = (code: string, detail: unknown) =>
  JSON.stringify({ errors: [{ code, message: 'm', detail }] });

describe('asking a peer', () => {
  it('names the registry, and shows the proof to the peer alone', async () => {
    const { sent } = await ask({ status: 200 }, 'GET', ({ id }, method, path) => ({
      proof: `${id} ${method} ${path}`,
    }));
    const [{ route, request } = assert.fail()] = sent;
    assert.equal(route.url.href, 'https://e1:5000/v2/library/app/manifests/1?ns=docker.io');
    assert.deepEqual(route.peer, { serverName: 'e1' });
    assert.equal(request.headers.proof, 'e1:5000 GET /v2/library/app/manifests/1?ns=docker.io');
  });

  it('is of no use when the peer takes us for a client: whatever it says counts for nothing', async () => {
    for (const status of [200, 401, 404, 502]) {
      const { outcome } = await ask({
        status,
        headers: { 'x-entrepot-peer': undefined as unknown as string },
      });
      assert.equal(outcome.kind, 'denied', String(status));
    }
  });

  it('tells how long ago the content was checked', async () => {
    assert.deepEqual((await ask({ status: 200, headers: { age: '50' } })).ages, [50_000]);
    assert.deepEqual((await ask({ status: 200, headers: { age: '-5' } })).ages, [0]);
    const stale = { 'x-entrepot-cache': 'stale' };
    assert.deepEqual((await ask({ status: 200, headers: stale })).ages, [Number.POSITIVE_INFINITY]);
    assert.equal((await ask({ status: 200, headers: stale }, 'HEAD')).outcome.kind, 'unavailable');
    assert.equal((await ask({ status: 404, headers: stale })).outcome.kind, 'unavailable');
  });

  it('takes its trail, as far as it has the right form', async () => {
    const right = {
      endpoint: 'hub/app',
      role: 'source',
      outcome: 'rateLimited',
      ms: 3,
      until: 77,
      credentials: {},
    };
    const detail = [right, { ...right, role: 'king' }, { ...right, outcome: 'fine' }, 'text', null];
    const { outcome } = await ask({ status: 503, body: errors('TOOMANYREQUESTS', detail) });
    assert.deepEqual(outcome, {
      kind: 'rateLimited',
      reason: 'HTTP 503',
      until: 77,
      trail: [
        { endpoint: 'hub/app', role: 'source', outcome: 'rateLimited', ms: 3, until: 77, by: 'e1:5000' },
      ],
    });
    const many = Array.from({ length: 500 }, () => ({ ...right, reason: `\u001b[31m${'x'.repeat(5000)}` }));
    const flood = await ask({ status: 502, body: errors('UNAVAILABLE', many.slice(0, 40)) });
    assert.ok(flood.outcome.kind === 'unavailable');
    assert.doesNotMatch(JSON.stringify(flood.outcome), /\\u001b/);
    const huge = await ask({ status: 502, body: errors('UNAVAILABLE', many) });
    assert.deepEqual(huge.outcome, { kind: 'unavailable', reason: 'HTTP 502', trail: [] });
  });

  it('means by each status what a replica means by it', async () => {
    const kinds = async (status: number) => (await ask({ status })).outcome.kind;
    assert.equal(await kinds(206), 'ok');
    assert.equal(await kinds(404), 'notFound');
    assert.equal(await kinds(502), 'unavailable');
    assert.equal(await kinds(403), 'denied');
    assert.equal(await kinds(307), 'denied');
    assert.equal(await kinds(500), 'unreachable');
    assert.equal(await kinds(508), 'unreachable');
  });

  it('sends nothing while the secret cannot be read', async () => {
    const { outcome, sent } = await ask({ status: 200 }, 'GET', () => {
      throw new EntrepotError('CREDENTIALS_UNUSABLE', 'the file is empty', { file: '/etc/secret' });
    });
    assert.equal(sent.length, 0);
    assert.deepEqual(outcome, { kind: 'denied', reason: 'not asked: /etc/secret: the file is empty' });
  });
});
