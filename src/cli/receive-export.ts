/** An export of the server that holds the data folder, written by this process. `http/admin/export-sessions.ts` is the other end. */
import type { IncomingMessage } from 'node:http';
import type {
  ExportOptions,
  ExportProgress,
  ExportReport,
  ExportRequest,
  PreparedVolume,
} from '../airgap/export/export-request.ts';
import { asError } from '../lib/thrown.ts';
import { isBrokenConnection } from './broken-connection.ts';

export interface AdminConnection {
  /** The answer, whatever its status. */
  send(command: string, args: object, signal?: AbortSignal): Promise<IncomingMessage>;
  call<T>(command: string, args?: object): Promise<T>;
  follow<Progress, Report>(
    command: string,
    args: object,
    onProgress: ((progress: Progress) => void) | undefined,
    signal?: AbortSignal,
  ): Promise<Report>;
}

/** The bytes of an answer. Another one than 200 counts as a broken connection: the command's first answer says why. */
export function bytesOf(
  answer: IncomingMessage,
  message: string,
): AsyncIterable<Uint8Array> & { destroy(): unknown } {
  if (answer.statusCode === 200) return answer;
  answer.destroy();
  throw cutOff(message);
}

/** A connection that ended too early. */
export function cutOff(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}

type Step =
  | ExportProgress
  | {
      readonly step: 'prepared';
      readonly session: string;
      readonly bundle: string;
      readonly volumes: readonly PreparedVolume[];
    };

/** Throws what `Exports.export` throws. What the server says of a failure counts more than that its connection broke. */
export async function receiveExport(
  { send, call, follow }: AdminConnection,
  request: ExportRequest,
  { onProgress, signal, write }: ExportOptions,
): Promise<ExportReport> {
  const stop = new AbortController();
  const ended = AbortSignal.any([signal, stop.signal]);
  let failure: { readonly error: unknown } | undefined;
  let writing = Promise.resolve();

  async function* read(session: string, volume: number): AsyncGenerator<Uint8Array> {
    yield* bytesOf(
      await send('export-volume', { session, volume }, ended),
      'the server has ended the export',
    );
  }

  async function writeAll({ session, bundle, volumes }: Step & { step: 'prepared' }): Promise<void> {
    const written = await write({ bundle, volumes, read: (volume) => read(session, volume) });
    await call('export-written', { session, written });
  }

  function onStep(step: Step): void {
    if (step.step !== 'prepared') {
      onProgress(step);
      return;
    }
    writing = writeAll(step).catch((error: unknown) => {
      if (isBrokenConnection(error) || isBrokenConnection(asError(error).cause)) return;
      failure = { error };
      stop.abort();
    });
  }

  try {
    return await follow<Step, ExportReport>('export', request, onStep, ended);
  } catch (error) {
    const told = failure && !signal.aborted ? failure.error : error;
    // The draft is removed before the command ends.
    stop.abort();
    await writing;
    throw told;
  }
}
