/**
 * `entrepot export` over the socket. The server makes the bundle, and the command writes it, since the server may run in a container or as a
 * user that cannot see the folder:
 *
 *   POST /export ............ lines of progress; {"step": "prepared", "session", "bundle", "volumes"} once all is planned and held
 *   POST /export-volume ..... {"session", "volume"}: the bytes of a volume
 *   POST /export-written .... {"session", "written"}: all is durable; the report follows as the last line of the first answer
 *
 * A command that leaves ends the session.
 */
import type {
  ExportRequest,
  Exports,
  PreparedBundle,
  WrittenVolume,
} from '../../airgap/export/export-request.ts';
import { EntrepotError } from '../../errors.ts';
import { parseDigest } from '../../oci/digest.ts';
import { isJsonObject } from '../../oci/parse-json.ts';
import type { LongAnswer } from './command-answers.ts';
import { type Arguments, amount, optional, text, texts } from './command-arguments.ts';
import { type CommandSession, createCommandSessions } from './command-sessions.ts';

export interface ExportSessions {
  begin(args: Arguments, answer: LongAnswer): Response;
  volume(args: Arguments): Response;
  written(args: Arguments): object;
}

type Session = CommandSession<PreparedBundle, readonly WrittenVolume[]>;

/** Methods throw EntrepotError USAGE for arguments that are none, and for a session that is over. */
export function createExportSessions(exports: Exports): ExportSessions {
  const sessions = createCommandSessions<PreparedBundle, readonly WrittenVolume[]>('this export is over');

  /** A connection sends later what it is given, so each chunk is copied. */
  async function* copied({ held, fail }: Session, volume: number): AsyncGenerator<Uint8Array> {
    let isWhole = false;
    try {
      for await (const chunk of held.read(volume)) yield Uint8Array.from(chunk);
      isWhole = true;
    } catch (error) {
      fail(error);
      throw error;
    } finally {
      if (!isWhole)
        fail(new EntrepotError('BUNDLE_UNWRITABLE', 'the command left in the middle of a volume'));
    }
  }

  return {
    begin(args, answer) {
      const request = exportRequest(args);
      return answer((onProgress, signal, mustTell) =>
        exports.export(request, {
          onProgress,
          signal,
          write: (prepared) => {
            const { bundle, volumes } = prepared;
            return sessions.hold(prepared, signal, mustTell, { bundle, volumes });
          },
        }),
      );
    },
    volume: (args) => new Response(ReadableStream.from(copied(sessions.of(args), amount(args.volume)))),
    written(args) {
      sessions.of(args).end(list(args.written).map(writtenVolume));
      return {};
    },
  };
}

function exportRequest(args: Arguments): ExportRequest {
  const base = isJsonObject(args.base) ? args.base : {};
  return {
    to: text(args.to),
    images: texts(args.images),
    syncs: texts(args.syncs),
    platforms: texts(args.platforms),
    referrers: args.referrers === true,
    volumeSize: amount(args.volumeSize),
    base: { ids: digests(base.ids), digests: digests(base.digests), notes: texts(base.notes) },
    created: optional(args.created),
    forDocker: args.forDocker === true,
    isDryRun: args.isDryRun === true,
  };
}

function digests(value: unknown) {
  return texts(value).map((one) => {
    const digest = parseDigest(one);
    if (digest) return digest;
    throw new EntrepotError('USAGE', 'an argument is no digest');
  });
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function writtenVolume(value: unknown): WrittenVolume {
  const { file, sha256, isKept } = isJsonObject(value) ? value : {};
  return { file: text(file), sha256: text(sha256), isKept: isKept === true };
}
