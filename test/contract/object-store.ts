/** What every ObjectStore does. A test file of an implementation calls `objectStoreContract` with a way to open an empty one. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it, type TestContext } from 'node:test';
import type { OpenRange } from '../../src/lib/bytes/byte-range.ts';
import {
  bytesSource,
  type ObjectBody,
  type ObjectSource,
  type ObjectStore,
  StoreError,
  type StoreFault,
} from '../../src/stores/object-store.ts';

export interface OpenedObjects {
  readonly store: ObjectStore;
  /** GETs a presigned URL as a client without credentials; undefined if it is refused. */
  fetchUrl(url: string): Promise<Buffer | undefined>;
  /** Begins an upload and leaves it unfinished, as a killed process does. Without it, the store gives such uploads up by itself. */
  abandonUpload?(key: string): Promise<void>;
}

export interface ContractOptions {
  /** Bytes from which the store takes an object in parts; objects of this and of three times the size are put. */
  readonly partSize: number;
}

const all: OpenRange = { start: 0 };

/** The bytes of a body; rejects where it fails. */
export function bytesOf({ body }: ObjectBody): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  body.consume({
    data: (chunk) => chunks.push(Buffer.from(chunk)) > 0,
    end: () => resolve(Buffer.concat(chunks)),
    fail: (reason) => reject(new Error(reason)),
  });
  return promise;
}

/** For assert.rejects. */
export function isFault(kind: StoreFault): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.kind, kind, error.message);
    return true;
  };
}

/** Bytes that come only so far: then their stream rejects, as that of a damaged file does. */
function brokenSource(bytes: Buffer, failsAt: number): ObjectSource {
  const whole = bytesSource(bytes);
  return {
    ...whole,
    stream(start, end) {
      const inner = whole.stream(start, Math.min(end, failsAt));
      return {
        async next() {
          const chunk = await inner.next();
          if (chunk || end <= failsAt) return chunk;
          throw new Error('the disk cannot be read');
        },
        close: () => inner.close(),
      };
    },
  };
}

