/**
 * The files of one upload session, in `uploads/` of the data folder:
 *
 *   ID         the bytes that have come, in order; its size is the size of the upload
 *   ID.json    { "image", "owner", "algorithm", "created" }, written once, before the first byte
 *
 * So a session outlives a restart without a row anywhere. Bytes that a power cut took are found out by the digest at the end.
 */
import { type FileHandle, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DigestAlgorithm, digestAlgorithms } from '../oci/digest.ts';

export interface UploadFacts {
  /** `registry/repository`. */
  readonly image: string;
  readonly owner: string;
  /** Of the running hash. */
  readonly algorithm: DigestAlgorithm;
  /** Epoch ms. */
  readonly created: number;
}

/** In a cluster, the home of the upload ends it (`cluster/upload-home.ts`). */
const idForm = /^[A-Za-z0-9_-]{24}(?:[A-Za-z0-9_-]{8})?$/;

/** Bytes that are written at once. */
const batchSize = 1024 * 1024;

/** The file of bytes. */
export function uploadPath(folder: string, id: string): string {
  return join(folder, id);
}

/** Makes both files. Rejects with what the file system says. */
export async function createUploadFile(folder: string, id: string, facts: UploadFacts): Promise<void> {
  await writeFile(`${uploadPath(folder, id)}.json`, JSON.stringify(facts), { mode: 0o600, flag: 'wx' });
  await writeFile(uploadPath(folder, id), '', { mode: 0o600, flag: 'wx' });
}

/** Removes both files, whichever of them are there. */
export async function removeUploadFile(folder: string, id: string): Promise<void> {
  await rm(uploadPath(folder, id), { force: true });
  await rm(`${uploadPath(folder, id)}.json`, { force: true });
}

/** The sessions of an earlier run. Files of a session that is not whole are removed; what has another name is left alone. */
export async function listUploadFiles(folder: string): Promise<
  readonly {
    readonly id: string;
    readonly facts: UploadFacts;
    readonly size: number;
    readonly touched: number;
  }[]
> {
  const names = await readdir(folder);
  const ids = new Set(names.map((name) => name.replace(/\.json$/, '')).filter((id) => idForm.test(id)));
  const found = await Promise.all(
    [...ids].map(async (id) => {
      try {
        const facts = readFacts(await readFile(`${uploadPath(folder, id)}.json`, 'utf8'));
        const { size, mtimeMs } = await stat(uploadPath(folder, id));
        return { id, facts, size, touched: mtimeMs };
      } catch {
        await removeUploadFile(folder, id);
        return undefined;
      }
    }),
  );
  return found.filter((one) => one !== undefined);
}

/**
 * Writes to the file from byte `from` on, a megabyte at a time. Rejects with what the body or `before` throws, once all
 * that came earlier is written, or with what the file system says; then the file ends where the last whole batch does.
 */
export async function appendTo(
  path: string,
  from: number,
  body: AsyncIterable<Uint8Array>,
  batches: {
    /** Before so many bytes are written. */
    before(bytes: number): Promise<void>;
    after(bytes: number): void;
  },
): Promise<void> {
  const file = await open(path, 'r+');
  let end = from;
  let batch: Uint8Array[] = [];
  let size = 0;
  const flush = async () => {
    const bytes = size;
    const chunks = batch;
    batch = [];
    size = 0;
    await batches.before(bytes);
    await writeAll(file, chunks, end).catch(async (error: unknown) => {
      await file.truncate(end).catch(() => {});
      throw error;
    });
    end += bytes;
    batches.after(bytes);
  };
  try {
    try {
      for await (const chunk of body) {
        batch.push(chunk);
        size += chunk.byteLength;
        if (size >= batchSize) await flush();
      }
    } finally {
      if (size > 0) await flush();
    }
  } finally {
    await file.close();
  }
}

/** Throws where the text is none of this file's; a power cut leaves such. */
function readFacts(text: string): UploadFacts {
  const { image, owner, algorithm, created } = JSON.parse(text) as Record<keyof UploadFacts, unknown>;
  const known = digestAlgorithms.find((one) => one === algorithm);
  if (typeof image !== 'string' || typeof owner !== 'string' || typeof created !== 'number' || !known) {
    throw new Error('the facts of an upload are not whole');
  }
  return { image, owner, algorithm: known, created };
}

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[], from: number): Promise<void> {
  let rest = [...chunks];
  let at = from;
  while (rest.length > 0) {
    let { bytesWritten } = await file.writev(rest, at);
    at += bytesWritten;
    rest = rest.flatMap((chunk) => {
      const taken = Math.min(bytesWritten, chunk.byteLength);
      bytesWritten -= taken;
      return taken === chunk.byteLength ? [] : [chunk.subarray(taken)];
    });
  }
}
