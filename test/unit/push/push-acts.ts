/** What clients and administrators do in the model of pushes, each with what its answer promises. */
import assert from 'node:assert/strict';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import { parseReference, type Tag } from '../../../src/oci/reference.ts';
import type { ManifestTarget } from '../../../src/routing/target.ts';
import { turns } from '../transfer/model-fixture.ts';
import { type Book, linkKey, type Thing } from './push-book.ts';
import { blobs, contents, digestOf, manifests, ruleSets } from './push-universe.ts';
import { imageName, type World } from './push-world.ts';

export type Act =
  | {
      readonly kind: 'push';
      readonly image: string;
      readonly blob: number;
      readonly pause: number;
      readonly ends: 'right' | 'wrong' | 'cancelled' | 'left';
    }
  | { readonly kind: 'mount'; readonly image: string; readonly blob: number; readonly from: string }
  | { readonly kind: 'pull'; readonly image: string; readonly blob: number; readonly pause: number }
  | ManifestAct<'image'>
  | ManifestAct<'manifest'>
  | ManifestAct<'pullManifest'>
  | { readonly kind: 'removeTag'; readonly image: string; readonly tag: string }
  | { readonly kind: 'removeManifest'; readonly image: string; readonly manifest: number }
  | { readonly kind: 'removeBlob'; readonly image: string; readonly blob: number }
  | { readonly kind: 'purge'; readonly image: string; readonly hosted: boolean }
  | { readonly kind: 'squeeze'; readonly pause: number }
  | { readonly kind: 'gc' }
  | { readonly kind: 'reload'; readonly rules: number };

interface ManifestAct<Kind> {
  readonly kind: Kind;
  readonly image: string;
  readonly manifest: number;
  readonly tag: string | undefined;
}

export interface Actors {
  readonly world: World;
  readonly book: Book;
  /** Links that somebody asked for, by `linkKey`. */
  readonly ever: Set<string>;
  /** The process was killed: no answer counts any more. */
  isGone: boolean;
}

type Does<Kind extends Act['kind']> = Extract<Act, { kind: Kind }>;

/** No endpoint has anything of these. */
export const isLocal = (image: string): boolean => image.startsWith('local.test/');
const blobOf = (n: number) => ({ bytes: blobs[n]!, digest: digestOf(blobs[n]!) });
const same = (a: Thing) => (b: Thing) => linkKey(a) === linkKey(b);

export async function act(actors: Actors, one: Act): Promise<void> {
  const { world, book } = actors;
  const { push, cache } = world;
  switch (one.kind) {
    case 'push':
      return pushBlob(actors, one);
    case 'image':
      return pushImage(actors, one);
    case 'mount':
      return mount(actors, one);
    case 'manifest':
      return putManifest(actors, one);
    case 'pull':
      return pullBlob(actors, one);
    case 'pullManifest':
      return pullManifest(actors, one);
    case 'removeTag': {
      const thing = { image: one.image, tag: one.tag };
      return remove(actors, thing, same(thing), () => push.removeTag(imageName(one.image), one.tag as Tag));
    }
    case 'removeManifest': {
      const thing = { image: one.image, digest: digestOf(manifests[one.manifest]!.bytes) };
      const concerns = (other: Thing) =>
        other.image === one.image && (other.tag !== undefined || other.digest === thing.digest);
      return remove(actors, thing, concerns, () => push.removeManifest(imageName(one.image), thing.digest));
    }
    case 'removeBlob': {
      const thing = { image: one.image, digest: blobOf(one.blob).digest };
      return remove(actors, thing, same(thing), () => push.removeBlob(imageName(one.image), thing.digest));
    }
    case 'purge': {
      const asked = one.hosted ? book.ask(({ image }) => image === one.image) : undefined;
      await cache.admin.purge({ image: one.image, keepsHosted: !one.hosted });
      return asked?.end();
    }
    case 'squeeze': {
      const reservation = await cache.reserve(12_000);
      await turns(one.pause);
      return reservation?.release();
    }
    case 'gc':
      await cache.admin.collect();
      return;
    case 'reload':
      return world.reload(ruleSets[one.rules]!);
  }
}

