/** An ObjectStore over the S3 API: AWS, Ceph RGW, MinIO, NooBaa, HCP, Google Cloud Storage. It asks a server for the least it can. */
import type { Clock } from '../../lib/clock.ts';
import type { Credentials } from '../credentials.ts';
import type { Exchanges } from '../exchange.ts';
import { timeIn } from '../object-answer.ts';
import type { ObjectStore } from '../object-store.ts';
import type { PartMemory } from '../part-memory.ts';
import { createPut } from '../puts.ts';
import { createReads } from '../reads.ts';
import { createAbsence } from './absence.ts';
import type { Addressing } from './addressing.ts';
import { createS3Client } from './s3-client.ts';
import type { S3Refusal } from './s3-refusal.ts';
import { abortUpload, s3Upload } from './s3-upload.ts';
import { type AccessKey, presignedUrl } from './signature.ts';

export interface S3StoreDeps {
  readonly exchanges: Exchanges;
  readonly credentials: Credentials<AccessKey>;
  readonly addressing: Addressing;
  readonly memory: PartMemory;
  readonly clock: Clock;
  /** Instead of the store's own: URLs of a content delivery network before the bucket. */
  readonly presign?: ((keyInBucket: string, seconds: number) => Promise<string>) | undefined;
  close(): Promise<void>;
}

export interface S3StoreOptions {
  readonly name: string;
  readonly region: string;
  /** Milliseconds in which a body must move. */
  readonly stallTimeout: number;
}

/** Keys of a page: reading the XML of more would hold up other work. */
const pageSize = '250';

/** Contacts no host. */
export function createS3Store(deps: S3StoreDeps, options: S3StoreOptions): ObjectStore {
  const { exchanges, credentials, addressing, clock } = deps;
  const { region, stallTimeout } = options;
  const client = createS3Client({ exchanges, credentials, addressing, region, clock });
  const isAbsent = createAbsence({ client, exchanges, clock });

  const reads = createReads<S3Refusal>({
    ...{ exchanges, clock, stallTimeout, absent: isAbsent },
    ask: (method, key, headers, sending) => client.ask({ method, key, headers }, sending),
  });

  return {
    name: options.name,
    ...reads,

    put: createPut({
      head: reads.head,
      upload: (key, source, options) => s3Upload(key, source, options, { ...deps, client }),
    }),

    async delete(key, signal) {
      const answer = await client.ask({ method: 'DELETE', key }, { signal });
      if (answer.ok) exchanges.drop(answer.response);
      else if (answer.code !== 'NoSuchKey') throw answer.error;
    },

    async list(prefix, from, signal) {
      const query = [
        ['list-type', '2'],
        ['max-keys', pageSize],
        ['prefix', addressing.keyIn(prefix)],
        ...(from === undefined ? [] : ([['continuation-token', from]] as const)),
      ] as const;
      const response = await client.must({ method: 'GET', query }, { signal });
      const document = await client.readDocument(response, 'ListBucketResult', signal);
      const objects = document.children('Contents').flatMap((entry) => {
        const key = addressing.keyOf(entry.text('Key') ?? '');
        const size = Number(entry.text('Size'));
        return key === undefined ? [] : [{ key, size, modified: timeIn(entry.text('LastModified')) }];
      });
      const isTruncated = document.text('IsTruncated') === 'true';
      return { objects, next: isTruncated ? document.text('NextContinuationToken') : undefined };
    },

    async abortUploads(before, signal, isOurs = () => true) {
      let aborted = 0;
      for (let markers: readonly (readonly [string, string])[] | undefined = []; markers; ) {
        const query = [
          ['uploads', ''],
          ['max-uploads', pageSize],
          ['prefix', addressing.keyIn('')],
          ...markers,
        ] as const;
        const response = await client.must({ method: 'GET', query }, { signal });
        const document = await client.readDocument(response, 'ListMultipartUploadsResult', signal);
        for (const upload of document.children('Upload')) {
          const key = addressing.keyOf(upload.text('Key') ?? '');
          const id = upload.text('UploadId');
          const begun = Date.parse(upload.text('Initiated') ?? '');
          if (key === undefined || id === undefined || !(begun < before) || !isOurs(key)) continue;
          await abortUpload({ key, id }, { client, exchanges }, signal);
          aborted += 1;
        }
        markers = nextUploads(document);
      }
      return aborted;
    },

    async presign(key, seconds) {
      if (deps.presign) return deps.presign(addressing.keyIn(key), seconds);
      const signing = { key: await credentials.get(), region, now: clock.now() };
      return presignedUrl(addressing.url(key), seconds, signing);
    },

    close: deps.close,
  };
}

/** The markers of the next page of uploads; undefined at the end. */
function nextUploads(document: { text(name: string): string | undefined }) {
  const key = document.text('NextKeyMarker');
  const id = document.text('NextUploadIdMarker');
  if (document.text('IsTruncated') !== 'true' || key === undefined || key === '') return undefined;
  return [['key-marker', key] as const, ...(id ? [['upload-id-marker', id] as const] : [])];
}
