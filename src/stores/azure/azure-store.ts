/** An ObjectStore over Azure Blob Storage: block blobs in one container. */
import type { Clock } from '../../lib/clock.ts';
import type { Exchanges } from '../exchange.ts';
import { timeIn } from '../object-answer.ts';
import type { ObjectStore } from '../object-store.ts';
import type { PartMemory } from '../part-memory.ts';
import { createPut } from '../puts.ts';
import { createReads } from '../reads.ts';
import { type AzureCredentials, readableUrl } from './azure-auth.ts';
import { type AzureRefusal, createAzureClient } from './azure-client.ts';
import { azureUpload } from './azure-upload.ts';

export interface AzureStoreDeps {
  readonly exchanges: Exchanges;
  readonly credentials: AzureCredentials;
  readonly memory: PartMemory;
  readonly clock: Clock;
  close(): Promise<void>;
}

export interface AzureStoreOptions {
  readonly name: string;
  readonly account: string;
  readonly container: string;
  /** URL of the account's blobs, without a slash at its end. */
  readonly endpoint: string;
  /** Before each key; empty or with a slash at its end. */
  readonly prefix: string;
  /** Milliseconds in which a body must move. */
  readonly stallTimeout: number;
}

/** Keys of a page: reading the XML of more would hold up other work. */
const pageSize = '250';

/** Contacts no host. */
export function createAzureStore(deps: AzureStoreDeps, options: AzureStoreOptions): ObjectStore {
  const { exchanges, credentials, clock } = deps;
  const { prefix, stallTimeout, account, container } = options;
  const client = createAzureClient({ ...deps, ...options });
  const blobOf = (key: string) => `${prefix}${key}`;

  /** Undefined for an absent blob. */
  function absent(refusal: AzureRefusal): undefined {
    if (refusal.code !== 'BlobNotFound') throw refusal.error;
  }

  const reads = createReads<AzureRefusal>({
    ...{ exchanges, clock, stallTimeout },
    ask: (method, key, headers, sending) => client.ask({ method, blob: blobOf(key), headers }, sending),
    absent,
  });

  return {
    name: options.name,
    ...reads,

    put: createPut({
      head: reads.head,
      upload: (key, source, put) => azureUpload(blobOf(key), source, put, { ...deps, client }),
    }),

    async delete(key, signal) {
      const answer = await client.ask({ method: 'DELETE', blob: blobOf(key) }, { signal });
      if (answer.ok) exchanges.drop(answer.response);
      else absent(answer);
    },

    async list(below, from, signal) {
      const query = {
        restype: 'container',
        comp: 'list',
        maxresults: pageSize,
        ...(blobOf(below) !== '' && { prefix: blobOf(below) }),
        ...(from !== undefined && { marker: from }),
      };
      const response = await client.must({ method: 'GET', query }, { signal });
      const document = await client.readDocument(response, 'EnumerationResults', signal);
      const blobs = document.child('Blobs')?.children('Blob') ?? [];
      const objects = blobs.flatMap((blob) => {
        const name = blob.text('Name') ?? '';
        const properties = blob.child('Properties');
        const size = Number(properties?.text('Content-Length'));
        const modified = timeIn(properties?.text('Last-Modified'));
        return name.startsWith(prefix) ? [{ key: name.slice(prefix.length), size, modified }] : [];
      });
      return { objects, next: document.text('NextMarker') || undefined };
    },

    /** The service discards blocks of a blob that was never made. */
    abortUploads: async () => 0,

    async presign(key, seconds) {
      const secret = await credentials.get();
      if (secret.kind !== 'key') {
        // A SAS would give its rights away; a token signs nothing.
        throw exchanges.error('refused', 'URLs for clients need an account key: set account_key_file');
      }
      const until = clock.now() + Math.max(1, Math.floor(seconds)) * 1000;
      const path = `${container}/${blobOf(key)}`;
      return readableUrl(client.url(blobOf(key)), path, { account, key: secret.key, until });
    },

    close: deps.close,
  };
}
