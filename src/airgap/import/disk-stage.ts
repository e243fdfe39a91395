/**
 * Contents that came and were hashed, in the folder `imports/` of the data folder, until an image is whole. A kill leaves it as it is, and
 * the next import goes on from there.
 *
 *   sha256-HEX ............. a content that was hashed and flushed before it got this name
 *   sha256-HEX.shown ....... its bytes came and went into the store: {"size", "isGzip"}. It counts for as long as they are there
 *   sha256-HEX.joining ..... a sparse file for the parts of a blob; sha256-HEX.joining.N: part N is in it, and flushed
 *   N.writing .............. on its way in; swept if it was left behind
 *
 * What is in the store already is hashed all the same and not written again: an image may link only content whose bytes came with it.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../cache/data-folder.ts';
import type { HostedContent } from '../../cache/hosted-content.ts';
import type { Hasher } from '../../lib/bytes/hasher.ts';
import type { Clock } from '../../lib/clock.ts';
import { isNoRoom } from '../../lib/disk-space.ts';
import { writeFileSafely } from '../../lib/safe-write.ts';
import { syncPath } from '../../lib/sync-path.ts';
import { systemCode } from '../../lib/thrown.ts';
import { type Digest, digestAlgorithm } from '../../oci/digest.ts';
import { createJoining, exists, joiningMark } from './joined-parts.ts';
import { createRoom } from './room.ts';
import {
  beginsAsGzip,
  checked,
  hashIncoming,
  type Incoming,
  type Stage,
  type Staged,
  smallBytes,
} from './stage.ts';

export interface DiskStageDeps {
  readonly content: Pick<HostedContent, 'reserve' | 'writeFailed' | 'isPlaced'>;
  readonly isStored: (digest: Digest) => Promise<boolean>;
  readonly hasher: Hasher;
  readonly clock: Clock;
}

export interface DiskStage extends Stage {
  /** The file of a content that is here; undefined where its bytes are in the store by now. */
  file(digest: Digest): Promise<string | undefined>;
  /** Notes that the file is about to go into the store: the digest counts as having come all the same. */
  show(digest: Digest): Promise<void>;
  /** Gives back the room that is held for a content, or for all. */
  release(digest?: Digest): void;
  /** Removes all contents. */
  clear(): Promise<void>;
  /** Removes what no import has completed for 14 days. Not while something comes in. */
  sweep(): Promise<void>;
}

/** Bytes that are written at once. */
const batch = 1024 * 1024;
/** ms after which what no import has completed is removed. */
const maxAge = 14 * 24 * 3_600_000;
const contentName = /^sha(?:256|384|512)-[a-f0-9]+(?:\.(?:shown|joining(?:\.[0-9]+)?))?$/;
const writingName = /^[0-9]+\.writing$/;