async function pushBlob({ world, book, ever }: Actors, one: Does<'push'>): Promise<void> {
  const { push } = world;
  const image = imageName(one.image);
  const mode = push.rule(image)?.mode;
  if (mode === undefined) return;
  const { bytes, digest } = blobOf(one.blob);
  const begun = await push.begin(image, 'user:a');
  if (begun.kind !== 'begun') return assert.equal(begun.kind, 'full');
  const key = { image, id: begun.upload.id, owner: 'user:a' };
  const middle = Math.floor(bytes.length / 2);
  const appending = push.append(key, {
    body: bodyOf(bytes.subarray(0, middle), one.pause, one.ends === 'left'),
    // Without its length 64 KiB would have to be free.
    ...{ start: undefined, length: middle },
  });
  if (one.ends === 'cancelled') {
    await turns(one.pause);
    assert.equal(await push.cancel(key), true);
    assert.equal(await push.status(key), undefined);
  }
  const appended = await appending;
  if (one.ends === 'cancelled' || appended.kind === 'full' || appended.kind === 'clientLeft') return;
  assert.equal(appended.kind, 'appended');
  const thing = { image: one.image, digest };
  const isRight = one.ends === 'right';
  if (isRight) ever.add(linkKey(thing));
  const question = book.ask(isRight ? same(thing) : () => false);
  const wanted = isRight ? digest : digestOf(Buffer.from('other bytes'));
  const body = bodyOf(bytes.subarray(middle), one.pause, false);
  const chunk = { body, start: undefined, length: bytes.length - middle };
  const { kind } = await push.finish(key, wanted, chunk);
  if (kind !== 'full') assert.equal(kind, isRight ? 'stored' : 'digestMismatch');
  if (kind === 'stored' && mode !== 'fill') question.promise(thing, digest);
  question.end();
}

/** As clients do it: what is listed, and then the manifest. */
async function pushImage(actors: Actors, one: Does<'image'>): Promise<void> {
  const { image, manifest } = one;
  for (const digest of manifests[manifest]!.lists) {
    const child = manifests.findIndex(({ bytes }) => digestOf(bytes) === digest);
    if (child >= 0) await pushImage(actors, { ...one, manifest: child, tag: undefined });
    const blob = blobs.findIndex((bytes) => digestOf(bytes) === digest);
    if (blob >= 0) await pushBlob(actors, { kind: 'push', image, blob, pause: 0, ends: 'right' });
  }
  return putManifest(actors, { ...one, kind: 'manifest' });
}

async function mount({ world, book, ever }: Actors, one: Does<'mount'>): Promise<void> {
  const { push } = world;
  const image = imageName(one.image);
  const mode = push.rule(image)?.mode;
  if (mode === undefined) return;
  const { digest } = blobOf(one.blob);
  const thing = { image: one.image, digest };
  const question = book.ask(same(thing));
  ever.add(linkKey(thing));
  const stored = await push.mount(image, digest, [imageName(one.from)]);
  if (stored && isLocal(one.from)) assert.ok(ever.has(linkKey({ image: one.from, digest })));
  if (stored && mode !== 'fill') question.promise(thing, digest);
  question.end();
}

async function putManifest({ world, book, ever }: Actors, one: Does<'manifest'>): Promise<void> {
  const { push, cache } = world;
  const image = imageName(one.image);
  const mode = push.rule(image)?.mode;
  if (mode === undefined) return;
  const { bytes, lists } = manifests[one.manifest]!;
  const digest = digestOf(bytes);
  const link = { image: one.image, digest };
  const tag = one.tag === undefined ? undefined : { image: one.image, tag: one.tag };
  ever.add(linkKey(link));
  const question = book.ask((thing) => same(link)(thing) || (tag !== undefined && same(tag)(thing)));
  const mediaType = lists.some((child) => manifests.some((other) => digestOf(other.bytes) === child))
    ? mediaTypes.ociIndex
    : mediaTypes.ociManifest;
  const tags = one.tag === undefined ? [] : [one.tag as Tag];
  const put = await push.putManifest(image, { bytes, mediaType, digest: undefined, tags });
  if (put.kind !== 'stored') {
    assert.ok(put.kind === 'full' || put.kind === 'unknownContent', put.kind);
    return question.end();
  }
  if (mode !== 'fill') {
    question.promise(link, digest);
    if (tag) question.promise(tag, digest);
    for (const child of lists.map((listed) => ({ image: one.image, digest: listed }))) {
      // What was fetched for it may not have found room; what clients sent has.
      if (mode === 'local' || (await cache.hosted.serves(one.image, child.digest))) {
        question.promise(child, child.digest);
      }
    }
  }
  question.end();
}

