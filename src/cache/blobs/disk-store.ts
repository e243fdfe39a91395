/**
 * Contents as files: `content-v1/sha256/ab/abcdef...`. A file gets its name only when it is whole and on the disk:
 *
 *   write into incoming -> fsync -> rename -> fsync of the folder      (then the caller writes the index row)
 *
 * so a name that is there after a kill or a power cut has the right bytes behind it.
 */
import { close, fstatSync, open as openFd } from 'node:fs';
import {
  access,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  unlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BufferPool } from '../../lib/bytes/buffer-pool.ts';
import { createHasher, type Hasher } from '../../lib/bytes/hasher.ts';
import { freeOnDisk, sizeOfDisk } from '../../lib/disk-space.ts';
import { KeyedLock } from '../../lib/flow/keyed-lock.ts';
import { syncPath } from '../../lib/sync-path.ts';
import { systemCode } from '../../lib/thrown.ts';
import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestHex,
  parseDigest,
} from '../../oci/digest.ts';
import type { IncomingFolder } from '../incoming/incoming-folder.ts';
import { type BlobStore, type Fault, type Space, UnreadableContent, type Version } from './blob-store.ts';
import { StoredFile } from './stored-file.ts';

export interface DiskStoreOptions {
  /** What files are read into. */
  readonly buffers: BufferPool;
  /** `content-v1`; must exist. */
  readonly content: string;
  /** On the same file system; must exist. */
  readonly incoming: IncomingFolder;
  /** Bytes free for this process on the file system of the folder. */
  readonly freeBytes?: ((folder: string) => number) | undefined;
}

/** Bytes that `verify` hashes at once. */
const step = 1024 * 1024;

/** See the head of the file. */
export class DiskStore implements BlobStore {
  readonly #options: DiskStoreOptions;
  readonly #locks = new KeyedLock();
  /** For `verify` alone, so that it never keeps a transfer waiting. Its thread starts with the first use. */
  readonly #hasher: Hasher = createHasher();
  /** Folders that exist and are named on the disk, or are about to be. */
  readonly #lasting = new Map<string, Promise<void>>();

  constructor(options: DiskStoreOptions) {
    this.#options = options;
  }

  async open(digest: Digest): Promise<StoredFile | undefined> {
    const path = this.#path(digest);
    const fd = await openForRead(path);
    if (fd === undefined) return undefined;
    // Opening has brought the inode into memory: this call does not wait for the disk.
    const { size, mtimeMs, ctimeMs, ino } = fstatSync(fd);
    const { buffers } = this.#options;
    return new StoredFile(fd, {
      path,
      buffers,
      ino,
      size,
      modified: Math.trunc(mtimeMs),
      version: versionOf(ino, ctimeMs),
      release: () => close(fd),
    });
  }

