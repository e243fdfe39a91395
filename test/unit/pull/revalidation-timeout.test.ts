import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReference } from '../../../src/oci/reference.ts';
import { createRevalidationTimeout } from '../../../src/pull/revalidation-timeout.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';
import { createManualClock } from '../../support/clock.ts';

function patienceOf(ms = 1000, down: readonly string[] = [], answering: readonly string[] = []) {
  const clock = createManualClock();
  const warnings: object[] = [];
  const endpoints = ({ registry }: { registry: string }) => [{ host: registry } as Endpoint];
  const isDown = (asked: readonly Endpoint[]) => asked.every(({ host }) => down.includes(host));
  const log = { warn: (fields: object) => void warnings.push(fields) };
  const hasAnswered = (asked: readonly Endpoint[]) => asked.some(({ host }) => answering.includes(host));
  const upstream = { endpoints, isDown, hasAnswered };
  return { clock, warnings, patience: createRevalidationTimeout({ clock, upstream, log }, ms) };
}

function referenceTo(text: string) {
  const parsed = parseReference(text);
  assert.ok(parsed.ok);
  return parsed.value;
}

const image = referenceTo('a.test/x');
const never = (): Promise<string> => new Promise(() => {});

test('an answer in time is given, a fault too', async () => {
  const { clock, patience } = patienceOf();
  assert.equal(await patience.wait(image, async () => 'here'), 'here');
  await assert.rejects(
    patience.wait(image, () => Promise.reject(new Error('a bug'))),
    /a bug/,
  );
  assert.deepEqual(clock.pending, []);
});

test('after one wait in vain only that image is not waited for, if its registry answers for itself', async () => {
  const { clock, patience } = patienceOf(1000, [], ['a.test']);
  const waiting = patience.wait(image, never);
  await clock.advance(1000);
  assert.equal(await waiting, undefined);
  assert.equal(await patience.wait(image, never), undefined);
  assert.equal(await patience.wait(referenceTo('a.test/y'), async () => 'here'), 'here');
});

test('after one wait in vain nobody waits for that registry, whatever the image, but others are waited for', async () => {
  const { clock, patience } = patienceOf();
  const waiting = patience.wait(image, never);
  await clock.advance(1000);
  assert.equal(await waiting, undefined);
  assert.equal(await patience.wait(referenceTo('a.test/other'), never), undefined);
  assert.equal(await patience.wait(referenceTo('b.test/x'), async () => 'here'), 'here');
});

test('it is asked behind the answer, and an answer in time ends the silence', async () => {
  const { clock, patience } = patienceOf();
  const waiting = patience.wait(image, never);
  await clock.advance(1000);
  await waiting;
  const late = Promise.withResolvers<string>();
  assert.equal(await patience.wait(image, () => late.promise), undefined);
  await clock.advance(1000);
  late.resolve('late');
  await clock.advance(0);
  assert.equal(await patience.wait(image, async () => 'in time'), undefined, 'late is as good as silent');
  await clock.advance(0);
  assert.equal(await patience.wait(image, async () => 'in time'), 'in time');
});

test('a registry of which a part came in time is not silent, though the rest is late', async () => {
  const { clock, patience } = patienceOf();
  const waiting = patience.wait(image, (progressed) => {
    progressed();
    return never();
  });
  await clock.advance(1000);
  assert.equal(await waiting, undefined);
  assert.equal(await patience.wait(image, async () => 'in time'), 'in time');
});

test('what is down is not asked at all', async () => {
  const { clock, patience } = patienceOf(1000, ['a.test']);
  assert.equal(await patience.wait(image, () => assert.fail()), undefined);
  assert.equal(await patience.wait(referenceTo('b.test/x'), async () => 'here'), 'here');
  assert.deepEqual(clock.pending, []);
});

test('with no patience at all nobody ever waits, and what fails behind is told', async () => {
  const { clock, patience, warnings } = patienceOf(0);
  assert.equal(await patience.wait(image, async () => 'here'), undefined);
  assert.equal(await patience.wait(image, () => Promise.reject(new Error('a bug'))), undefined);
  await clock.advance(0);
  assert.equal(warnings.length, 1);
});
