/** `GET /api/v1/changes`: server-sent events of a server at work. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { get, open } from '../support/http-client.ts';
import { buildImage } from '../support/images.ts';
import { startMirrored } from '../support/mirrored-registry.ts';

const document = JSON.parse(
  readFileSync(new URL('../../src/http/admin/openapi.json', import.meta.url), 'utf8'),
);
const ajv = new Ajv2020({ strict: false });
formats.default(ajv);
ajv.addSchema(document, 'api');
const isChange = ajv.compile({ $ref: 'api#/components/schemas/Change' });

/** Events of the stream, one after the other; a comment is an event without a name. */
async function* eventsOf(answer: Awaited<ReturnType<typeof open>>) {
  let text = '';
  for (let part = await answer.read(1); part.length > 0; part = await answer.read(1)) {
    text += part.toString();
    if (!text.endsWith('\n\n')) continue;
    const [, name, data] = /^event: (\w+)\ndata: (.*)\n\n$/.exec(text) ?? [];
    yield { name, text, data: data === undefined ? undefined : JSON.parse(data) };
    text = '';
  }
}

it('tells what is true, then what changes, with signs of life in between, and ends with the server', async (t) => {
  // What others write to this disk is a change, too.
  const app = { freeBytes: () => 10 ** 12 };
  const { proxy, registry, get, clock } = await startMirrored(t, { app });
  const answer = await open(`${proxy.url}/api/v1/changes`);
  assert.equal(answer.headers['content-type'], 'text/event-stream');
  const events = eventsOf(answer);
  const next = async () => (await events.next()).value ?? assert.fail('the stream has ended');
  assert.match((await next()).text, /^retry: \d+\n\n$/);
  const names: (string | undefined)[] = [];
  for (let n = 0; n < 5; n += 1) {
    const { name, data } = await next();
    names.push(name);
    assert.equal(data.kind, name);
    assert.ok(isChange(data), JSON.stringify(isChange.errors));
  }
  assert.deepEqual(names.toSorted(), ['conditions', 'endpoints', 'overview', 'requests', 'transfers']);
  registry.putImage('team/app', '1', buildImage());
  await get('team/app', 'manifests/1');
  await clock.advance(1000);
  const seen = new Map<string | undefined, { requests?: { reference: string }[] }>();
  while (!seen.has('requests')) {
    const { name, data } = await next();
    seen.set(name, data);
  }
  assert.equal(seen.get('requests')?.requests?.[0]?.reference, '1');
  let beat = next();
  for (;;) {
    await clock.advance(15_000);
    const { text } = await beat;
    if (text === ':\n\n') break;
    beat = next();
  }
  const stopped = proxy.stop();
  for await (const _ of events);
  assert.deepEqual(await stopped, { cut: 0 });
});

it('a viewer that leaves is forgotten: nothing looks any more', async (t) => {
  const clock = createManualClock();
  const proxy = await startApp(t, { registries: '' }, { clock });
  const before = clock.pending.length;
  const answer = await open(`${proxy.url}/api/v1/changes`);
  await answer.read(100);
  await clock.armed(15_000);
  answer.destroy();
  for (let looks = 0; clock.pending.length > before; looks += 1) {
    assert.ok(looks < 1000, 'it still looks');
    await clock.advance(500);
  }
});

it('a HEAD of a stream is no viewer', async (t) => {
  const clock = createManualClock();
  const proxy = await startApp(t, { registries: '' }, { clock });
  const before = clock.pending.length;
  for (const path of ['/api/v1/changes', '/ui/changes?kinds=overview']) {
    assert.equal((await get(`${proxy.url}${path}`, { method: 'HEAD' })).status, 200);
    for (let looks = 0; clock.pending.length > before; looks += 1) {
      assert.ok(looks < 200, `${path}: it still looks`);
      await clock.advance(500);
    }
  }
});