  async read(digest: Digest): Promise<Buffer | undefined> {
    try {
      return await readFile(this.#path(digest));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw explained(error);
    }
  }

  has(digest: Digest): Promise<boolean> {
    return access(this.#path(digest)).then(
      () => true,
      (error: unknown) => systemCode(error) !== 'ENOENT',
    );
  }

  put(digest: Digest, bytes: Uint8Array): Promise<void> {
    const { incoming } = this.#options;
    return this.#locks.run(digest, async () => {
      const file = incoming.pathForWrite(digest);
      const fill = async (handle: FileHandle) => {
        await handle.writeFile(bytes);
        await handle.sync();
      };
      try {
        await withFile(file, 'wx', fill).catch(async (error: unknown) => {
          if (systemCode(error) !== 'ENOENT') throw error;
          // The folder was removed while this process runs.
          await incoming.make();
          await withFile(file, 'wx', fill);
        });
        await this.#place(digest, file);
      } catch (error) {
        await rm(file, { force: true });
        throw error;
      }
    });
  }

  commit(digest: Digest, size: number, file: string): Promise<Version> {
    return this.#locks.run(digest, async () => {
      await withFile(file, 'r+', async (handle) => {
        const found = (await handle.stat()).size;
        if (found !== size) throw new Error(`${file} has ${found} bytes, ${digest} should have ${size}`);
        await handle.sync();
      });
      await this.#place(digest, file);
      const { ino, ctimeMs } = await stat(this.#path(digest));
      return versionOf(ino, ctimeMs);
    });
  }

  async makeDurable(digest: Digest): Promise<void> {
    await syncPath(this.#path(digest));
    await syncPath(await this.#lastingFolder(digest));
  }

  remove(digest: Digest, isWanted: () => Promise<boolean>): Promise<void> {
    return this.#locks.run(digest, async () => {
      if (await isWanted()) return;
      // Not `rm`, which asks first what it is: twice the work, ten thousand times.
      await unlink(this.#path(digest)).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw error;
      });
    });
  }

  async list(algorithm: DigestAlgorithm, first: number): Promise<{ digests: Digest[]; foreign: number }> {
    const prefix = first.toString(16).padStart(2, '0');
    const names = await readdir(this.#shard(algorithm, prefix)).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return [];
      throw explained(error);
    });
    const digests = names
      .filter((name) => name.startsWith(prefix))
      .map((name) => parseDigest(`${algorithm}:${name}`))
      .filter((digest) => digest !== undefined);
    return { digests, foreign: names.length - digests.length };
  }

  async *verify(digest: Digest, size: number): AsyncGenerator<number, Fault | undefined> {
    const file = await this.open(digest);
    if (!file) {
      return (await this.has(digest)) ? undefined : { kind: 'missing', reason: 'its file is missing' };
    }
    try {
      const fault: Fault | undefined =
        file.size === size
          ? yield* this.#hash(digest, size)
          : { kind: 'size', reason: `its file has ${file.size} bytes, not ${size}` };
      return fault && (await file.isCurrent()) ? fault : undefined;
    } finally {
      file.close();
    }
  }

  async *#hash(digest: Digest, size: number): AsyncGenerator<number, Fault | undefined> {
    const hash = this.#hasher.begin(this.#path(digest), digestAlgorithm(digest));
    try {
      for (let at = 0; at < size; ) {
        const bytes = Math.min(step, size - at);
        at += bytes;
        yield bytes;
        await hash.reach(at);
      }
      if ((await hash.finish(size)) === digestHex(digest)) return undefined;
      return { kind: 'bytes', reason: 'its file has other bytes' };
    } catch (error) {
      if (systemCode(error) !== 'EIO') throw explained(error);
      return { kind: 'device', reason: `its file cannot be read: ${(error as Error).message}` };
    } finally {
      hash.abandon();
    }
  }

  space(): Space {
    const { content, freeBytes = freeOnDisk } = this.#options;
    // `content-v1` itself may have been removed while this process runs.
    const above = dirname(content);
    return { free: freeBytes(above), size: sizeOfDisk(above) };
  }

  close(): Promise<void> {
    return this.#hasher.close();
  }

  #shard(algorithm: DigestAlgorithm, first: string): string {
    return join(this.#options.content, algorithm, first);
  }

  #folder(digest: Digest): string {
    return this.#shard(digestAlgorithm(digest), digestHex(digest).slice(0, 2));
  }

  #path(digest: Digest): string {
    return join(this.#folder(digest), digestHex(digest));
  }

  /** The folder of the digest, durable. All callers wait for the same flush of the folders above: that it exists is not enough. */
  async #lastingFolder(digest: Digest): Promise<string> {
    const folder = this.#folder(digest);
    const make = async () => {
      await mkdir(folder, { recursive: true });
      await syncPath(dirname(folder));
      await syncPath(this.#options.content);
    };
    const made = this.#lasting.get(folder) ?? make();
    this.#lasting.set(folder, made);
    made.catch(() => this.#lasting.delete(folder));
    await made;
    return folder;
  }

  /** Renames a file that is on the disk already, and makes the new name durable. */
  async #place(digest: Digest, file: string): Promise<void> {
    let folder = await this.#lastingFolder(digest);
    try {
      await rename(file, this.#path(digest));
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      // The folder was removed while this process runs.
      this.#lasting.delete(folder);
      folder = await this.#lastingFolder(digest);
      await rename(file, this.#path(digest));
    }
    await syncPath(folder);
  }
}

function versionOf(ino: number, ctimeMs: number): Version {
  return `${ino}:${ctimeMs}`;
}

/** Callbacks on a bare descriptor: a FileHandle costs several times as much for a small blob. */
function openForRead(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    openFd(path, 'r', (error, fd) => {
      if (!error) resolve(fd);
      else if (error.code === 'ENOENT') resolve(undefined);
      else reject(explained(error));
    });
  });
}

async function withFile(
  path: string,
  flags: string,
  work: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await open(path, flags, 0o660);
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
}

/** Codes of errors that pass: they say nothing about the file. */
const passing = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'ENOENT'];

/** UnreadableContent if the file is the cause of the error. */
function explained(error: unknown): unknown {
  const code = systemCode(error);
  if (code === undefined || passing.includes(code)) return error;
  return new UnreadableContent((error as Error).message, { cause: error });
}
