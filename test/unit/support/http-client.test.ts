import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateBlob } from '../../support/byte-source.ts';
import { startFakeRegistry } from '../../support/fake-registry.ts';
import { endShort } from '../../support/fake-registry-faults.ts';
import { open } from '../../support/http-client.ts';
import { raw } from '../../support/raw-http.ts';

const blob = generateBlob(32 * 1024 * 1024);

test('a reader takes what it wants, when it wants', async (t) => {
  const registry = await startFakeRegistry();
  t.after(registry.stop);
  const digest = registry.putBlob(blob);
  const answer = await open(`${registry.url}/v2/a/blobs/${digest}`);
  assert.deepEqual(await answer.read(10), blob.bytes(0, 10));
  assert.deepEqual(await answer.read(1_000_000), blob.bytes(10, 1_000_010));
  assert.ok(registry.bodyBytes() < blob.size, 'backpressure holds the sender');
  const rest = await answer.rest();
  assert.equal(rest.complete, true);
  assert.ok(rest.body.equals(blob.bytes(1_000_010)));
  assert.equal((await answer.read(1)).length, 0);
});

test('a slow reader gets each byte before a break, and sees the break', async (t) => {
  const registry = await startFakeRegistry();
  t.after(registry.stop);
  const digest = registry.putBlob(blob);
  registry.on({}, endShort(50_000));
  const answer = await open(`${registry.url}/v2/a/blobs/${digest}`);
  const seen = await registry.seen();
  await seen.ended;
  assert.deepEqual(await answer.read(20_000), blob.bytes(0, 20_000));
  const rest = await answer.rest();
  assert.deepEqual([rest.body.equals(blob.bytes(20_000, 50_000)), rest.complete], [true, false]);
});

test('raw bytes go out as they are', async (t) => {
  const registry = await startFakeRegistry();
  t.after(registry.stop);
  assert.match(
    await raw(registry.url, 'GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1.1 200 OK/,
  );
  assert.equal(await raw(registry.url, 'nonsense\r\n\r\n').catch(() => ''), '');
  assert.equal(registry.count(), 1);
});
