/**
 * `entrepot backup` over the socket. The server holds a snapshot and gives out its bytes, and the command writes them, as with an export:
 *
 *   POST /backup ............ lines of progress; {"step": "prepared", "session"} once the snapshot is taken, again if damage was found
 *   POST /backup-list ....... {"session"}: a line with the manifest, then one with digest and size of each blob
 *   POST /backup-blob ....... {"session", "digest"}: the bytes of a blob
 *   POST /backup-written .... {"session", "written"}: all is durable; the report follows as the last line of the first answer
 *
 * A command that leaves ends the session.
 */
import type { BackupSource } from '../../backup/backup-place.ts';
import type { Backups } from '../../backup/backups.ts';
import { snapshotScopes } from '../../cache/snapshots.ts';
import { EntrepotError } from '../../errors.ts';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import type { LongAnswer } from './command-answers.ts';
import { type Arguments, text } from './command-arguments.ts';
import { type CommandSession, createCommandSessions } from './command-sessions.ts';

export interface BackupSessions {
  begin(args: Arguments, answer: LongAnswer): Response;
  list(args: Arguments): Response;
  blob(args: Arguments): Response;
  written(args: Arguments): object;
}

type Session = CommandSession<BackupSource, number>;

/** Lines that are sent at once. */
const atOnce = 1000;

/** Methods throw EntrepotError USAGE for arguments that are none, and for a session that is over. */
export function createBackupSessions(backups: Backups): BackupSessions {
  const sessions = createCommandSessions<BackupSource, number>('this backup is over');

  /** A connection sends later what it is given, so each chunk is copied. */
  async function* bytesOf({ held, fail }: Session, digest: Digest): AsyncGenerator<Uint8Array> {
    let isWhole = false;
    try {
      const { stream, close } = await held.open(digest);
      try {
        for (let chunk = await stream.next(); chunk; chunk = await stream.next())
          yield Uint8Array.from(chunk);
        isWhole = true;
      } finally {
        stream.close();
        close();
      }
    } catch (error) {
      // The answer ends before its announced size, and the command waits for what this session ends with.
      fail(error);
    } finally {
      if (!isWhole) fail(new EntrepotError('BUNDLE_UNWRITABLE', 'the command left in the middle of a blob'));
    }
  }

  return {
    begin(args, answer) {
      const scope = snapshotScopes.find((one) => one === args.scope);
      if (!scope) throw new EntrepotError('USAGE', 'there is no such scope');
      return answer((_, signal, mustTell) =>
        backups.backup(scope, { signal, write: (source) => sessions.hold(source, signal, mustTell) }),
      );
    },
    list: (args) => new Response(ReadableStream.from(linesOf(sessions.of(args).held))),
    blob(args) {
      const session = sessions.of(args);
      const digest = parseDigest(text(args.digest));
      if (!digest || !session.held.has(digest))
        throw new EntrepotError('USAGE', 'this backup has no such blob');
      return new Response(ReadableStream.from(bytesOf(session, digest)));
    },
    written(args) {
      const { written } = args;
      if (typeof written !== 'number') throw new EntrepotError('USAGE', 'an argument is no number');
      sessions.of(args).end(written);
      return {};
    },
  };
}

async function* linesOf({ manifest, bytes, blobs }: BackupSource): AsyncGenerator<Uint8Array> {
  let lines = `${JSON.stringify({ manifest, bytes })}\n`;
  let count = 0;
  for (const [digest, size] of blobs()) {
    lines += `${digest} ${size}\n`;
    count += 1;
    if (count % atOnce > 0) continue;
    yield Buffer.from(lines);
    lines = '';
  }
  yield Buffer.from(`${lines}.\n`);
}
