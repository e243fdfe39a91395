/** What every BlobStore does. A test file of an implementation calls `blobStoreContract` with a way to open an empty one. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { BlobStore, Fault } from '../../src/cache/blobs/blob-store.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { digestOf, readAll } from '../unit/cache/data-folder-fixture.ts';

export interface OpenedStore {
  readonly store: BlobStore;
  /** A folder for files that are to be committed. */
  readonly incoming: string;
  /** Puts any bytes under the digest, as damage or another program would. */
  plant(digest: Digest, bytes: Uint8Array): void;
}

const never = async () => false;

/** Registers the tests. */
export function blobStoreContract(name: string, open: (t: TestContext) => OpenedStore): void {
  /** Commits the bytes from a file, and gives its path. */
  async function commit({ store, incoming }: OpenedStore, bytes: Uint8Array, digest = digestOf(bytes)) {
    const file = join(incoming, randomBytes(4).toString('hex'));
    writeFileSync(file, bytes);
    return { file, version: await store.commit(digest, bytes.length, file) };
  }

  async function verify(store: BlobStore, digest: Digest, size: number) {
    const verifying = store.verify(digest, size);
    let read = 0;
    let step: IteratorResult<number, Fault | undefined> = await verifying.next();
    for (; !step.done; step = await verifying.next()) read += step.value;
    return { read, fault: step.value?.kind };
  }

  describe(`${name} keeps the contract of BlobStore:`, () => {
    it('a content that was never stored is absent', async (t) => {
      const { store } = open(t);
      const digest = digestOf(randomBytes(8));
      assert.equal(await store.open(digest), undefined);
      assert.equal(await store.read(digest), undefined);
      assert.equal(await store.has(digest), false);
      assert.equal((await verify(store, digest, 8)).fault, 'missing');
    });

    it('what was put is there whole', async (t) => {
      const { store } = open(t);
      const bytes = randomBytes(1234);
      await store.put(digestOf(bytes), bytes);
      assert.deepEqual(Buffer.from((await store.read(digestOf(bytes)))!), bytes);
    });

    it('what was committed is there whole and in parts, and its file is gone', async (t) => {
      const opened = open(t);
      const bytes = randomBytes(3_000_001);
      const { file, version } = await commit(opened, bytes);
      assert.equal(existsSync(file), false);
      const blob = (await opened.store.open(digestOf(bytes)))!;
      assert.equal(blob.size, bytes.length);
      assert.equal(blob.version, version);
      assert.ok((await readAll(blob.stream(0, blob.size))).equals(bytes));
      assert.deepEqual(await readAll(blob.stream(5, 9)), bytes.subarray(5, 9));
      assert.deepEqual(await readAll(blob.stream(7, 7)), Buffer.alloc(0));
      blob.close();
    });

    it('a file of another size is refused, and nothing is stored', async (t) => {
      const { store, incoming } = open(t);
      const digest = digestOf(randomBytes(8));
      const file = join(incoming, 'short');
      writeFileSync(file, 'short');
      await assert.rejects(store.commit(digest, 8, file));
      assert.equal(await store.has(digest), false);
      assert.ok(existsSync(file));
    });

    it('several streams of one blob do not disturb each other', async (t) => {
      const { store } = open(t);
      const bytes = randomBytes(2_000_000);
      await store.put(digestOf(bytes), bytes);
      const blob = (await store.open(digestOf(bytes)))!;
      const starts = [0, 1, 500_000, 1_999_999];
      const all = await Promise.all(starts.map((start) => readAll(blob.stream(start, blob.size))));
      blob.close();
      for (const [n, start] of starts.entries()) assert.ok(all[n]!.equals(bytes.subarray(start)));
    });

    it('a blob that is open can be read to its end after it was removed, or stored anew', async (t) => {
      const opened = open(t);
      const { store } = opened;
      const bytes = randomBytes(900_000);
      await store.put(digestOf(bytes), bytes);
      const blob = (await store.open(digestOf(bytes)))!;
      const stream = blob.stream(0, blob.size);
      await store.remove(digestOf(bytes), never);
      assert.equal(await store.open(digestOf(bytes)), undefined);
      await commit(opened, bytes);
      blob.close();
      assert.ok((await readAll(stream)).equals(bytes));
    });

    it('a stream past the end rejects', async (t) => {
      const { store } = open(t);
      const bytes = randomBytes(10);
      await store.put(digestOf(bytes), bytes);
      const blob = (await store.open(digestOf(bytes)))!;
      await assert.rejects(readAll(blob.stream(0, 11)));
      blob.close();
    });

    it('a removal does nothing if the content is wanted again when its turn comes', async (t) => {
      const { store } = open(t);
      const bytes = randomBytes(10);
      const digest = digestOf(bytes);
      await Promise.all([store.put(digest, bytes), store.remove(digest, async () => true)]);
      assert.ok(await store.has(digest));
      await Promise.all([store.remove(digest, never), store.put(digest, bytes)]);
      assert.ok(await store.has(digest), 'what is asked for later happens later');
      await store.remove(digest, never);
      await store.remove(digest, never);
      assert.equal(await store.has(digest), false);
    });

    it('contents are listed by algorithm and first byte', async (t) => {
      const { store } = open(t);
      const bytes = randomBytes(10);
      for (const algorithm of ['sha256', 'sha512']) await store.put(digestOf(bytes, algorithm), bytes);
      const digest = digestOf(bytes, 'sha512');
      const first = Number.parseInt(digest.slice(7, 9), 16);
      assert.deepEqual((await store.list('sha512', first)).digests, [digest]);
      assert.deepEqual((await store.list('sha512', (first + 1) % 256)).digests, []);
    });

    it('verifying tells every byte that is read, and finds no fault in what is right', async (t) => {
      const { store } = open(t);
      for (const bytes of [randomBytes(2_500_000), Buffer.alloc(0)]) {
        await store.put(digestOf(bytes), bytes);
        const found = await verify(store, digestOf(bytes), bytes.length);
        assert.deepEqual(found, { read: bytes.length, fault: undefined });
        await store.makeDurable(digestOf(bytes));
      }
    });

    it('verifying finds other bytes, and another size', async (t) => {
      const opened = open(t);
      const digest = digestOf(randomBytes(10));
      opened.plant(digest, randomBytes(10));
      assert.equal((await verify(opened.store, digest, 10)).fault, 'bytes');
      assert.equal((await verify(opened.store, digest, 11)).fault, 'size');
    });

    it('a fault of bytes that were replaced meanwhile is none', async (t) => {
      const opened = open(t);
      const bytes = randomBytes(3_000_000);
      const digest = digestOf(bytes);
      opened.plant(digest, randomBytes(3_000_000));
      const verifying = opened.store.verify(digest, bytes.length);
      let step = await verifying.next();
      await commit(opened, bytes, digest);
      while (!step.done) step = await verifying.next();
      assert.equal(step.value, undefined);
    });

    it('verifying can be given up', async (t) => {
      const { store } = open(t);
      const bytes = randomBytes(3_000_000);
      await store.put(digestOf(bytes), bytes);
      const verifying = store.verify(digestOf(bytes), bytes.length);
      await verifying.next();
      assert.equal((await verifying.return(undefined)).done, true);
    });

    it('the version changes with the bytes, and only then', async (t) => {
      const opened = open(t);
      const bytes = randomBytes(100);
      const digest = digestOf(bytes);
      const { version } = await commit(opened, bytes);
      const now = async () => {
        const blob = (await opened.store.open(digest))!;
        blob.close();
        return blob.version;
      };
      assert.equal(await now(), version);
      opened.plant(digest, randomBytes(100));
      assert.notEqual(await now(), version);
    });

    it('an open blob knows whether its digest still stands for it', async (t) => {
      const opened = open(t);
      const bytes = randomBytes(100);
      await commit(opened, bytes);
      const blob = (await opened.store.open(digestOf(bytes)))!;
      assert.equal(await blob.isCurrent(), true);
      await opened.store.remove(digestOf(bytes), never);
      assert.equal(await blob.isCurrent(), false);
      await commit(opened, bytes);
      assert.equal(await blob.isCurrent(), false);
      blob.close();
    });

    it('there is space, of a known size or without bound', (t) => {
      const { free, size } = open(t).store.space();
      assert.ok(free > 0 && size >= free);
    });
  });
}
