/**
 * The way to a running server: its admin socket, or HTTP to another machine. Both lead to the same API, `/api/v1`. No redirect is
 * followed, so credentials go where they were meant for, and nowhere else.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { RemoteServer } from '../config/remote-server.ts';
import { EntrepotError, type ErrorCode, errorCodes } from '../errors.ts';
import { foreignWords } from '../lib/foreign-words.ts';

export interface ServerConnection {
  /** For messages: the path of the socket, or the URL. */
  readonly name: string;
  /** Begins a request. `path`: below `/api/v1/`. */
  request(asked: AskedRequest): ClientRequest;
}

export interface AskedRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const base = '/api/v1/';

/** Undefined if no server listens. Rejects with EntrepotError DATA_UNUSABLE if the socket belongs to another user. */
export async function connectSocket(socketPath: string): Promise<ServerConnection | undefined> {
  if (!(await isListening(socketPath))) return undefined;
  return {
    name: socketPath,
    request: ({ path, signal, ...same }) =>
      httpRequest({ ...same, socketPath, path: base + path, ...(signal && { signal }) }),
  };
}

/** Contacts nothing before the first request. */
export function connectRemote({ url, authorization, ca }: RemoteServer): ServerConnection {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return {
    name: url.href.replace(/\/$/, ''),
    request: ({ path, headers, signal, ...same }) =>
      send(new URL(url.pathname.replace(/\/$/, '') + base + path, url), {
        ...same,
        headers: { ...headers, ...(authorization !== undefined && { authorization }) },
        ...(signal && { signal }),
        ...(ca && { ca: [...ca] }),
      }),
  };
}

/** The answer to a request that has ended; rejects where none comes. */
export function answerTo(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.on('response', resolve);
    asked.on('error', reject);
  });
}

/** The JSON of an answer. Throws the EntrepotError that the server tells, or one that says what answers instead of Entrepot. */
export async function jsonOf(answer: IncomingMessage, name: string): Promise<unknown> {
  const { statusCode = 0 } = answer;
  const body = await text(answer);
  const value = parse(body);
  if (value !== undefined && statusCode === 200) return value;
  if (isErrorBody(value)) throw asError(value);
  const moved = statusCode >= 300 && statusCode < 400 ? `, and sends on to ${answer.headers.location}` : '';
  // An Entrepot with [tls] says so in a line to a client without TLS.
  const isText = answer.headers['content-type']?.startsWith('text/plain');
  const said = isText ? `, "${foreignWords(body)}"` : '';
  const message = `${name} answers ${statusCode}${moved}${said}: is this the URL of an Entrepot with the admin API?`;
  throw new EntrepotError('SERVER_UNREACHABLE', message);
}

export interface ErrorBody {
  readonly error: { code?: string; message: string; file?: string; line?: number };
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function isErrorBody(value: unknown): value is ErrorBody {
  const error = (value as Partial<ErrorBody> | null | undefined)?.error;
  return typeof error?.message === 'string';
}

/** The error that the server has told. */
export function asError({ error }: ErrorBody): Error {
  const { code = '', message, file, line } = error;
  return code in errorCodes
    ? new EntrepotError(code as ErrorCode, message, { file, line })
    : new Error(message);
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