async function pullBlob(actors: Actors, one: Does<'pull'>): Promise<void> {
  const { world, ever } = actors;
  const { bytes, digest } = blobOf(one.blob);
  const thing = { image: one.image, digest };
  const known = actors.book.known(thing);
  const pulled = await world.pull.blob({ kind: 'blob', image: imageName(one.image), digest });
  if (!pulled.found) return assertUnpromised(actors, thing, known);
  if (isLocal(one.image)) assert.ok(ever.has(linkKey(thing)), 'nothing shows where nothing was pushed');
  const stream = pulled.value.open(0);
  const parts: Buffer[] = [];
  try {
    for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
      parts.push(Buffer.from(chunk));
      await turns(one.pause);
    }
    assert.ok(Buffer.concat(parts).equals(bytes), 'a whole body is right');
  } catch (error) {
    if (!actors.isGone || error instanceof assert.AssertionError) throw error;
  } finally {
    stream.close();
    pulled.value.close();
  }
}

async function pullManifest(actors: Actors, one: Does<'pullManifest'>): Promise<void> {
  const { world, book } = actors;
  const image = imageName(one.image);
  const mode = world.push.rule(image)?.mode;
  const digest = digestOf(manifests[one.manifest]!.bytes);
  const thing = { image: one.image, ...(one.tag === undefined ? { digest } : { tag: one.tag }) };
  // Without `local` or `overlay` a tag is what the registry says, though it stays hosted.
  const isOurs = mode === 'local' || mode === 'overlay';
  const known = isOurs || one.tag === undefined ? book.known(thing) : undefined;
  const parsed = parseReference(`${one.image}${one.tag === undefined ? `@${digest}` : `:${one.tag}`}`);
  assert.ok(parsed.ok);
  const reference = parsed.value as ManifestTarget['reference'];
  const pulled = await world.pull.manifest({ kind: 'manifest', image, reference });
  if (!pulled.found) return assertUnpromised(actors, thing, known);
  const { value } = pulled;
  assert.deepEqual(Buffer.from(value.bytes), contents.get(value.digest), 'the bytes of its digest');
  if (known?.is && book.known(thing) === known) assert.equal(value.digest, known.is);
}

/** It was found to be absent: nothing may have promised the contrary all the time. */
function assertUnpromised({ book, isGone }: Actors, thing: Thing, before: ReturnType<Book['known']>): void {
  const isPromised = before?.is !== undefined && book.known(thing) === before;
  assert.ok(isGone || !isPromised, `${linkKey(thing)} was promised, and is absent`);
}

async function remove(
  { book }: Actors,
  thing: Thing,
  concerns: (thing: Thing) => boolean,
  work: () => Promise<{ kind: string }>,
): Promise<void> {
  const question = book.ask(concerns);
  const { kind } = await work();
  if (isLocal(thing.image)) {
    assert.ok(kind === 'removed' || kind === 'unknown');
    question.promise(thing, undefined);
  }
  question.end();
}

async function* bodyOf(content: Uint8Array, pause: number, breaks: boolean): AsyncGenerator<Uint8Array> {
  const middle = Math.floor(content.length / 2);
  yield content.subarray(0, middle);
  await turns(pause);
  if (breaks) throw new Error('the client left');
  yield content.subarray(middle);
}
