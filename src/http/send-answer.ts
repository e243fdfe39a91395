/** Writes an answer to its socket: the only place that does. Status and headers of GET and HEAD cannot differ here. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../lib/clock.ts';
import { type Answer, isStreamed, type StreamedBody } from './answers/answer.ts';
import { reasonPhrase } from './answers/reason-phrase.ts';
import { type Sent, sendBody } from './send-bytes.ts';

export interface SendAnswerOptions {
  /** For the reason phrase of an error. */
  readonly requestId: string;
  readonly clock: Clock;
  /** ms in which the client must take a chunk. */
  readonly stallTimeout: number;
}

/** Bytes of a body that the socket takes at once, whatever the client does. */
const smallBody = 64 * 1024;
const chunkSize = 1024 * 1024;

/** Resolves when the answer is over, however it ended, and closes its body. Never rejects. */
export async function sendAnswer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  answer: Answer,
  options: SendAnswerOptions,
): Promise<Sent> {
  const { status, headers, body } = answer;
  const isHead = incoming.method === 'HEAD';
  if (outgoing.destroyed) {
    if (isStreamed(body)) body.close();
    return { bytes: 0, end: 'clientLeft' };
  }
  try {
    if (status < 400) outgoing.writeHead(status, headers);
    else outgoing.writeHead(status, reasonPhrase(status, answer.summary, options.requestId), headers);
  } catch (fault) {
    // An upstream's header that node refuses to send.
    if (isStreamed(body)) body.close();
    outgoing.destroy();
    return { bytes: 0, end: 'failed', fault };
  }
  if (isStreamed(body)) {
    if (!isHead) return sendBody(outgoing, body, options);
    body.close();
  }
  const bytes = isHead || isStreamed(body) ? undefined : body;
  if (bytes && bytes.length > smallBody) return sendBody(outgoing, inChunks(bytes), options);
  outgoing.end(bytes);
  return { bytes: bytes?.length ?? 0, end: 'complete' };
}

/** A body that the client may take its time for, as for a blob. */
function inChunks(bytes: Uint8Array): StreamedBody {
  const parts = Array.from({ length: Math.ceil(bytes.length / chunkSize) }, (_, index) =>
    bytes.subarray(index * chunkSize, (index + 1) * chunkSize),
  );
  return { parts, length: bytes.length, close() {} };
}
