/**
 * One object over the S3 API. A small one is one request; a large one is parts, a few at once, and one request that makes them an
 * object. The hash of each body is signed, so the store refuses a torn one. Whatever fails, the parts are given up; what a killed
 * process leaves is found by `abortUploads`.
 *
 *   POST ?uploads -> id    PUT ?partNumber=N&uploadId=id (each)    POST ?uploadId=id    or DELETE ?uploadId=id
 */
import { createHash, hash } from 'node:crypto';
import type { ByteRange } from '../../lib/bytes/byte-range.ts';
import type { Clock } from '../../lib/clock.ts';
import { mapAtOnce } from '../../lib/flow/at-once.ts';
import { type Exchanges, headerOf } from '../exchange.ts';
import { s3Name } from '../object-answer.ts';
import type { ObjectSource } from '../object-store.ts';
import type { PartMemory } from '../part-memory.ts';
import type { PutOptions } from '../puts.ts';
import { joinPatience, partsAtOnce, partsOf, readPart, sendPart, usualPart } from '../upload-parts.ts';
import type { S3Answer, S3Client } from './s3-client.ts';

export interface S3UploadDeps {
  readonly client: S3Client;
  readonly exchanges: Exchanges;
  readonly clock: Clock;
  readonly memory: PartMemory;
}

interface Upload {
  readonly key: string;
  readonly id: string;
}

/** Resolves with the answer to the request that makes the object. Rejects StoreError, or the error of the source. */
export async function s3Upload(
  key: string,
  source: ObjectSource,
  options: PutOptions,
  deps: S3UploadDeps,
): Promise<S3Answer> {
  if (source.size <= usualPart) return putWhole(key, source, options, deps);
  const { client } = deps;
  const { signal } = options;
  const named = { method: 'POST', key, query: [['uploads', '']], headers: nameOf(source) } as const;
  const begun = await client.must(named, { signal });
  const document = await client.readDocument(begun, 'InitiateMultipartUploadResult', signal);
  const upload = { key, id: document.text('UploadId') ?? '' };
  let isComplete = false;
  try {
    const parts = [...partsOf(source.size).entries()];
    const etags = await mapAtOnce(parts, partsAtOnce, ([index, range]) =>
      putPart(upload, index + 1, { source, range }, deps, signal),
    );
    const answer = await complete(upload, etags, options, deps);
    isComplete = answer.ok;
    return answer;
  } finally {
    // Without the signal: a caller that has left must not leave parts behind. What stays even so is found by `abortUploads`.
    if (!isComplete) await abortUpload(upload, deps).catch(() => {});
  }
}

/** Gives an upload up; one that is over already counts as given up. Rejects StoreError. */
export async function abortUpload(
  { key, id }: Upload,
  { client, exchanges }: Pick<S3UploadDeps, 'client' | 'exchanges'>,
  signal?: AbortSignal,
): Promise<void> {
  const answer = await client.ask({ method: 'DELETE', key, query: [['uploadId', id]] }, { signal });
  if (answer.ok) exchanges.drop(answer.response);
  else if (answer.status !== 404) throw answer.error;
}

async function putWhole(
  key: string,
  source: ObjectSource,
  { headers, signal }: PutOptions,
  { client, exchanges, memory }: S3UploadDeps,
): Promise<S3Answer> {
  const answer = await memory.use(
    source.size,
    async (body) => {
      const hash = source.sha256 === undefined ? createHash('sha256') : undefined;
      await readPart(source, { start: 0, end: source.size }, body, { signal, hash });
      const sha256 = hash?.digest('hex') ?? source.sha256;
      const named = { ...headers, ...nameOf(source) };
      const request = { method: 'PUT', key, body, sha256, headers: named } as const;
      return client.ask(request, { signal, bulk: true });
    },
    signal,
  );
  if (!answer.ok) return answer;
  exchanges.drop(answer.response);
  if (headerOf(answer.response, 'etag') !== undefined) return answer;
  throw exchanges.error('invalid', 'took an object without an ETag: is a proxy between?');
}

/** Resolves with the ETag of the part. */
async function putPart(
  { key, id }: Upload,
  number: number,
  { source, range }: { readonly source: ObjectSource; readonly range: ByteRange },
  { client, exchanges, clock, memory }: S3UploadDeps,
  signal: AbortSignal | undefined,
): Promise<string> {
  const query = [
    ['partNumber', String(number)],
    ['uploadId', id],
  ] as const;
  const send = () =>
    memory.use(
      range.end - range.start,
      async (body) => {
        const hash = createHash('sha256');
        await readPart(source, range, body, { signal, hash });
        const request = { method: 'PUT', key, query, body, sha256: hash.digest('hex') } as const;
        return client.must(request, { signal, bulk: true });
      },
      signal,
    );
  const response = await sendPart(send, { clock, signal });
  exchanges.drop(response);
  const etag = headerOf(response, 'etag');
  if (etag !== undefined) return etag;
  throw exchanges.error('invalid', 'took a part without an ETag: is a proxy between?');
}

async function complete(
  { key, id }: Upload,
  etags: readonly string[],
  { headers, signal }: PutOptions,
  { client }: S3UploadDeps,
): Promise<S3Answer> {
  const parts = etags.map(
    (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
  );
  const body = Buffer.from(
    `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</CompleteMultipartUpload>`,
  );
  const request = {
    method: 'POST',
    key,
    query: [['uploadId', id]],
    body,
    sha256: hash('sha256', body, 'hex'),
    patience: joinPatience,
    headers: { ...headers, 'content-type': 'application/xml' },
  } as const;
  const answer = await client.ask(request, { signal });
  if (answer.ok) await client.readDocument(answer.response, 'CompleteMultipartUploadResult', signal);
  return answer;
}

function nameOf({ name }: ObjectSource): Readonly<Record<string, string>> {
  return name === undefined ? {} : { [s3Name]: name };
}

/** ETags are opaque, and often in quotes. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
