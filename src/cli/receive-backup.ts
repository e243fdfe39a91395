/** A backup of the server that holds the data folder, written by this process. `http/admin/backup-sessions.ts` is the other end. */
import { text } from 'node:stream/consumers';
import type { BackupSource } from '../backup/backup-place.ts';
import type { BackupOptions, BackupReport } from '../backup/backups.ts';
import type { SourceStream } from '../backup/source-stream.ts';
import type { SnapshotScope } from '../cache/snapshots.ts';
import { asError } from '../lib/thrown.ts';
import { type Digest, parseDigest } from '../oci/digest.ts';
import { isBrokenConnection } from './broken-connection.ts';
import { type AdminConnection, bytesOf, cutOff } from './receive-export.ts';

interface Prepared {
  readonly step: 'prepared';
  readonly session: string;
}

/** Throws what `Backups.backup` throws. What the server says of a failure counts more than that its connection broke. */
export async function receiveBackup(
  { send, call, follow }: AdminConnection,
  scope: SnapshotScope,
  { signal, write }: BackupOptions,
): Promise<BackupReport> {
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  let failure: { readonly error: unknown } | undefined;

  const ask = async (command: string, args: object) =>
    bytesOf(await send(command, args, ended), 'the server has ended the backup');

  async function sourceOf(session: string): Promise<BackupSource> {
    const [head = '', ...lines] = (await text(await ask('backup-list', { session }))).split('\n');
    if (lines.at(-2) !== '.') throw cutOff('the list of the backup is cut off');
    const { manifest, bytes } = JSON.parse(head) as Pick<BackupSource, 'manifest' | 'bytes'>;
    const blobs = new Map<Digest, number>();
    for (const line of lines) {
      const [name = '', size] = line.split(' ');
      const digest = parseDigest(name);
      if (digest) blobs.set(digest, Number(size));
    }
    return {
      manifest,
      bytes,
      blobs: () => blobs,
      has: (digest) => blobs.has(digest),
      open: async (digest) => streamOf(await ask('backup-blob', { session, digest }), blobs.get(digest) ?? 0),
    };
  }

  async function writeAll({ session }: Prepared): Promise<void> {
    const written = await write(await sourceOf(session));
    await call('backup-written', { session, written });
  }

  /** A second one begins once the first has removed its draft. */
  let last = Promise.resolve();
  function onStep(step: Prepared): void {
    last = last
      .then(() => writeAll(step))
      .catch((error: unknown) => {
        // The server says why, or begins again.
        if (isBrokenConnection(error) || isBrokenConnection(asError(error).cause)) return;
        failure = { error };
        stop.abort();
      });
  }

  try {
    return await follow<Prepared, BackupReport>('backup', { scope }, onStep, ended);
  } catch (error) {
    await last;
    if (failure && !signal.aborted) throw failure.error;
    throw error;
  }
}

function streamOf(answer: AsyncIterable<Uint8Array> & { destroy(): unknown }, size: number): SourceStream {
  let left = size;
  const chunks = answer[Symbol.asyncIterator]();
  return {
    stream: {
      async next() {
        const { done, value } = await chunks.next();
        if (done && left > 0) throw cutOff('a blob is cut off');
        left -= done ? 0 : value.length;
        return done ? undefined : value;
      },
      close: () => void answer.destroy(),
    },
    close: () => {},
  };
}
