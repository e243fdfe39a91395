/** `/v2/<name>/blobs/<digest>`: the whole blob, one range of it, several ranges, or the headers for HEAD. */
import type { OutgoingHttpHeaders } from 'node:http';
import { contentRange } from '../../lib/bytes/byte-range.ts';
import type { BlobContent, Pull } from '../../pull/pull.ts';
import type { BlobTarget } from '../../routing/target.ts';
import type { Answer, StreamedBody } from './answer.ts';
import { parseRange, planRanges } from './byte-range.ts';
import { contentHeaders, isNotModified, rangeApplies } from './conditional.ts';
import { multipartByteranges } from './multipart.ts';
import { absentAnswer, rangeAnswer, verdictAnswer } from './registry-error.ts';

/** The manifest says what a blob holds; a type guessed here could only be wrong. */
const blobType = 'application/octet-stream';

export interface BlobConditions {
  readonly ifNoneMatch: string | undefined;
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

/** For GET. The answer holds the blob open until its body is closed. */
export async function answerBlob(
  pull: Pull,
  target: BlobTarget,
  conditions: BlobConditions,
  /** `newBoundary`: a text that no blob holds, for a multipart answer. */
  options: { newBoundary(): string },
): Promise<Answer> {
  // The URL gives the digest, but whether this repository may serve it must still be asked.
  if (isNotModified(conditions.ifNoneMatch, target.digest)) return answerBlobHead(pull, target, conditions);
  const ranges = rangeApplies(conditions.ifRange, target.digest) ? parseRange(conditions.range) : undefined;
  const pulled = await pull.blob(ranges ? { ...target, ranges } : target);
  if (!pulled.found) return verdictAnswer(target, pulled.verdict, pulled.trail);
  const { value, cache, endpoint, trail } = pulled;
  const { size } = value;
  const headers = blobHeaders(target);
  const answer = (status: number, body: StreamedBody): Answer => {
    if (body.length !== undefined) headers['Content-Length'] = body.length;
    return { status, headers, body, cache, endpoint, trail };
  };

  const plan = planRanges(ranges, size);
  if (size === undefined || plan.kind === 'whole') return answer(200, rangeBody(value, 0, size));
  switch (plan.kind) {
    case 'unsatisfiable':
      value.close();
      return { ...rangeAnswer(size), cache, endpoint, trail };
    case 'single': {
      headers['Content-Range'] = contentRange(plan.range, size);
      return answer(206, rangeBody(value, plan.range.start, plan.range.end));
    }
    case 'multiple': {
      const open = (start: number, end: number) => value.open(start, end);
      const content = { size, type: blobType, open };
      const { contentType, parts, length, close } = multipartByteranges(
        plan.ranges,
        content,
        options.newBoundary(),
      );
      headers['Content-Type'] = contentType;
      const closeAll = () => {
        close();
        value.close();
      };
      return answer(206, { parts, length, close: closeAll });
    }
  }
}

/**
 * For HEAD, and for a GET that is 304. Never opens the blob: a manifest that lists it is enough. `mayPush`: whether the client may
 * push the blob, if it is a HEAD. Then it asks what it has to send.
 */
export async function answerBlobHead(
  pull: Pull,
  target: BlobTarget,
  conditions: Pick<BlobConditions, 'ifNoneMatch'> & { mayPush?(): boolean },
): Promise<Answer> {
  const pulled = await pull.headBlob(target);
  if (!pulled.found) {
    const { verdict, trail } = pulled;
    return conditions.mayPush?.()
      ? absentAnswer(target, verdict, trail)
      : verdictAnswer(target, verdict, trail);
  }
  const { value, cache, endpoint, trail } = pulled;
  const headers = blobHeaders(target);
  if (isNotModified(conditions.ifNoneMatch, target.digest)) {
    return { status: 304, headers: contentHeaders(target.digest, true), cache, endpoint, trail };
  }
  if (value.size !== undefined) headers['Content-Length'] = value.size;
  return { status: 200, headers, cache, endpoint, trail };
}

function blobHeaders(target: BlobTarget): OutgoingHttpHeaders {
  return { ...contentHeaders(target.digest, true), 'Content-Type': blobType, 'Accept-Ranges': 'bytes' };
}

function rangeBody(value: BlobContent, start: number, end: number | undefined): StreamedBody {
  const length = end === undefined ? undefined : end - start;
  return { parts: [() => value.open(start, end)], length, close: () => value.close() };
}
