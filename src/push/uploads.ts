/**
 * Upload sessions: blobs on their way in. A session belongs to one image and one owner, grows by one request at a time, and ends
 * by its digest, by its client, or after a day without a byte.
 *
 *   begin -> append ... -> finish -> verified file, handed to `commit`
 *              |  \-> outOfOrder, sizeMismatch, full, clientLeft: the session stays, and says how far it is
 *              \----> digestMismatch, cancel, expiry: the session and its bytes go
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import type { ImageName } from '../routing/target.ts';
import { createIdleSweep } from './idle-sweep.ts';
import { isNoRoom } from './no-room.ts';
import type { Chunk, UploadFailure, UploadKey, UploadState } from './push.ts';
import { boundUploads, isIdle } from './upload-bounds.ts';
import { createUploadFile, listUploadFiles } from './upload-file.ts';
import { UploadSession, type UploadSessionDeps } from './upload-session.ts';

export interface UploadsDeps extends Omit<UploadSessionDeps, 'folder'> {
  /** What the ids of new sessions end with, by which other replicas find this one. Default: nothing. */
  readonly homeMark?: () => string;
  /** A session was dropped by expiry, or could not be kept. */
  onDropped(upload: {
    readonly id: string;
    readonly image: string;
    readonly size: number;
    readonly reason: string;
  }): void;
  /** The files of a session could not be removed. */
  onFailed(error: unknown): void;
}

export interface UploadUsage {
  readonly uploads: number;
  /** That have come. */
  readonly bytes: number;
}

export interface Uploads {
  /** `algorithm`: of the digest that will come; SHA-256 where the client does not say. */
  begin(
    image: ImageName,
    owner: string,
    algorithm: DigestAlgorithm | undefined,
  ): Promise<{ readonly kind: 'begun'; readonly upload: UploadState } | UploadFailure>;
  status(key: UploadKey): UploadState | undefined;
  append(
    key: UploadKey,
    chunk: Chunk,
  ): Promise<{ readonly kind: 'appended'; readonly upload: UploadState } | UploadFailure>;
  /** `commit` takes the verified file. The session is over when this resolves with `stored`. */
  finish(
    key: UploadKey,
    digest: Digest,
    chunk: Chunk,
    commit: (file: string, size: number) => Promise<void>,
  ): Promise<{ readonly kind: 'stored' } | UploadFailure>;
  /** A request that is writing to it ends. False: there is no such session, or its blob has just been stored. */
  cancel(key: UploadKey): Promise<boolean>;
  /** Sessions, and their bytes. */
  usage(): UploadUsage;
  /** Keeps what has come for the next start. */
  close(): void;
}

const idleFor = 24 * 3_600_000;

/** Opens the sessions of `folder`, which is made where it is missing. Rejects with what the file system says. */
export async function openUploads(deps: UploadsDeps, folder: string): Promise<Uploads> {
  const { clock, content, onDropped, onFailed, homeMark = () => '' } = deps;
  const sessionDeps = { ...deps, folder };
  const sessions = new Map<string, UploadSession>();

  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const { id, facts, ...file } of await listUploadFiles(folder)) {
    const session = new UploadSession(sessionDeps, id, facts, file);
    sessions.set(id, session);
    if (!(await session.mayGrowTo(file.size))) await drop(session, 'there is no room for it any more');
  }
  const idleSweep = createIdleSweep(clock, sweep);
  if (await sweep()) idleSweep.begin();

  async function sweep(): Promise<boolean> {
    for (const session of [...sessions.values()]) {
      // Each in its turn: while others were removed, its client may have come back.
      if (!isIdle(session, clock.now() - idleFor)) continue;
      await drop(session, 'no byte came for a day').catch(onFailed);
    }
    return sessions.size > 0;
  }

  async function end(session: UploadSession): Promise<void> {
    sessions.delete(session.id);
    await session.end();
  }

  async function drop(session: UploadSession, reason: string): Promise<void> {
    const { id, size } = session.state;
    await end(session);
    onDropped({ id, image: session.facts.image, size, reason });
  }

  function find({ image, id, owner }: UploadKey): UploadSession | undefined {
    const session = sessions.get(id);
    return session?.facts.image === image.name && session.facts.owner === owner ? session : undefined;
  }

  /** One request at a time writes to a session. */
  async function alone<T extends { readonly kind: string }>(
    key: UploadKey,
    work: (session: UploadSession) => Promise<T>,
  ): Promise<T | UploadFailure> {
    const session = find(key);
    if (!session) return { kind: 'unknownUpload' };
    if (session.isBusy) return { kind: 'outOfOrder', upload: session.state };
    const result = await session.occupy(() => work(session));
    return session.isCancelled && result.kind !== 'stored' ? { kind: 'unknownUpload' } : result;
  }

  return {
    async begin(image, owner, algorithm = 'sha256') {
      const { refused, givesWay } = boundUploads([...sessions.values()], owner, clock.now());
      if (refused) return refused;
      if (givesWay) void drop(givesWay, 'a new upload took its place').catch(onFailed);
      const id = `${randomBytes(18).toString('base64url')}${homeMark()}`;
      const now = clock.now();
      const facts = { image: image.name, owner, algorithm, created: now };
      const session = new UploadSession(sessionDeps, id, facts, { size: 0, touched: now });
      sessions.set(id, session);
      idleSweep.begin();
      const full = await orFull(content, () => createUploadFile(folder, id, facts), 0).catch(
        async (error: unknown) => {
          await end(session).catch(onFailed);
          throw error;
        },
      );
      if (full) await end(session);
      return full ?? { kind: 'begun', upload: session.state };
    },

    status: (key) => find(key)?.state,

    append: (key, chunk) =>
      alone(key, async (session) => {
        const failure = await session.write(chunk);
        return failure ?? { kind: 'appended', upload: session.state };
      }),

    finish: (key, digest, chunk, commit) =>
      alone(key, async (session) => {
        const failure = await session.write(chunk);
        if (failure) return failure;
        const found = await session.digest(digest);
        if (found !== digest) {
          await end(session);
          return { kind: 'digestMismatch', wanted: digest, found };
        }
        if (session.isCancelled) return { kind: 'unknownUpload' };
        const { size } = session.state;
        const full = await orFull(content, () => commit(session.path, size), size);
        if (full) return full;
        session.isStored = true;
        await end(session);
        return { kind: 'stored' };
      }),

    async cancel(key) {
      const session = find(key);
      if (!session) return false;
      sessions.delete(session.id);
      session.cancel();
      if (!session.isBusy) await end(session);
      // Else the request that is writing ends it, unless it has just stored the blob.
      await session.over;
      return !session.isStored;
    },

    usage: () => usageOf([...sessions.values()]),

    close() {
      idleSweep.stop();
      for (const session of sessions.values()) session.pause();
    },
  };
}

/** A write that had no room becomes a failure that clients are told; any other error is thrown. `bytes` that are wanted. */
async function orFull(
  content: UploadsDeps['content'],
  write: () => Promise<void>,
  bytes: number,
): Promise<UploadFailure | undefined> {
  try {
    await write();
    return undefined;
  } catch (error) {
    if (!isNoRoom(error)) throw error;
    content.writeFailed(error);
    return { kind: 'full', bytes };
  }
}

function usageOf(sessions: readonly UploadSession[]): UploadUsage {
  return { uploads: sessions.length, bytes: sessions.reduce((sum, { state }) => sum + state.size, 0) };
}
