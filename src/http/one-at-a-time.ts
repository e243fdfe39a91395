/**
 * Answers the requests of a connection one after another. A client may send further ones before it has the first answer (RFC 9112,
 * section 9.3.2), and node hands over each as soon as it is read: all answers would then be made at once, and be held in memory
 * until the client takes them. No client of a registry does so.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export type RequestListener = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

/** Requests of a connection that wait for the answer to an earlier one. At one more, the connection is cut. */
const maxWaiting = 20;

/** Calls `answer` for each request as soon as all earlier ones of its connection are over. A request without an earlier one costs nothing. */
export function oneAtATime(answer: RequestListener): RequestListener {
  const waiting = new WeakMap<Socket, number>();

  return (incoming, outgoing) => {
    // Node gives an answer its connection when all earlier ones have been sent.
    if (outgoing.socket !== null) return answer(incoming, outgoing);
    const { socket } = incoming;
    const before = waiting.get(socket) ?? 0;
    if (before === maxWaiting) {
      socket.destroy();
      return;
    }
    waiting.set(socket, before + 1);
    outgoing.once('socket', () => {
      waiting.set(socket, (waiting.get(socket) ?? 1) - 1);
      // Not before node has done what it does with an answer that begins.
      process.nextTick(answer, incoming, outgoing);
    });
  };
}
