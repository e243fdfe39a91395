/**
 * Closes a connection whose request has a body that is not wanted, so that the client still gets the answer. A socket that is closed with
 * bytes unread is reset, and a reset takes an answer with it that the client has not read yet (RFC 9112, section 9.6). So our
 * side is closed after the answer, what comes is thrown away for two seconds or up to a megabyte, and then the rest is cut.
 */
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../lib/clock.ts';

/** ms for which a body is thrown away. */
const longest = 2_000;
/** Bytes. */
const most = 1024 * 1024;

/** Call it before the answer is written; the answer says `Connection: close`. */
export function closeLingering(incoming: IncomingMessage, clock: Clock): void {
  const { socket } = incoming;
  // Node calls this once the answer is written.
  socket.destroySoon = () => {
    let thrownAway = 0;
    const timer = clock.after(longest, () => socket.destroy());
    socket.once('close', () => timer.cancel());
    incoming.once('end', () => socket.destroy());
    incoming.on('data', (chunk: Buffer) => {
      thrownAway += chunk.length;
      if (thrownAway > most) socket.destroy();
    });
    socket.end();
  };
}
