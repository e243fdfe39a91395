/**
 * An ObjectStore in memory, which can be told to fail:
 *
 *   unreachable, throttled, refused ... every call fails so (`StoreError`)
 *   silent ............................ a call is not answered until its signal aborts
 *   wrong bytes, cut .................. a GET gives other bytes, or ends in the middle with a failure
 */
import { randomUUID } from 'node:crypto';
import type { OpenRange } from '../../src/lib/bytes/byte-range.ts';
import type { BodySink, PushedBody } from '../../src/lib/bytes/pushed-body.ts';
import {
  type ObjectBody,
  type ObjectSource,
  type ObjectStore,
  StoreError,
} from '../../src/stores/object-store.ts';

export type Trouble =
  | 'unreachable'
  | 'throttled'
  | 'refused'
  | 'silent'
  | 'wrong bytes'
  | { readonly cutAt: number };

export interface MemoryObjects {
  readonly store: ObjectStore;
  readonly objects: Map<string, Buffer>;
  /** Names of the methods that were called with their keys, such as `get sha256/ab/...`. */
  readonly calls: string[];
  /** From the next call on; undefined ends it. */
  fail(trouble: Trouble | undefined): void;
  /** The bytes at a URL of `presign`; undefined if it was not made by this store. */
  fetchUrl(url: string): Promise<Buffer | undefined>;
  abandonUpload(key: string): Promise<void>;
}

/** Milliseconds. */
const throttledFor = 2000;
/** Bytes of a chunk that a body delivers at once. */
const chunkSize = 64 * 1024;
const pageSize = 2;

/** An empty one. `now`: its clock, epoch ms; an object was modified when it was put. */
export function createMemoryObjects(name = 'memory', now: () => number = Date.now): MemoryObjects {
  const objects = new Map<string, Buffer>();
  const modified = new Map<string, number>();
  const names = new Map<string, string>();
  const uploads = new Map<string, number>();
  const urls = new Map<string, string>();
  const calls: string[] = [];
  let trouble: Trouble | undefined;

  /** Every call comes through here. */
  async function begin(call: string, signal: AbortSignal | undefined): Promise<void> {
    calls.push(call);
    signal?.throwIfAborted();
    switch (trouble) {
      case 'unreachable':
        throw new StoreError('unreachable', `${name}: answered 503`);
      case 'throttled':
        throw new StoreError('throttled', `${name}: asks to slow down`, { retryAfter: throttledFor });
      case 'refused':
        throw new StoreError('refused', `${name}: the credentials have expired`);
      case 'silent': {
        const { promise, reject } = Promise.withResolvers<never>();
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
        return promise;
      }
      default:
    }
  }

  async function read(source: ObjectSource, signal: AbortSignal | undefined): Promise<Buffer> {
    const stream = source.stream(0, source.size);
    const chunks: Buffer[] = [];
    try {
      for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
        signal?.throwIfAborted();
        chunks.push(Buffer.from(chunk));
      }
    } finally {
      stream.close();
    }
    const bytes = Buffer.concat(chunks);
    if (bytes.length !== source.size) throw new Error(`${bytes.length} bytes came, not ${source.size}`);
    return bytes;
  }

  const infoOf = (key: string) => {
    const bytes = objects.get(key);
    const known = names.get(key);
    const info = { size: bytes?.length ?? 0, modified: modified.get(key) ?? 0 };
    return bytes && { ...info, ...(known !== undefined && { name: known }) };
  };

  const store: ObjectStore = {
    name,

    async head(key, signal) {
      await begin(`head ${key}`, signal);
      return infoOf(key);
    },

    async get(key, range, signal) {
      await begin(`get ${key}`, signal);
      const bytes = objects.get(key);
      return bytes && bodyOf(bytes, range, trouble);
    },

    async put(key, source, signal) {
      await begin(`put ${key}`, signal);
      const { size, name: wanted } = source;
      const isNamed = wanted === undefined || names.get(key) === wanted;
      if (objects.get(key)?.length === size && isNamed) return 'present';
      const bytes = await read(source, signal);
      objects.set(key, bytes);
      modified.set(key, now());
      if (wanted === undefined) names.delete(key);
      else names.set(key, wanted);
      return 'stored';
    },

    async delete(key, signal) {
      await begin(`delete ${key}`, signal);
      objects.delete(key);
    },

    async list(prefix, from, signal) {
      await begin(`list ${prefix}`, signal);
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix)).toSorted();
      const left = keys.filter((key) => from === undefined || key > from);
      const page = left.slice(0, pageSize);
      return {
        objects: page.map((key) => ({ key, ...(infoOf(key) ?? { size: 0, modified: 0 }) })),
        next: left.length > page.length ? page.at(-1) : undefined,
      };
    },

    async abortUploads(before, signal, isOurs = () => true) {
      await begin('abortUploads', signal);
      const old = [...uploads].filter(([key, begun]) => begun < before && isOurs(key));
      for (const [key] of old) uploads.delete(key);
      return old.length;
    },

    async presign(key, seconds) {
      await begin(`presign ${key}`, undefined);
      const url = `https://${name}.test/${key}?seconds=${seconds}&signature=${randomUUID()}`;
      urls.set(url, key);
      return url;
    },

    async close() {},
  };

  return {
    store,
    objects,
    calls,
    fail: (next) => {
      trouble = next;
    },
    fetchUrl: async (url) => objects.get(urls.get(url) ?? ''),
    abandonUpload: async (key) => void uploads.set(key, Date.now()),
  };
}

function bodyOf(bytes: Buffer, range: OpenRange, trouble: Trouble | undefined): ObjectBody {
  const size = bytes.length;
  const { start } = range;
  const end = Math.min(range.end ?? size, size);
  if (start > 0 && start >= size) throw new StoreError('invalid', `the range begins at ${start} of ${size}`);
  const wanted = bytes.subarray(start, end);
  const sent = trouble === 'wrong bytes' ? Buffer.alloc(wanted.length, 0x21) : wanted;
  const cutAt = typeof trouble === 'object' ? trouble.cutAt : undefined;
  return { start, end, size, body: pushed(sent, cutAt) };
}

/** Fails where `cutAt` bytes of it were delivered. */
function pushed(bytes: Buffer, cutAt: number | undefined): PushedBody {
  const until = Math.min(cutAt ?? bytes.length, bytes.length);
  let at = 0;
  let sink: BodySink | undefined;
  let isPaused = false;
  let isOver = false;

  function step(): void {
    if (!sink || isPaused || isOver) return;
    if (at < until) {
      const chunk = Buffer.from(bytes.subarray(at, Math.min(at + chunkSize, until)));
      at += chunk.length;
      if (!sink.data(chunk)) isPaused = true;
      setImmediate(step);
      return;
    }
    isOver = true;
    if (cutAt === undefined) sink.end();
    else sink.fail('connection closed before the answer was complete');
  }

  return {
    consume(given) {
      sink = given;
      setImmediate(step);
    },
    resume() {
      isPaused = false;
      setImmediate(step);
    },
    cancel() {
      isOver = true;
    },
  };
}
