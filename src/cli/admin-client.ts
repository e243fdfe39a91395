/** The `Administration` of a running server, over its admin socket. `http/admin/admin-api.ts` is the other end. */
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { ListedEvent } from '../admin/event-commands.ts';
import type { ListedJob } from '../admin/job-commands.ts';
import type { ListedImage } from '../admin/listed-images.ts';
import type { ListedReplica, ListedRepository } from '../admin/replica-commands.ts';
import type { ScrubProgress, ScrubReport } from '../admin/scrubs.ts';
import type { ImportReport } from '../airgap/import/imports.ts';
import type { Commands } from '../app/commands.ts';
import { EntrepotError, type ErrorCode, errorCodes } from '../errors.ts';
import type { WarmProgress, WarmReport } from '../pull/warm-image.ts';
import type { SyncReport } from '../replication/sync-block.ts';
import { isBrokenConnection } from './broken-connection.ts';
import { receiveBackup } from './receive-backup.ts';
import { receiveExport } from './receive-export.ts';
import { sendVolume } from './send-volume.ts';

interface ErrorBody {
  readonly error: { code?: string; message: string; file?: string; line?: number };
}

type Line<Progress, Report> = { progress: Progress } | { report: Report } | ErrorBody;

/** Undefined if no server listens. Throws EntrepotError DATA_UNUSABLE if the socket belongs to another user. */
export async function connectAdministration(socketPath: string): Promise<Commands | undefined> {
  if (!(await isListening(socketPath))) return undefined;

  async function call<T>(command: string, args: object = {}): Promise<T> {
    const answer = await send(socketPath, command, args);
    const value: unknown = JSON.parse(await text(answer));
    if (answer.statusCode !== 200) throw asError(value as ErrorBody);
    return value as T;
  }

  async function follow<Progress, Report>(
    command: string,
    args: object,
    onProgress: ((progress: Progress) => void) | undefined,
    signal?: AbortSignal,
  ): Promise<Report> {
    const answer = await send(socketPath, command, args, signal);
    if (answer.statusCode !== 200) throw asError(JSON.parse(await text(answer)) as ErrorBody);
    // A signal ends the lines; the error of the connection that it breaks tells nothing more.
    if (signal) answer.on('error', () => {});
    try {
      for await (const line of createInterface({ input: answer, ...(signal && { signal }) })) {
        const step = JSON.parse(line) as Line<Progress, Report>;
        if ('error' in step) throw asError(step);
        if ('report' in step) return step.report;
        onProgress?.(step.progress);
      }
    } catch (error) {
      if (!isBrokenConnection(error)) throw error;
    }
    signal?.throwIfAborted();
    throw serverEnded(command);
  }

  function serverEnded(command: string): EntrepotError {
    const message = `the server ended before the ${command} did: start it, and run the command again`;
    return new EntrepotError('DATA_UNUSABLE', message, { file: socketPath });
  }

  async function* list(match: string | undefined): AsyncGenerator<ListedImage> {
    yield* await call<readonly ListedImage[]>('list', { match });
  }

  const connection = {
    send: (command: string, args: object, signal?: AbortSignal) => send(socketPath, command, args, signal),
    call,
    follow,
  };
  return {
    list,
    usage: () => call('usage'),
    tokens: {
      create: (wanted) => call('token-create', wanted),
      list: () => call('token-list'),
      revoke: (name) => call('token-revoke', { name }),
    },
    gc: () => call('gc'),
    purge: (what, { pinned, hosted }) => call('purge', { what, pinned, hosted }),
    pins: () => call('pins'),
    pin: (what) => call('pin', { what }),
    unpin: (what) => call('unpin', { what }),
    pull: (reference, { platforms, onProgress }) =>
      follow<WarmProgress, WarmReport>('pull', { reference, platforms }, onProgress),
    scrub: (match, { rate, onProgress }) =>
      follow<ScrubProgress, ScrubReport>('scrub', { match, rate }, onProgress),
    planSync: (names) => call('sync-plan', { names }),
    sync: (names, { onProgress, allowsDelete, ignoresWindow }) =>
      follow<WarmProgress, readonly SyncReport[]>('sync', { names, allowsDelete, ignoresWindow }, onProgress),
    export: (request, options) => receiveExport(connection, request, options),
    backup: (scope, options) => receiveBackup(connection, scope, options),
    async importVolume({ file, bytes }, { name, cached, signal }) {
      const answer = await sendVolume(socketPath, { file, name, cached }, bytes, signal).catch(
        (error: unknown) => {
          if (signal?.aborted || !isBrokenConnection(error)) throw error;
          throw serverEnded('import');
        },
      );
      const value: unknown = JSON.parse(await text(answer));
      if (answer.statusCode !== 200) throw asError(value as ErrorBody);
      return value as ImportReport;
    },
    jobs: {
      async *list(selection) {
        yield* await call<readonly ListedJob[]>('jobs-list', selection);
      },
      show: (id) => call('jobs-show', { id }),
      retry: (which) => call('jobs-retry', typeof which === 'string' ? { all: which === 'all' } : which),
      cancel: (id) => call('jobs-cancel', { id }),
    },
    events: {
      async *list(selection) {
        yield* await call<readonly ListedEvent[]>('events-list', selection);
      },
      replay: (which) => call('events-replay', which),
    },
    replicas: {
      async *repositories(selection) {
        yield* await call<readonly ListedRepository[]>('replicas-repositories', selection);
      },
      async *tags(selection) {
        yield* await call<readonly ListedReplica[]>('replicas-tags', selection);
      },
      resync: (match) => call('replicas-resync', { match }),
    },
  };
}

function isListening(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES') {
        const message = 'may be used by the user of the server alone: run the command as that user';
        reject(new EntrepotError('DATA_UNUSABLE', message, { file: socketPath, cause: error }));
      }
      // There is no socket, or a killed server left it behind.
      resolve(false);
    });
  });
}

function send(
  socketPath: string,
  command: string,
  args: object,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const options = { socketPath, path: `/${command}`, method: 'POST', headers, ...(signal && { signal }) };
    const asked = request(options, resolve);
    asked.on('error', reject);
    asked.end(JSON.stringify(args));
  });
}

function asError({ error }: ErrorBody): Error {
  const { code = '', message, file, line } = error;
  return code in errorCodes
    ? new EntrepotError(code as ErrorCode, message, { file, line })
    : new Error(message);
}
