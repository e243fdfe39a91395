/** Puts an answer on the wire as its delivery says: whole, slowly, in part, or broken off. */
import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { collect } from './byte-source.ts';
import type { Answer } from './fake-registry-content.ts';
import type { Delivery, Pace } from './fake-registry-faults.ts';
import type { SeenRequest } from './fake-registry-journal.ts';
import { aborted } from './gate.ts';

/** Bytes in one write. */
const chunkSize = 256 * 1024;

export interface Exchange {
  readonly request: SeenRequest;
  readonly response: ServerResponse;
  /** Fires when the connection or the answer is done with. */
  readonly over: AbortSignal;
}

export async function deliver(exchange: Exchange, answer: Answer, delivery: Delivery): Promise<void> {
  const { request, response, over } = exchange;
  if (over.aborted) return;
  if (delivery.raw !== undefined) {
    const socket = response.socket;
    socket?.end(delivery.raw, () => socket.destroy());
    return;
  }
  const length = delivery.chunked ? {} : { 'content-length': answer.body.size };
  const headers = { ...length, ...answer.headers };
  request.status = answer.status;
  if (delivery.headerBytesEvery !== undefined) {
    await dripHeaders(exchange, answer, headers, delivery.headerBytesEvery);
    return;
  }
  response.writeHead(answer.status, headers);
  if (request.method === 'HEAD' || answer.status === 204 || answer.status === 304) {
    response.end();
    return;
  }
  response.flushHeaders();

  const { stop } = delivery;
  const pace = delivery.pace?.();
  const size = answer.body.size;
  const stops = stop !== undefined && stop.bytes <= size;
  if (!(await send(exchange, answer, 0, stops ? stop.bytes : size, pace))) return;
  if (stops && typeof stop.how === 'string') {
    breakOff(response, stop.how, delivery);
    return;
  }
  if (stops && typeof stop.how === 'object') {
    await stop.how.hold.pass(over);
    if (!(await send(exchange, answer, stop.bytes, size, pace))) return;
  }
  response.end();
}

/** Sends the body from `start` to `end`; false when the exchange was over before. */
async function send(
  { request, response, over }: Exchange,
  { body }: Answer,
  start: number,
  end: number,
  pace: Pace | undefined,
): Promise<boolean> {
  for (let at = start; at < end; ) {
    const room = Math.min(end - at, chunkSize);
    const granted = pace ? await pace.grant(room, over) : room;
    if (over.aborted) return false;
    const bytes = body.read(at, granted);
    if (!(await written(response, bytes))) return false;
    at += bytes.length;
    request.sent += bytes.length;
  }
  return !over.aborted;
}

function breakOff(response: ServerResponse, how: 'reset' | 'end', delivery: Delivery): void {
  const socket = response.socket;
  if (how === 'end' && delivery.chunked) {
    response.end();
  } else if (how === 'end') {
    socket?.end(() => socket.destroy());
  } else if (socket instanceof TLSSocket) {
    socket.destroy();
  } else {
    socket?.resetAndDestroy();
  }
}

/** Resolves when the kernel has the bytes; false when the connection is gone. */
function written(response: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const closed = () => resolve(false);
    response.once('close', closed);
    response.write(bytes, (error) => {
      response.off('close', closed);
      resolve(!error);
    });
  });
}

async function dripHeaders(
  { request, response, over }: Exchange,
  answer: Answer,
  headers: OutgoingHttpHeaders,
  everyMs: number,
): Promise<void> {
  const socket = response.socket;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const block = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}\r\n${lines.join('')}\r\n`;
  if (everyMs === Number.POSITIVE_INFINITY) {
    socket?.write(block.slice(0, block.length / 2));
    await aborted(over);
    return;
  }
  for (const byte of block) {
    socket?.write(byte);
    await wait(everyMs, undefined, { signal: over }).catch(() => {});
    if (over.aborted) return;
  }
  socket?.end(request.method === 'HEAD' ? '' : collect(answer.body), () => socket.destroy());
}
