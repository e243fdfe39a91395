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

/** Calls `answer` for each request as soon as all earlier ones of its connection are over. */
export function oneAtATime(answer: RequestListener): RequestListener {
  const busy = new WeakMap<Socket, Parameters<RequestListener>[]>();

  function begin(waiting: Parameters<RequestListener>[], ...request: Parameters<RequestListener>): void {
    const [{ socket }, outgoing] = request;
    outgoing.once('close', () => {
      const next = waiting.shift();
      if (next === undefined) busy.delete(socket);
      // After an answer that ends the connection, no further one can be sent.
      else if (socket.writable) begin(waiting, ...next);
    });
    answer(...request);
  }

  return (incoming, outgoing) => {
    const { socket } = incoming;
    const waiting = busy.get(socket);
    if (waiting === undefined) {
      const none: Parameters<RequestListener>[] = [];
      busy.set(socket, none);
      begin(none, incoming, outgoing);
    } else if (waiting.length < maxWaiting) {
      waiting.push([incoming, outgoing]);
    } else {
      socket.destroy();
    }
  };
}
