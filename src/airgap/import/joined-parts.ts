/**
 * Blobs that are cut into parts, each in another volume. The bundle says the size of each part, so each is written at its place in one
 * sparse file, in any order; the whole is hashed when the last one is there.
 */
import { access, rm } from 'node:fs/promises';
import type { Hasher } from '../../lib/bytes/hasher.ts';
import { writeFileSafely } from '../../lib/safe-write.ts';
import { type Digest, digestAlgorithm } from '../../oci/digest.ts';
import type { Room } from './room.ts';
import { checked, checkPart, type Incoming, type Stage } from './stage.ts';

export interface JoiningDeps extends Pick<Stage, 'find'> {
  /** Of the joined content. */
  pathOf(digest: Digest): string;
  /** Writes the body at `at` of the file, flushed. */
  write(path: string, incoming: Incoming, at: number, onWritten: (bytes: number) => void): Promise<void>;
  /** Gives a hashed file the name of its digest. */
  place(from: string, digest: Digest): Promise<void>;
  readonly room: Pick<Room, 'hold' | 'expect'>;
  readonly hasher: Pick<Hasher, 'begin'>;
}

/** The file that says that part `at` (from 0) of the content at `path` is in its sparse file. */
export function joiningMark(path: string, at: number): string {
  return `${path}.joining.${at}`;
}

/** Takes one part (`Stage.takePart`). */
export function createJoining({ pathOf, find, write, place, room, hasher }: JoiningDeps): Stage['takePart'] {
  return async (incoming, blob, part) => {
    checkPart(incoming, blob, part);
    const { digest, size, parts } = blob;
    const path = `${pathOf(digest)}.joining`;
    const markOf = (at: number) => joiningMark(pathOf(digest), at);

    async function storePart(): Promise<void> {
      // For the whole blob: a part far behind makes a file that no disk has.
      const came = await Promise.all(parts.map((_, at) => exists(markOf(at))));
      const missing = parts.reduce((sum, one, at) => sum + (came[at] ? 0 : one.size), 0);
      await room.expect(missing, `${incoming.path} of ${incoming.file}`);
      const hold = await room.hold(incoming);
      const before = parts.slice(0, part).reduce((sum, one) => sum + one.size, 0);
      try {
        await write(path, incoming, before, hold.wrote);
        writeFileSafely(markOf(part), '');
        hold.keepFor(digest);
      } catch (error) {
        hold.release();
        throw error;
      }
    }

    async function removeFiles(): Promise<void> {
      // The marks first: without the file they would tell of parts that are not there.
      for (const at of parts.keys()) await rm(markOf(at), { force: true });
      await rm(path, { force: true });
    }

    if (await find(digest)) return;
    if (!((await exists(path)) && (await exists(markOf(part))))) await storePart();
    for (const at of parts.keys()) if (!(await exists(markOf(at)))) return;
    const algorithm = digestAlgorithm(digest);
    const found = `${algorithm}:${await hasher.begin(path, algorithm).finish(size)}`;
    if (found !== digest) {
      await removeFiles();
      checked({ ...incoming, path: `the blob of ${incoming.path}` }, found, digest);
    }
    await place(path, digest);
    await removeFiles();
  };
}

/** Whether there is such a file. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