/** Makes the folder and tidies it. Call it while this process holds the data folder. */
export async function openDiskStage(deps: DiskStageDeps, folder: string): Promise<DiskStage> {
  makeFolder(folder);
  const { content, clock } = deps;
  await sweep(folder, clock.now());
  const room = createRoom(content, folder);
  let writes = 0;
  const pathOf = (digest: Digest) => join(folder, digest.replace(':', '-'));

  /** Writes the body behind `at`, flushed. */
  async function write(path: string, incoming: Incoming, at: number, onWritten: (bytes: number) => void) {
    const handle = await open(path, constants.O_CREAT | constants.O_WRONLY, 0o660);
    try {
      await writeBody(handle, incoming, at, onWritten);
      await handle.sync();
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      content.writeFailed(error);
      throw room.lacking(incoming);
    } finally {
      await handle.close();
    }
  }

  async function find(digest: Digest): Promise<Staged | undefined> {
    const path = pathOf(digest);
    const handle = await open(path, 'r').catch(ifMissing);
    if (!handle) {
      const shown = await readFile(`${path}.shown`, 'utf8').catch(ifMissing);
      // It may have been evicted, purged or found damaged since.
      const isKept =
        shown !== undefined && ((await deps.isStored(digest)) || (await content.isPlaced(digest)));
      return isKept ? (JSON.parse(shown) as Staged) : undefined;
    }
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
      return { size: (await handle.stat()).size, isGzip: beginsAsGzip(buffer.subarray(0, bytesRead)) };
    } finally {
      await handle.close();
    }
  }

  async function show(digest: Digest, staged: Staged | undefined): Promise<void> {
    writeFileSafely(`${pathOf(digest)}.shown`, JSON.stringify(staged));
  }

  async function place(from: string, digest: Digest): Promise<void> {
    await rename(from, pathOf(digest));
    await syncPath(folder);
  }

  async function take(incoming: Incoming, wanted: Digest | undefined): Promise<Digest> {
    const { size } = incoming;
    // What is small is read from its file while images are put together, and a bucket may have lost what it had.
    const isHere =
      wanted && ((await exists(pathOf(wanted))) || (size > smallBytes && (await deps.isStored(wanted))));
    if (isHere) {
      let first: Uint8Array | undefined;
      const digest = await hashIncoming(incoming, wanted, (chunk) => {
        first ??= chunk;
      });
      if (!(await find(digest)))
        await show(digest, { size, isGzip: beginsAsGzip(first ?? new Uint8Array()) });
      return digest;
    }
    writes += 1;
    const path = join(folder, `${writes}.writing`);
    const hold = await room.hold(incoming);
    try {
      await write(path, incoming, 0, hold.wrote);
      const algorithm = wanted === undefined ? 'sha256' : digestAlgorithm(wanted);
      const hex = await deps.hasher.begin(path, algorithm).finish(size);
      const digest = checked(incoming, `${algorithm}:${hex}`, wanted);
      await place(path, digest);
      hold.keepFor(digest);
      return digest;
    } catch (error) {
      hold.release();
      await rm(path, { force: true });
      throw error;
    }
  }

  return {
    expect: room.expect,
    take,
    takePart: createJoining({ pathOf, find, write, place, room, hasher: deps.hasher }),
    find,
    async read(digest) {
      const { size } = (await find(digest)) ?? { size: 0 };
      return size > smallBytes ? undefined : await readFile(pathOf(digest)).catch(ifMissing);
    },
    hasPart: (digest, part) => exists(joiningMark(pathOf(digest), part)),
    async file(digest) {
      return (await exists(pathOf(digest))) ? pathOf(digest) : undefined;
    },
    show: async (digest) => show(digest, await find(digest)),
    release: room.release,
    async clear() {
      room.release();
      for (const name of await readdir(folder))
        if (contentName.test(name)) await rm(join(folder, name), { force: true });
    },
    sweep: () => sweep(folder, clock.now()),
  };
}

/** A power cut or a kill left them, or no import has asked for them for long. */
async function sweep(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const isOld = contentName.test(name) && now - (await stat(path)).mtimeMs > maxAge;
    if (isOld || writingName.test(name) || name.endsWith('.tmp')) await rm(path, { force: true });
  }
}

async function writeBody(
  handle: FileHandle,
  { bytes }: Incoming,
  from: number,
  onWritten: (bytes: number) => void,
): Promise<void> {
  let at = from;
  let waiting: Uint8Array[] = [];
  let size = 0;
  const flush = async () => {
    const joined = waiting.length === 1 && waiting[0] ? waiting[0] : Buffer.concat(waiting);
    for (let done = 0; done < joined.length; ) {
      const { bytesWritten } = await handle.write(joined, done, joined.length - done, at + done);
      done += bytesWritten;
    }
    at += joined.length;
    onWritten(joined.length);
    waiting = [];
    size = 0;
  };
  for await (const chunk of bytes) {
    waiting.push(chunk);
    size += chunk.length;
    if (size >= batch) await flush();
  }
  if (size > 0) await flush();
}

function ifMissing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error;
}
