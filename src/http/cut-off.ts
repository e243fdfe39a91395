/**
 * Breaks an answer off in such a way that no client takes what has come for the whole. A length or chunks say where an answer ends.
 * To a client of HTTP/1.0, such as nginx by default, an answer of unknown length ends where the connection is closed: only a reset
 * says there that something is missing (goharbor/harbor#23373). Under TLS the missing close_notify says so.
 */
import type { ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';

export function cutOff(outgoing: ServerResponse): void {
  const { socket } = outgoing;
  const endsByClosing = outgoing.req.httpVersion === '1.0' && !outgoing.hasHeader('content-length');
  if (endsByClosing && socket && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
  else outgoing.destroy();
}
