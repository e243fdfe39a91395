/** Blobs from one endpoint. The headers are judged here; the transfer writes and verifies the bytes. */
import { type OpenRange, parseContentRange, rangeHeader } from '../../lib/bytes/byte-range.ts';
import { dropBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseDigest } from '../../oci/digest.ts';
import type { Ask, AttemptContext } from '../attempt.ts';
import type { Endpoint } from '../endpoint.ts';
import type { Ping } from '../health/ping.ts';
import { single } from '../health/rate-limits.ts';
import type { HttpResponse, ResponseHeaders } from '../http/exchange.ts';
import type { Outcome } from '../outcome.ts';
import type { OpenedBlob } from '../upstream.ts';
import { createHeadHabits } from './head-habits.ts';
import { livingBody, longestPing } from './living-body.ts';
import { contentLength, digestProblem, encodingProblem, htmlProblem } from './manifests.ts';
import { type RegistryClient, repositoryPath } from './registry-client.ts';

export interface Blobs {
  /** The size, by HEAD or by a GET of the first byte. */
  head(digest: Digest): Ask<{ size: number | undefined }>;
  open(digest: Digest, span: OpenRange): Ask<OpenedBlob>;
}

/** Has its own memory of hosts where HEAD is of no use. */
export function createBlobs(deps: { client: RegistryClient; clock: Clock; ping: Ping }): Blobs {
  const { client, clock, ping } = deps;
  const habits = createHeadHabits(clock);

  function get(endpoint: Endpoint, digest: Digest, range: string | undefined, context: AttemptContext) {
    const headers = range === undefined ? {} : { range };
    const pass = range === undefined ? [] : [416];
    return client.request(
      endpoint,
      { method: 'GET', path: repositoryPath(endpoint, `blobs/${digest}`), headers, pass, bulk: true },
      context,
    );
  }

  async function open(
    endpoint: Endpoint,
    digest: Digest,
    span: OpenRange,
    context: AttemptContext,
  ): Promise<Outcome<OpenedBlob>> {
    const range = rangeHeader(span);
    const got = await get(endpoint, digest, range, context);
    if (got.kind !== 'ok') return got;
    const response = got.value;
    if (response.status === 416) {
      // The blob is shorter than expected. From the start, the answer says its size, and the caller can judge.
      return open(endpoint, digest, { start: 0 }, context);
    }
    const opened = judgeBlob(response, digest, range === undefined ? undefined : span);
    if (opened.kind !== 'ok') response.body.cancel();
    else if (endpoint.peer) return { kind: 'ok', value: living(opened.value, endpoint) };
    return opened;
  }

  function living(opened: OpenedBlob, peer: Endpoint): OpenedBlob {
    return { ...opened, body: livingBody(opened.body, { clock, isThere: () => ping(peer, longestPing) }) };
  }

  return {
    open: (digest, span) => (endpoint, context) => open(endpoint, digest, span, context),
    head: (digest) => (endpoint, context) =>
      habits.ask(
        endpoint,
        () => sizeByHead(endpoint, digest, context),
        () => sizeByGet(endpoint, digest, context),
      ),
  };

  async function sizeByHead(
    endpoint: Endpoint,
    digest: Digest,
    context: AttemptContext,
  ): Promise<Outcome<{ size: number | undefined }>> {
    const path = repositoryPath(endpoint, `blobs/${digest}`);
    const got = await client.request(endpoint, { method: 'HEAD', path }, context);
    if (got.kind !== 'ok') return got;
    const { headers, body } = got.value;
    dropBody(body, clock);
    const problem = headerProblem(headers, digest);
    if (problem !== undefined) return { kind: 'invalid', reason: problem };
    return { kind: 'ok', value: { size: contentLength(headers) } };
  }

  /** Asks for the first byte. If the range is ignored, the whole is closed early. */
  async function sizeByGet(
    endpoint: Endpoint,
    digest: Digest,
    context: AttemptContext,
  ): Promise<Outcome<{ size: number | undefined }>> {
    const got = await open(endpoint, digest, { start: 0, end: 1 }, context);
    if (got.kind !== 'ok') return got;
    dropBody(got.value.body, clock);
    return { kind: 'ok', value: { size: got.value.size } };
  }
}

const contradiction = 'Content-Range and Content-Length contradict each other';

/** What the headers of a blob's answer announce. `span`: the Range that was asked for. */
export function judgeBlob(
  response: HttpResponse,
  digest: Digest,
  span: OpenRange | undefined,
): Outcome<OpenedBlob> {
  const { status, headers, body } = response;
  const problem = headerProblem(headers, digest);
  if (problem !== undefined) return { kind: 'invalid', reason: problem };
  const length = contentLength(headers);
  const given = parseContentRange(single(headers['content-range']));
  // Some caches send a part as 200 (dragonflyoss/client#1874), and some the whole as a part. The numbers tell the two apart.
  const isWhole = given?.start === 0 && given.end === given.size;
  const isPart = !isWhole && (status === 206 || (given !== undefined && length !== given.size));
  if (!isPart) {
    const size = length ?? given?.size;
    if (isWhole && size !== given.size) return { kind: 'invalid', reason: contradiction };
    return { kind: 'ok', value: { start: 0, end: size, size, body } };
  }

  const { start, end = Number.POSITIVE_INFINITY } = span ?? { start: 0 };
  if (!given || given.start !== start || given.end > end) {
    const asked = span ? `another range than ${rangeHeader(span)}` : 'a part when asked for the whole';
    return { kind: 'invalid', reason: `sent ${asked}` };
  }
  if (length !== undefined && length !== given.end - given.start) {
    return { kind: 'invalid', reason: contradiction };
  }
  return { kind: 'ok', value: { ...given, body } };
}

function headerProblem(headers: ResponseHeaders, digest: Digest): string | undefined {
  const told = parseDigest(single(headers['docker-content-digest']) ?? '');
  // A server that guesses types calls a layer that is a page what it is. A login page does not know the digest.
  const html = told === digest ? undefined : htmlProblem(headers);
  return html ?? encodingProblem(headers) ?? digestProblem(told, digest);
}
