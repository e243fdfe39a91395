/**
 * Some registries and proxies send heads that Go's clients accept, but undici's parser refuses, and it cannot be told otherwise. Here the
 * head of the answer is written anew before the parser sees it (RFC 9112):
 *
 *   the length of the body, twice ............. once: chunked overrides any length, and equal lengths are one (section 6.3)
 *   lines that end without CR ................. with CR (section 2.2)
 *   a space before the colon .................. without (section 5.1)
 *   a folded line ............................. as one line (section 5.2)
 *   a control character ....................... as a space
 *   a 100 Continue ............................ dropped: no request asks for it
 *
 * Different lengths stay an error. Only the first answer of a connection is read, so the connection must not be used for a second one.
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
const isContinue = /^HTTP\/1\.[01] 100/;

/** Connects as `connect` does. The first answer of each connection has a head that the parser accepts. */
export function lenientHeads(connect: buildConnector.connector): buildConnector.connector {
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
        const plain = plainHead(head);
        if (plain !== undefined) return passOn(plain + held.slice(head.length));
        socket.destroy(new DifferentLengthsError('different Content-Lengths in one answer'));
        return false;
      }
      if (!isContinue.test(head)) passOn(plainHead(head) ?? head);
      held = held.slice(head.length);
      headEnd.lastIndex = 0;
    }
    if (chunk && held.length <= maxHead) return true;
    socket.push = push;
    const isWanted = passOn(held);
    return chunk ? isWanted : push(null);
  };
}

/** The head as the parser accepts it; undefined if its lengths differ. */
export function plainHead(head: string): string | undefined {
  const lines = head
    .replace(/\r?\n[ \t]+/g, ' ')
    .split(/\r?\n/)
    .map((line) => line.replace(/[^\t\x20-\x7e\x80-\xff]/g, ' ').replace(/^([^\s:]+)[ \t]+:/, '$1:'));
  const others = lines.filter((line) => !lengthField.test(line));
  const hasLength = others.length < lines.length;
  if (!hasLength || others.some((line) => chunkedField.test(line))) return others.join('\r\n');
  const lengths = new Set(
    lines.flatMap((line) => lengthField.exec(line)?.[1]?.split(',') ?? []).map((text) => text.trim()),
  );
  if (lengths.size > 1) return undefined;
  const [status = '', ...fields] = others;
  return [status, `Content-Length: ${[...lengths].join()}`, ...fields].join('\r\n');
}
