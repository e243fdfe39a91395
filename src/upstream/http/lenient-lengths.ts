/**
 * Some registries and proxies say the length of a body twice: `Content-Length` beside `Transfer-Encoding: chunked`, or the same
 * `Content-Length` two times. Go's clients accept both; undici's parser refuses both and cannot be told otherwise. Here the head
 * of the answer is reduced to one length before the parser sees it (RFC 9112, section 6.3): chunked overrides any length, and
 * equal lengths are one. Different lengths stay an error.
 *
 * Only the first answer of a connection is read, so the connection must not be used for a second one.
 */
import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';

/** The lengths of an answer contradict each other: the end of its body is unknown. */
export class DifferentLengthsError extends Error {
  readonly code = 'DIFFERENT_LENGTHS';
}

/** Bytes. The parser refuses smaller heads already. */
const maxHead = 128 * 1024;
const lengthField = /^content-length:(.*)$/i;
const chunkedField = /^transfer-encoding:(?:.*,)?[ \t]*chunked[ \t]*$/i;
const isInterim = /^HTTP\/1\.[01] 1\d\d/;

/** Connects as `connect` does. The first answer of each connection has one length at most. */
export function lenientLengths(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    connect(options, (...result) => {
      if (result[1]) rewriteFirstHead(result[1]);
      callback(...result);
    });
  };
}

/** Holds back what the socket reads until the first final head is whole. */
function rewriteFirstHead(socket: Socket): void {
  const push = socket.push.bind(socket);
  let held = '';

  function passOn(text: string): boolean {
    return text === '' || push(Buffer.from(text, 'latin1'));
  }

  socket.push = (chunk: Buffer | null) => {
    const headEnd = /\r?\n\r?\n/g;
    headEnd.lastIndex = Math.max(0, held.length - 3);
    if (chunk) held += chunk.toString('latin1');
    while (headEnd.exec(held)) {
      const head = held.slice(0, headEnd.lastIndex);
      if (!isInterim.test(head)) {
        socket.push = push;
        const reduced = withOneLength(head);
        if (reduced !== undefined) return passOn(reduced + held.slice(head.length));
        socket.destroy(new DifferentLengthsError('different Content-Lengths in one answer'));
        return false;
      }
      passOn(head);
      held = held.slice(head.length);
      headEnd.lastIndex = 0;
    }
    if (chunk && held.length <= maxHead) return true;
    socket.push = push;
    const isWanted = passOn(held);
    return chunk ? isWanted : push(null);
  };
}

/** The head with one length at most; undefined if its lengths differ. */
export function withOneLength(head: string): string | undefined {
  const lines = head.split(/\r?\n/);
  // A folded line belongs to the line before it: the parser decides about such a head.
  if (lines.some((line) => /^[ \t]/.test(line))) return head;
  const others = lines.filter((line) => !lengthField.test(line));
  if (others.length === lines.length) return head;
  if (others.some((line) => chunkedField.test(line))) return others.join('\r\n');
  const lengths = new Set(
    lines.flatMap((line) => lengthField.exec(line)?.[1]?.split(',') ?? []).map((text) => text.trim()),
  );
  if (lengths.size > 1) return undefined;
  const [status = '', ...fields] = others;
  return [status, `Content-Length: ${[...lengths].join()}`, ...fields].join('\r\n');
}
