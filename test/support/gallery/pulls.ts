/** What clients do in the sentences: pull an image, read ranges, read a list. `when` says in which state, for the message of a failure. */
import assert from 'node:assert/strict';
import { type HttpAnswer, json } from '../http-client.ts';
import type { Image } from '../images.ts';
import { names, sharedLayer } from './content.ts';
import type { World } from './world.ts';

/** As a client does: the tag, what it names, and all bytes. */
export async function pullImage(
  world: World,
  repository: string,
  tag: string,
  image: Image,
  when: string,
): Promise<void> {
  for (const reference of [tag, image.digest]) {
    const head = await world.ask(repository, `manifests/${reference}`, { method: 'HEAD' });
    assert.equal(head.status, 200, `${when}: HEAD ${reference}`);
    assert.equal(head.headers['docker-content-digest'], image.digest, when);
    assert.equal(head.headers['content-length'], String(image.bytes.length), when);
    const answer = await world.ask(repository, `manifests/${reference}`);
    assert.equal(answer.status, 200, `${when}: ${answer.body}`);
    assert.equal(answer.headers['content-type'], image.mediaType, when);
    assert.deepEqual(answer.body, image.bytes, when);
  }
  for (const child of image.children) {
    const answer = await world.ask(repository, `manifests/${child.digest}`);
    assert.equal(answer.status, 200, `${when}: ${answer.body}`);
    assert.deepEqual(answer.body, child.bytes, when);
  }
  await pullBlobs(world, repository, image, when);
}

export async function pullBlobs(world: World, repository: string, image: Image, when: string): Promise<void> {
  for (const blob of new Set(image.blobs)) {
    const answer = await world.ask(repository, `blobs/${blob.digest}`);
    assert.equal(answer.status, 200, `${when}: blob ${answer.body.subarray(0, 300)}`);
    assert.ok(answer.complete && answer.body.equals(blob.bytes()), `${when}: the bytes of ${blob.digest}`);
    assert.equal(answer.headers.location, undefined, 'never a redirect');
  }
}

/** A cold range may be answered whole if the registry ignores ranges, as it would be to a client that asks there. */
export async function readRanges({ ask, gallery }: World, when: string): Promise<void> {
  const { digest, size } = sharedLayer;
  const cases: readonly [string, number, number][] = [
    ['bytes=100-199', 100, 200],
    [`bytes=${size - 10}-`, size - 10, size],
    ['bytes=-7', size - 7, size],
    ['bytes=0-0', 0, 1],
  ];
  for (const [range, start, end] of cases) {
    const answer = await ask(names.app, `blobs/${digest}`, { headers: { range } });
    const mayBeWhole = when === 'cold' && /^ignored/.test(gallery.personality.blobs?.ranges ?? '');
    if (mayBeWhole && answer.status === 200) {
      assert.ok(answer.body.equals(sharedLayer.bytes()), `${when}: the whole instead of ${range}`);
      continue;
    }
    assert.equal(answer.status, 206, `${when}: ${range} ${answer.body.subarray(0, 300)}`);
    assert.equal(answer.headers['content-range'], `bytes ${start}-${end - 1}/${size}`, when);
    assert.ok(answer.body.equals(sharedLayer.bytes(start, end)), `${when}: the bytes of ${range}`);
  }
  if (when === 'cold') return;
  const outside = await ask(names.app, `blobs/${digest}`, { headers: { range: `bytes=${size}-` } });
  assert.equal(outside.status, 416, when);
}

export function digestsIn(answer: HttpAnswer): string[] {
  assert.equal(answer.status, 200, answer.body.toString());
  return (json(answer) as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest).sort();
}
