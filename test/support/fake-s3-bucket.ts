/** The objects of the fake S3 server, and what it answers once a request is let in. */
import { createHash, randomUUID } from 'node:crypto';
import type { FakeS3, S3RequestSeen } from './fake-s3.ts';

export interface BucketAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

interface Upload {
  readonly key: string;
  readonly begun: number;
  readonly parts: Map<number, Buffer>;
  /** Of the object that is made. */
  readonly name?: string | undefined;
}

export interface StoredObject {
  readonly bytes: Buffer;
  readonly modified: number;
  /** Metadata of ours. */
  readonly name?: string | undefined;
}

const nameHeader = 'x-amz-meta-entrepot';

export interface Bucket {
  readonly objects: Map<string, StoredObject>;
  readonly uploads: Map<string, Upload>;
}

type Asked = S3RequestSeen & { readonly key: string };
type Manner = Pick<FakeS3, 'mayList' | 'knowsConditions'>;

const pageSize = 2;

/** An empty one. */
export function createBucket(): Bucket {
  return { objects: new Map(), uploads: new Map() };
}

/** An error as S3 tells it. `more`: further elements. */
export function errorAnswer(status: number, code: string, more = ''): BucketAnswer {
  return xml(status, `<Error><Code>${code}</Code><Message>the words of ${code}</Message>${more}</Error>`);
}

/** To a request whose signature is right. */
export function answerOf(bucket: Bucket, request: Asked, manner: Manner): BucketAnswer {
  const { method, key, query } = request;
  if (key === '' && method === 'HEAD') return manner.mayList ? plain(200) : plain(403);
  if (key === '' && query.has('uploads')) return uploadsOf(bucket, query);
  if (key === '') return listOf(bucket, query);
  const id = query.get('uploadId');
  if (method === 'POST' && query.has('uploads')) return begin(bucket, key, nameIn(request));
  if (id !== null) return ofUpload(bucket, id, request, manner);
  switch (method) {
    case 'PUT':
      return put(bucket, key, request.body, request, manner);
    case 'DELETE':
      bucket.objects.delete(key);
      return plain(204);
    default:
      return get(bucket, request, manner);
  }
}

function get({ objects }: Bucket, { key, headers, method }: Asked, { mayList }: Manner): BucketAnswer {
  const object = objects.get(key);
  if (!object) {
    const status = mayList ? 404 : 403;
    return method === 'HEAD' ? plain(status) : errorAnswer(status, mayList ? 'NoSuchKey' : 'AccessDenied');
  }
  const { bytes, modified, name } = object;
  const about = {
    etag: etagOf(bytes),
    'last-modified': new Date(modified).toUTCString(),
    ...(name !== undefined && { [nameHeader]: name }),
  };
  const match = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '');
  if (method === 'HEAD' || !match) {
    return { status: 200, headers: { ...about, 'content-length': String(bytes.length) }, body: bytes };
  }
  const start = Number(match[1]);
  const end = Math.min(match[2] ? Number(match[2]) + 1 : bytes.length, bytes.length);
  if (start >= bytes.length) return errorAnswer(416, 'InvalidRange');
  const range = `bytes ${start}-${end - 1}/${bytes.length}`;
  return { status: 206, headers: { ...about, 'content-range': range }, body: bytes.subarray(start, end) };
}

function put(
  { objects }: Bucket,
  key: string,
  bytes: Buffer,
  request: Asked,
  { knowsConditions }: Manner,
  name = nameIn(request),
) {
  const { headers } = request;
  if (headers['if-none-match'] !== undefined) {
    if (!knowsConditions) return errorAnswer(501, 'NotImplemented');
    if (objects.has(key)) return errorAnswer(412, 'PreconditionFailed');
  }
  objects.set(key, { bytes, modified: Date.now(), name });
  return plain(200, { etag: etagOf(bytes) });
}

function nameIn({ headers }: Pick<Asked, 'headers'>): string | undefined {
  const name = headers[nameHeader];
  return typeof name === 'string' ? name : undefined;
}

function begin({ uploads }: Bucket, key: string, name: string | undefined): BucketAnswer {
  const id = randomUUID();
  uploads.set(id, { key, begun: Date.now(), parts: new Map(), name });
  return xml(
    200,
    `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
  );
}

function ofUpload(bucket: Bucket, id: string, request: Asked, manner: Manner): BucketAnswer {
  const upload = bucket.uploads.get(id);
  if (!upload) return errorAnswer(404, 'NoSuchUpload');
  const number = request.query.get('partNumber');
  if (number !== null) {
    upload.parts.set(Number(number), request.body);
    return plain(200, { etag: etagOf(request.body) });
  }
  if (request.method === 'DELETE') {
    bucket.uploads.delete(id);
    return plain(204);
  }
  const named = [
    ...request.body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>&quot;(\w+)&quot;<\/ETag>/g),
  ];
  const parts = named.map(([, n, etag]) => {
    const part = upload.parts.get(Number(n));
    return part && etagOf(part) === `"${etag}"` ? part : undefined;
  });
  if (parts.length === 0 || parts.includes(undefined)) return errorAnswer(400, 'InvalidPart');
  const bytes = Buffer.concat(parts.filter((part) => part !== undefined));
  const answer = put(bucket, upload.key, bytes, request, manner, upload.name);
  if (answer.status !== 200) return answer;
  bucket.uploads.delete(id);
  return xml(200, '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>');
}

function listOf({ objects }: Bucket, query: URLSearchParams): BucketAnswer {
  const after = query.get('continuation-token') ?? '';
  const keys = [...objects.keys()]
    .filter((key) => key.startsWith(query.get('prefix') ?? '') && key > after)
    .toSorted();
  const page = keys.slice(0, pageSize);
  const contents = page.map((key) => {
    const { bytes, modified } = objects.get(key)!;
    return `<Contents><Key>${key}</Key><Size>${bytes.length}</Size><LastModified>${new Date(modified).toISOString()}</LastModified></Contents>`;
  });
  const more = keys.length > page.length;
  const next = more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
  return xml(
    200,
    `<ListBucketResult><IsTruncated>${more}</IsTruncated>${contents.join('')}${next}</ListBucketResult>`,
  );
}

function uploadsOf({ uploads }: Bucket, query: URLSearchParams): BucketAnswer {
  const found = [...uploads].filter(([, { key }]) => key.startsWith(query.get('prefix') ?? ''));
  const entries = found.map(
    ([id, { key, begun }]) =>
      `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${new Date(begun).toISOString()}</Initiated></Upload>`,
  );
  return xml(
    200,
    `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListMultipartUploadsResult>`,
  );
}

function xml(status: number, text: string): BucketAnswer {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`);
  return { status, headers: { 'content-type': 'application/xml' }, body };
}

function plain(status: number, headers: Readonly<Record<string, string>> = {}): BucketAnswer {
  return { status, headers, body: Buffer.alloc(0) };
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"`;
}
