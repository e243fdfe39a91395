/**
 * Contents as files: `content-v1/sha256/ab/abcdef...`. A file gets its name only when it is whole and on the disk:
 *
 *   write into incoming -> fsync -> rename -> fsync of the folder      (then the caller writes the index row)
 *
 * so a name that is there after a kill or a power cut has the right bytes behind it.
 */
import { close, fstatSync, open as openFd, statSync } from 'node:fs';
import {
  access,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  unlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BufferPool } from '../../lib/bytes/buffer-pool.ts';
import { Turns } from '../../lib/flow/keyed-lock.ts';
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
import type { BlobStore, StoredFile } from './blob-store.ts';
import { StoredFileStream } from './stored-file-stream.ts';

export interface DiskStoreOptions {
  /** What files are read into. */
  readonly buffers: BufferPool;
  /** `content-v1`; must exist. */
  readonly content: string;
  /** On the same file system; must exist. */
  readonly incoming: IncomingFolder;
  /** A file that was opened did not give what it should. */
  readonly onFault: (digest: Digest, error: Error) => void;
}

export function createDiskStore({ buffers, content, incoming, onFault }: DiskStoreOptions): BlobStore {
  const turns = new Turns();
  /** Folders that exist and are named on the disk, or are about to be. */
  const lasting = new Map<string, Promise<void>>();

  const shard = (algorithm: DigestAlgorithm, first: string) => join(content, algorithm, first);
  const folderOf = (digest: Digest) => shard(digestAlgorithm(digest), digestHex(digest).slice(0, 2));
  const pathOf = (digest: Digest) => join(folderOf(digest), digestHex(digest));

  /**
   * The folder of the digest, there to stay. All who need it wait for the same flush of what is above it: to find it made
   * is not enough.
   */
  async function lastingFolder(digest: Digest): Promise<string> {
    const folder = folderOf(digest);
    const make = async () => {
      await mkdir(folder, { recursive: true });
      await syncPath(dirname(folder));
      await syncPath(content);
    };
    const made = lasting.get(folder) ?? make();
    lasting.set(folder, made);
    made.catch(() => lasting.delete(folder));
    await made;
    return folder;
  }

  /** Renames what is on the disk already, and makes the new name last. */
  async function place(digest: Digest, file: string): Promise<void> {
    let folder = await lastingFolder(digest);
    try {
      await rename(file, pathOf(digest));
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
      // Somebody has removed it since.
      lasting.delete(folder);
      folder = await lastingFolder(digest);
      await rename(file, pathOf(digest));
    }
    await syncPath(folder);
  }

  return {
    async open(digest) {
      const path = pathOf(digest);
      const fd = await openForRead(path);
      if (fd === undefined) return undefined;
      // Opening has brought the inode into memory: this call does not wait for the disk.
      const { size, mtimeMs, ctimeMs, ino } = fstatSync(fd);
      let users = 1;
      const release = () => {
        users -= 1;
        if (users === 0) close(fd);
      };
      let isClosed = false;
      const file: StoredFile = {
        path,
        size,
        modified: Math.trunc(mtimeMs),
        changed: ctimeMs,
        isCurrent: () => statSync(path, { throwIfNoEntry: false })?.ino === ino,
        stream(start, end) {
          users += 1;
          const fault = (error: Error) => {
            if (file.isCurrent()) onFault(digest, error);
          };
          return new StoredFileStream({ fd, path, buffers, release, onFault: fault }, start, end);
        },
        close() {
          if (isClosed) return;
          isClosed = true;
          release();
        },
      };
      return file;
    },
    async read(digest) {
      try {
        return await readFile(pathOf(digest));
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    write(digest, bytes) {
      return turns.take(digest, async () => {
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
          await place(digest, file);
        } catch (error) {
          await rm(file, { force: true });
          throw error;
        }
      });
    },
    adopt(digest, size, file) {
      return turns.take(digest, async () => {
        await withFile(file, 'r+', async (handle) => {
          const found = (await handle.stat()).size;
          if (found !== size) throw new Error(`${file} has ${found} bytes, ${digest} should have ${size}`);
          await handle.sync();
        });
        await place(digest, file);
      });
    },
    async flush(digest) {
      await syncPath(pathOf(digest));
      await syncPath(await lastingFolder(digest));
    },
    remove(digest, isWanted) {
      return turns.take(digest, async () => {
        if (isWanted()) return;
        // Not `rm`, which asks first what it is: twice the work, ten thousand times.
        await unlink(pathOf(digest)).catch((error: unknown) => {
          if (systemCode(error) !== 'ENOENT') throw error;
        });
      });
    },
    async filesIn(algorithm, first) {
      const prefix = first.toString(16).padStart(2, '0');
      const names = await readdir(shard(algorithm, prefix)).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT') return [];
        throw error;
      });
      const digests = names
        .filter((name) => name.startsWith(prefix))
        .map((name) => parseDigest(`${algorithm}:${name}`))
        .filter((digest) => digest !== undefined);
      return { digests, foreign: names.length - digests.length };
    },
    async has(digest) {
      return access(pathOf(digest)).then(
        () => true,
        (error: unknown) => systemCode(error) !== 'ENOENT',
      );
    },
  };
}

/** Callbacks on a bare descriptor: a FileHandle costs several times as much for a small blob. */
function openForRead(path: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    openFd(path, 'r', (error, fd) => {
      if (!error) resolve(fd);
      else if (error.code === 'ENOENT') resolve(undefined);
      else reject(error);
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

/** Whether the file system refused a write for want of room, of whatever kind: bytes, inodes, a quota. */
export function isNoRoom(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '');
}

/** Whether a stored file is to blame that it cannot be opened, and not the moment (too many open files). */
export function isUnreadable(error: unknown): boolean {
  const code = systemCode(error);
  return code !== undefined && !['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'ENOENT'].includes(code);
}
