/** The commands of a running server, over its admin socket or over HTTP. `http/admin/admin-api.ts` is the other end. */
import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { ListedEvent } from '../admin/event-commands.ts';
import type { ListedJob } from '../admin/job-commands.ts';
import type { ListedImage } from '../admin/listed-images.ts';
import type { ListedReplica, ListedRepository } from '../admin/replica-commands.ts';
import type { ScrubProgress, ScrubReport } from '../admin/scrubs.ts';
import type { ImportReport } from '../airgap/import/imports.ts';
import type { Commands } from '../app/commands.ts';
import { EntrepotError } from '../errors.ts';
import { asError as asThrown, systemCode } from '../lib/thrown.ts';
import type { WarmProgress, WarmReport } from '../pull/warm-image.ts';
import type { SyncReport } from '../replication/sync-block.ts';
import { isBrokenConnection } from './broken-connection.ts';
import { receiveBackup } from './receive-backup.ts';
import { receiveExport } from './receive-export.ts';
import { sendVolume } from './send-volume.ts';
import {
  type AskedRequest,
  answerTo,
  asError,
  type ErrorBody,
  jsonOf,
  type ServerConnection,
} from './server-connection.ts';

type Line<Progress, Report> = { progress: Progress } | { report: Report } | ErrorBody;

/** The commands of the server at the other end. A command rejects with the EntrepotError that the server tells. */
export function createAdminClient(connection: ServerConnection): Commands {
  const { name } = connection;

  async function ask(asked: AskedRequest, body?: string): Promise<IncomingMessage> {
    const begun = connection.request(asked);
    const answer = answerTo(begun);
    begun.end(body);
    return await answer.catch((error: unknown) => {
      throw explained(error, name);
    });
  }

  function send(command: string, args: object, signal?: AbortSignal): Promise<IncomingMessage> {
    const headers = { 'content-type': 'application/json' };
    return ask({ method: 'POST', path: command, headers, signal }, JSON.stringify(args));
  }

  async function call<T>(command: string, args: object = {}): Promise<T> {
    return (await readJson(await send(command, args), name)) as T;
  }

  /** `query`: what is undefined is left out. */
  async function read<T>(what: string, query: object = {}): Promise<T> {
    const texts = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) if (value !== undefined) texts.set(key, String(value));
    const path = `${what}?${texts}`;
    return (await readJson(await ask({ method: 'GET', path }), name)) as T;
  }

  async function* each<T>(what: string, query: object): AsyncGenerator<T> {
    yield* await read<readonly T[]>(what, query);
  }

  async function follow<Progress, Report>(
    command: string,
    args: object,
    onProgress: ((progress: Progress) => void) | undefined,
    signal?: AbortSignal,
  ): Promise<Report> {
    const answer = await send(command, args, signal);
    if (answer.statusCode !== 200) {
      await readJson(answer, name);
      throw serverEnded(command);
    }
    // A signal ends the lines; the error of the connection that it breaks tells nothing more.
    if (signal) answer.on('error', () => {});
    try {
      for await (const line of createInterface({ input: answer, ...(signal && { signal }) })) {
        const step = stepOf(line, name) as Line<Progress, Report>;
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
    return new EntrepotError('DATA_UNUSABLE', message, { file: name });
  }

  return {
    list: (match) => each<ListedImage>('images', { match }),
    usage: () => read('usage'),
    image: (reference) => read('image', { reference }),
    evictions: (limit) => read('evictions', { limit }),
    tokens: {
      create: (wanted) => call('token-create', wanted),
      list: () => read('tokens'),
      revoke: (token) => call('token-revoke', { name: token }),
    },
    gc: () => call('gc'),
    purge: (what, { pinned, hosted }) => call('purge', { what, pinned, hosted }),
    pins: () => read('pins'),
    pin: (what) => call('pin', { what }),
    unpin: (what) => call('unpin', { what }),
    pull: (reference, { platforms, onProgress }) =>
      follow<WarmProgress, WarmReport>('pull', { reference, platforms }, onProgress),
    scrub: (match, { rate, onProgress }) =>
      follow<ScrubProgress, ScrubReport>('scrub', { match, rate }, onProgress),
    planSync: (names) => call('sync-plan', { names }),
    sync: (names, { onProgress, allowsDelete, ignoresWindow }) =>
      follow<WarmProgress, readonly SyncReport[]>('sync', { names, allowsDelete, ignoresWindow }, onProgress),
    export: (request, options) => receiveExport({ send, call, follow }, request, options),
    backup: (scope, options) => receiveBackup({ send, call, follow }, scope, options),
    async importVolume({ file, bytes }, { name: as, cached, signal }) {
      const answer = await sendVolume(connection, { file, name: as, cached }, bytes, signal).catch(
        (error: unknown) => {
          if (signal?.aborted) throw error;
          throw isBrokenConnection(error) ? serverEnded('import') : explained(error, name);
        },
      );
      return (await readJson(answer, name)) as ImportReport;
    },
    jobs: {
      list: (selection) => each<ListedJob>('jobs', selection),
      show: (id) => read(`jobs/${id}`),
      retry: (which) => call('jobs-retry', typeof which === 'string' ? { all: which === 'all' } : which),
      cancel: (id) => call('jobs-cancel', { id }),
    },
    events: {
      list: (selection) => each<ListedEvent>('events', selection),
      replay: (which) => call('events-replay', which),
    },
    replicas: {
      repositories: (selection) => each<ListedRepository>('repositories', selection),
      tags: (selection) => each<ListedReplica>('replicas', selection),
      resync: (match) => call('replicas-resync', { match }),
    },
  };
}

async function readJson(answer: IncomingMessage, name: string): Promise<unknown> {
  return await jsonOf(answer, name).catch((error: unknown) => {
    throw explained(error, name);
  });
}

/** A page of another server has lines, too. */
function stepOf(line: string, name: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new EntrepotError('SERVER_UNREACHABLE', `${name} does not answer as Entrepot does: ${itsUrl}`);
  }
}

const itsUrl = 'is this its URL, with http:// or https:// as it should be?';

/** What a person can act on; other errors stay as they are. */
function explained(error: unknown, name: string): unknown {
  if (error instanceof EntrepotError) return error;
  const code = systemCode(error) ?? '';
  // OpenSSL adds how to start Node after a semicolon.
  const [why = ''] = asThrown(error).message.split(';', 1);
  if (unreachable.has(code))
    return new EntrepotError('SERVER_UNREACHABLE', `${name} cannot be reached: ${why}`, { cause: error });
  if (isBrokenConnection(error)) {
    const message = `${name} ended the connection without an answer: ${why}`;
    return new EntrepotError('SERVER_UNREACHABLE', message, { cause: error });
  }
  if (/^(?:EPROTO|HPE_)/.test(code)) {
    // OpenSSL: "write EPROTO 40BD26:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/..."
    const [, problem = why] = /:SSL routines:[^:]*:([^:]+)/.exec(why) ?? [];
    const message = `${name} does not answer as Entrepot does (${problem}): ${itsUrl}`;
    return new EntrepotError('SERVER_UNREACHABLE', message, { cause: error });
  }
  if (!/CERT|SIGNATURE|ISSUER|_TLS_|_SSL_/.test(code)) return error;
  const message = `${name} cannot be trusted: ${why}; --ca-file names the CA of its certificate`;
  return new EntrepotError('SERVER_UNREACHABLE', message, { cause: error });
}

const unreachable: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
