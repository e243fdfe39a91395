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

export interface UploadFacts {
  /** `registry/repository`. */
  readonly image: string;
  readonly owner: string;
  /** Of the running hash, as OpenSSL names it. */
  readonly algorithm: string;
  /** Epoch ms. */
  readonly created: number;
}

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

/** The sessions of an earlier run. Files that make no session are removed. */
export async function listUploadFiles(folder: string): Promise<
  readonly {
    readonly id: string;
    readonly facts: UploadFacts;
    readonly size: number;
    readonly touched: number;
  }[]
> {
  const names = await readdir(folder);
  const ids = new Set(names.map((name) => name.replace(/\.json$/, '')));
  const found = await Promise.all(
    [...ids].map(async (id) => {
      try {
        const facts = JSON.parse(await readFile(`${uploadPath(folder, id)}.json`, 'utf8')) as UploadFacts;
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
 * Appends to the file, a megabyte at a time. `written` is told of each batch. Rejects with what the body throws, once
 * all that came before is written, or with what the file system says.
 */
export async function appendTo(
  path: string,
  body: AsyncIterable<Uint8Array>,
  written: (bytes: number) => void | Promise<void>,
): Promise<void> {
  const file = await open(path, 'a');
  let batch: Uint8Array[] = [];
  let size = 0;
  const flush = async () => {
    const bytes = size;
    const chunks = batch;
    batch = [];
    size = 0;
    await writeAll(file, chunks);
    await written(bytes);
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

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = [...chunks];
  while (rest.length > 0) {
    let { bytesWritten } = await file.writev(rest);
    rest = rest.flatMap((chunk) => {
      const taken = Math.min(bytesWritten, chunk.byteLength);
      bytesWritten -= taken;
      return taken === chunk.byteLength ? [] : [chunk.subarray(taken)];
    });
  }
}
