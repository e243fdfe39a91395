/**
 * Breaks an answer off so that no client takes a part for the whole. With a length or with chunks, a client sees that bytes
 * are missing. For a client of HTTP/1.0, such as nginx by default, an answer of unknown length ends where the connection is
 * closed: there only a reset says that something is missing (goharbor/harbor#23373). Under TLS, the missing close_notify does.
 */
import type { ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';

/** Destroys the connection of an answer that has begun. */
export function cutOff(outgoing: ServerResponse): void {
  const { socket } = outgoing;
  const endsByClosing = outgoing.req.httpVersion === '1.0' && !outgoing.hasHeader('content-length');
  if (endsByClosing && socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
  else outgoing.destroy();
}
