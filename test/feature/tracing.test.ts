/** Spans of a whole server, as a collector for OTLP over HTTP gets them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startApp } from '../support/app.ts';
import { entry, startRegistry } from '../support/endpoints.ts';
import { type EventReceiver, startEventReceiver } from '../support/event-receiver.ts';
import { get } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { type Cleanup, tempFolder } from '../support/temp-folder.ts';

const image = buildImage({ seed: 'traced', layers: [5000] });
const path = '/v2/ex.test/team/app/manifests/1';
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parent = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parent}-01`;

interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly status: { readonly code?: number };
  readonly attributes: readonly { key: string; value: Record<string, unknown> }[];
}

async function startTraced(t: Cleanup, settings = '') {
  const folder = tempFolder(t);
  const registry = await startRegistry(t);
  registry.putImage('team/app', '1', image);
  const collector = await startEventReceiver(t);
  const toml = `[tracing]\nendpoint = "${collector.url}/v1/traces"\n${settings}`.replaceAll('FOLDER', folder);
  writeFileSync(join(folder, 'headers'), '# of the collector\nX-Tenant: corp\n');
  const proxy = await startApp(t, { registries: entry('ex.test', { source: registry.host }), toml, folder });
  return { registry, collector, proxy };
}

function spansOf({ received }: EventReceiver): readonly Span[] {
  return received.flatMap(({ body }) =>
    JSON.parse(body).resourceSpans.flatMap((resource: { scopeSpans: { spans: Span[] }[] }) =>
      resource.scopeSpans.flatMap(({ spans }) => spans),
    ),
  );
}

function attributesOf({ attributes }: Span): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}

describe('a server with [tracing]', () => {
  it('sends a span for the request, the pull and each endpoint, in the trace of its client', async (t) => {
    const { registry, collector, proxy } = await startTraced(t);
    const answer = await get(`${proxy.url}${path}`, { headers: { traceparent, tracestate: 'corp=1' } });
    assert.equal(answer.status, 200);
    await proxy.stop();
    const spans = spansOf(collector);
    const request = spans.find(({ name }) => name === 'GET /v2/{name}/manifests/{reference}');
    const pull = spans.find(({ name }) => name === 'pull manifest');
    const asks = spans.filter(({ name }) => name === `ask ${registry.host}`);
    assert.ok(request && pull && asks.length > 0, spans.map(({ name }) => name).join());
    assert.deepEqual([request.traceId, request.parentSpanId], [traceId, parent]);
    assert.equal(pull.parentSpanId, request.spanId);
    for (const ask of asks) assert.deepEqual([ask.traceId, ask.parentSpanId], [traceId, pull.spanId]);
    const attributes = attributesOf(request);
    assert.equal(attributes['http.response.status_code'], 200);
    assert.equal(attributes['entrepot.image'], 'ex.test/team/app');
    assert.equal(attributes['entrepot.cache'], 'fetched');
    assert.equal(attributes['entrepot.request_id'], answer.headers['x-request-id']);
    const [asked] = registry.matching({ kind: 'manifest' });
    assert.match(String(asked?.headers.traceparent), new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    assert.equal(asked?.headers.tracestate, 'corp=1');
  });

  it('fails the spans of an endpoint that does not answer, and says which one', async (t) => {
    const { registry, collector, proxy } = await startTraced(t);
    await registry.stop();
    assert.equal((await get(`${proxy.url}${path}`)).status, 502);
    await proxy.stop();
    const spans = spansOf(collector);
    const ask = spans.find(({ name }) => name === `ask ${registry.host}`);
    assert.equal(ask?.status.code, 2);
    assert.equal(ask && attributesOf(ask)['entrepot.outcome'], 'unreachable');
    assert.equal(spans.find(({ name }) => name.startsWith('GET /v2/'))?.status.code, 2);
  });

  it('lets a client choose neither its share nor what is no trace', async (t) => {
    const { collector, proxy } = await startTraced(t, 'sample = 0');
    await get(`${proxy.url}${path}`, { headers: { traceparent } });
    await get(`${proxy.url}${path}`, { headers: { traceparent: `00-${'0'.repeat(32)}-${parent}-01` } });
    await proxy.stop();
    assert.deepEqual(spansOf(collector), []);
  });

  it('sends the headers of headers_file, and none of them to registries', async (t) => {
    const { registry, collector, proxy } = await startTraced(t, 'headers_file = "FOLDER/headers"');
    await get(`${proxy.url}${path}`);
    await proxy.stop();
    assert.equal(collector.received[0]?.headers['x-tenant'], 'corp');
    assert.ok(registry.requests.every(({ headers }) => headers['x-tenant'] === undefined));
  });

  it('serves while the collector refuses, and says so once', async (t) => {
    const { collector, proxy } = await startTraced(t);
    collector.answer(() => 400);
    assert.equal((await get(`${proxy.url}${path}`)).status, 200);
    await proxy.stop();
    assert.equal(proxy.log.filter(({ event }) => event === 'tracing.notSent').length, 1);
  });
});

describe('a server without [tracing]', () => {
  it('passes no trace on', async (t) => {
    const registry = await startRegistry(t);
    registry.putImage('team/app', '1', image);
    const proxy = await startApp(t, { registries: entry('ex.test', { source: registry.host }) });
    await get(`${proxy.url}${path}`, { headers: { traceparent } });
    assert.ok(registry.requests.every(({ headers }) => headers.traceparent === undefined));
  });
});