/** Registers the tests. */
export function objectStoreContract(
  name: string,
  open: (t: TestContext) => Promise<OpenedObjects>,
  { partSize }: ContractOptions,
): void {
  const get = async (store: ObjectStore, key: string, range = all) => {
    const got = await store.get(key, range);
    return got && { ...got, bytes: await bytesOf(got) };
  };
  const keysOf = async (store: ObjectStore, prefix: string) => {
    const keys: string[] = [];
    for (let from: string | undefined; ; ) {
      const page = await store.list(prefix, from);
      keys.push(...page.objects.map(({ key }) => key));
      from = page.next;
      if (from === undefined) return keys;
    }
  };

  describe(`${name} keeps the contract of ObjectStore:`, () => {
    it('an object that was never put is absent', async (t) => {
      const { store } = await open(t);
      assert.equal(await store.head('sha256/ab/none'), undefined);
      assert.equal(await store.get('sha256/ab/none', all), undefined);
      await store.delete('sha256/ab/none');
    });

    it('what was put is there whole, with its size and time', async (t) => {
      const { store } = await open(t);
      const bytes = randomBytes(12_345);
      const before = Date.now();
      assert.equal(await store.put('sha256/ab/one', bytesSource(bytes)), 'stored');
      const head = (await store.head('sha256/ab/one'))!;
      assert.equal(head.size, bytes.length);
      assert.ok(Math.abs(head.modified - before) < 3_600_000);
      const got = (await get(store, 'sha256/ab/one'))!;
      assert.deepEqual([got.start, got.end, got.size], [0, bytes.length, bytes.length]);
      assert.ok(got.bytes.equals(bytes));
    });

    it('an object can be empty', async (t) => {
      const { store } = await open(t);
      assert.equal(await store.put('empty', bytesSource(Buffer.alloc(0))), 'stored');
      assert.equal((await store.head('empty'))?.size, 0);
      const got = (await get(store, 'empty'))!;
      assert.deepEqual([got.start, got.end, got.size, got.bytes.length], [0, 0, 0, 0]);
      await assert.rejects(store.get('empty', { start: 1 }), isFault('invalid'));
    });

    it('a range gives exactly its bytes', async (t) => {
      const { store } = await open(t);
      const bytes = randomBytes(10_000);
      await store.put('ranged', bytesSource(bytes));
      for (const [start, end] of [
        [0, 1],
        [5, 9],
        [9_999, 10_000],
        [1, undefined],
        [9_000, 20_000],
      ] as const) {
        const got = (await get(store, 'ranged', { start, end }))!;
        const until = Math.min(end ?? bytes.length, bytes.length);
        assert.deepEqual([got.start, got.end, got.size], [start, until, bytes.length]);
        assert.ok(got.bytes.equals(bytes.subarray(start, until)), `${start}-${end}`);
      }
      await assert.rejects(store.get('ranged', { start: 10_000 }), isFault('invalid'));
    });

    it('a body can be paused, and cancelled', async (t) => {
      const { store } = await open(t);
      const bytes = randomBytes(300_000);
      await store.put('paused', bytesSource(bytes));
      const { body } = (await store.get('paused', all))!;
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
      const chunks: Buffer[] = [];
      body.consume({
        data(chunk) {
          chunks.push(Buffer.from(chunk));
          setImmediate(() => body.resume());
          return false;
        },
        end: () => resolve(Buffer.concat(chunks)),
        fail: (reason) => reject(new Error(reason)),
      });
      assert.ok((await promise).equals(bytes));
      (await store.get('paused', all))!.body.cancel();
      assert.equal((await store.head('paused'))?.size, bytes.length);
    });

    it('what is there with its size is put once', async (t) => {
      const { store } = await open(t);
      for (const bytes of [randomBytes(1000), randomBytes(partSize + 1)]) {
        const key = `once/${bytes.length}`;
        assert.equal(await store.put(key, bytesSource(bytes)), 'stored');
        assert.equal(await store.put(key, bytesSource(bytes)), 'present');
        assert.ok((await get(store, key))!.bytes.equals(bytes));
      }
    });

    it('what is there with another size is replaced', async (t) => {
      const { store } = await open(t);
      for (const bytes of [randomBytes(1000), randomBytes(partSize + 1)]) {
        const key = `replaced/${bytes.length}`;
        await store.put(key, bytesSource(bytes.subarray(1)));
        assert.equal(await store.put(key, bytesSource(bytes)), 'stored');
        assert.ok((await get(store, key))!.bytes.equals(bytes));
      }
    });

    it('what is there under another name, or none, is replaced', async (t) => {
      const { store } = await open(t);
      const named = (bytes: Buffer, name: string) => ({ ...bytesSource(bytes), name });
      for (const size of [1000, partSize + 1]) {
        const [wrong, bytes] = [randomBytes(size), randomBytes(size)];
        const key = `named/${size}`;
        await store.put(key, bytesSource(wrong));
        assert.equal((await store.head(key))?.name, undefined);
        assert.equal(await store.put(key, named(wrong, 'sha256:aa')), 'stored');
        assert.equal(await store.put(key, named(bytes, 'sha256:bb')), 'stored');
        assert.equal(await store.put(key, named(bytes, 'sha256:bb')), 'present');
        assert.equal((await store.head(key))?.name, 'sha256:bb');
        assert.ok((await get(store, key))!.bytes.equals(bytes));
      }
    });

    it('a large object is put in parts, and read across them', async (t) => {
      const { store } = await open(t);
      for (const size of [partSize, partSize * 3 + 7]) {
        const bytes = randomBytes(size);
        assert.equal(await store.put(`large/${size}`, bytesSource(bytes)), 'stored');
        assert.equal((await store.head(`large/${size}`))?.size, size);
        assert.ok((await get(store, `large/${size}`))!.bytes.equals(bytes));
        const range = { start: partSize - 5, end: Math.min(partSize + 5, size) };
        const got = (await get(store, `large/${size}`, range))!;
        assert.ok(got.bytes.equals(bytes.subarray(range.start, range.end)));
      }
    });

    it('of several puts at once one wins, and the object is right', async (t) => {
      const { store } = await open(t);
      const bytes = randomBytes(50_000);
      const puts = await Promise.all(Array.from({ length: 6 }, () => store.put('raced', bytesSource(bytes))));
      assert.ok(puts.includes('stored'));
      assert.ok((await get(store, 'raced'))!.bytes.equals(bytes));
    });

    it('an upload whose source fails leaves nothing behind', async (t) => {
      const { store } = await open(t);
      for (const size of [1000, partSize * 3]) {
        const source = brokenSource(randomBytes(size), size - 10);
        await assert.rejects(store.put(`torn/${size}`, source), /disk cannot be read/);
        assert.equal(await store.head(`torn/${size}`), undefined);
      }
      assert.equal(await store.abortUploads(Number.MAX_SAFE_INTEGER), 0);
    });

    it('an upload whose bytes are not those that were told is refused', async (t) => {
      const { store } = await open(t);
      const source = { ...bytesSource(randomBytes(1000)), size: 1001 };
      await assert.rejects(store.put('short', source));
      assert.equal(await store.head('short'), undefined);
    });

    it('what is deleted is absent', async (t) => {
      const { store } = await open(t);
      await store.put('gone', bytesSource(randomBytes(10)));
      await store.delete('gone');
      assert.equal(await store.head('gone'), undefined);
    });

    it('lists the keys below a prefix in their order, page by page', async (t) => {
      const { store } = await open(t);
      const keys = ['sha256/ab/1', 'sha256/ab/2', 'sha256/ac/1', 'sha512/ab/1'];
      for (const key of keys) await store.put(key, bytesSource(Buffer.from(key)));
      assert.deepEqual(await keysOf(store, 'sha256/'), keys.slice(0, 3));
      assert.deepEqual(await keysOf(store, 'sha256/ab/'), keys.slice(0, 2));
      assert.deepEqual(await keysOf(store, ''), keys);
      assert.deepEqual(await keysOf(store, 'none/'), []);
      const { objects } = await store.list('sha512/');
      assert.equal(objects[0]?.size, 11);
    });

    it('a presigned URL gives the object to a client without credentials, and only as it is', async (t) => {
      const { store, fetchUrl } = await open(t);
      const bytes = randomBytes(2000);
      await store.put('sha256/ab/signed', bytesSource(bytes));
      await store.put('sha256/ab/other', bytesSource(bytes));
      const url = await store.presign('sha256/ab/signed', 60);
      assert.ok((await fetchUrl(url))?.equals(bytes));
      assert.equal(await fetchUrl(url.replace('signed', 'other')), undefined);
    });

    it('gives up uploads that were begun long ago, and only those', async (t) => {
      const { store, abandonUpload } = await open(t);
      await store.put('kept', bytesSource(randomBytes(10)));
      if (!abandonUpload) return void assert.equal(await store.abortUploads(Date.now() + 3_600_000), 0);
      await abandonUpload('left/behind');
      assert.equal(await store.abortUploads(Date.now() - 3_600_000), 0);
      assert.equal(await store.abortUploads(Date.now() + 3_600_000, undefined, () => false), 0);
      assert.equal(await store.abortUploads(Date.now() + 3_600_000), 1);
      assert.equal(await store.abortUploads(Date.now() + 3_600_000), 0);
      assert.equal(await store.head('left/behind'), undefined);
      assert.equal((await store.head('kept'))?.size, 10);
    });

    it('rejects with the reason of the signal', async (t) => {
      const { store } = await open(t);
      const reason = new Error('the client has left');
      const signal = AbortSignal.abort(reason);
      const isReason = (error: unknown) => error === reason;
      await assert.rejects(store.head('any', signal), isReason);
      await assert.rejects(store.get('any', all, signal), isReason);
      await assert.rejects(store.put('any', bytesSource(randomBytes(10)), signal), isReason);
      await assert.rejects(store.list('', undefined, signal), isReason);
      assert.equal(await store.head('any'), undefined);
    });
  });
}
