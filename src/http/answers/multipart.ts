/** The body of a 206 with several ranges: multipart/byteranges (RFC 9110, section 14.6; RFC 2046, section 5.1). */
import { type ByteRange, contentRange } from '../../lib/bytes/byte-range.ts';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import type { BodyPart } from './answer.ts';
import { openAhead } from './open-ahead.ts';

export interface Multipart {
  readonly contentType: string;
  readonly parts: readonly BodyPart[];
  /** Bytes of all parts, framing included. */
  readonly length: number;
  /** Call when the answer is over or will not be sent: closes streams that were opened ahead and not used. */
  close(): void;
}

/** `boundary` must not occur in the content: make it random and long. `open` is called for a few ranges ahead. */
export function multipartByteranges(
  ranges: readonly ByteRange[],
  content: { readonly size: number; readonly type: string; open(start: number, end: number): ByteStream },
  boundary: string,
): Multipart {
  const parts: BodyPart[] = [];
  const streams = openAhead(
    ranges.map(
      ({ start, end }) =>
        () =>
          content.open(start, end),
    ),
  );
  let length = 0;
  const addText = (text: string) => {
    const bytes = Buffer.from(text, 'latin1');
    parts.push(bytes);
    length += bytes.length;
  };
  for (const [index, range] of ranges.entries()) {
    const lineBreak = index === 0 ? '' : '\r\n';
    addText(
      `${lineBreak}--${boundary}\r\nContent-Type: ${content.type}\r\nContent-Range: ${contentRange(range, content.size)}\r\n\r\n`,
    );
    parts.push(() => streams.take(index));
    length += range.end - range.start;
  }
  addText(`\r\n--${boundary}--\r\n`);
  return { contentType: `multipart/byteranges; boundary=${boundary}`, parts, length, close: streams.close };
}
