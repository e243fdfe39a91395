/**
 * Work of one client of buckets, in a process of its own: `bucket-client.ts CLIENT WORK ENDPOINT AMOUNT`. Prints the ms of processor
 * time that it took, after a smaller turn that is not counted, and the most MiB that the process ever held.
 *
 *   get, put    one object of AMOUNT bytes (put: in parts of 8 MiB, four at a time, each with its hash)
 *   head        AMOUNT requests, one after the other
 *   presign     AMOUNT URLs
 */
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { createReadBlocks } from '../src/lib/bytes/read-blocks.ts';
import type { ObjectSource } from '../src/stores/object-store.ts';
import { openTestStore, s3Config } from '../test/support/stores.ts';

interface Client {
  get(key: string): Promise<void>;
  put(key: string, size: number): Promise<void>;
  head(key: string): Promise<void>;
  presign(key: string): Promise<void>;
}

const bucket = 'images';
const region = 'us-east-1';
const key = { accessKey: 'AKBENCH', secretKey: 'the-secret-of-the-bench' };
const piece = Buffer.alloc(1024 * 1024, 'bench');

function* pieces(size: number): Generator<Buffer> {
  for (let left = size; left > 0; left -= piece.length) yield piece.subarray(0, Math.min(left, piece.length));
}

function entrepot(endpoint: string, ends: (() => unknown)[]): Client {
  const env = { AWS_ACCESS_KEY_ID: key.accessKey, AWS_SECRET_ACCESS_KEY: key.secretKey };
  const blocks = createReadBlocks({ size: 512 * 1024, sockets: 64, keep: 24, lend: 32 });
  const cleanup = { after: (end: () => unknown) => void ends.push(end) };
  const store = openTestStore(cleanup, s3Config({ endpoint, bucket, region }), { env, blocks });
  const sourceOf = (size: number): ObjectSource => ({
    size,
    stream(start, end) {
      const rest = pieces(end - start);
      return { next: async () => rest.next().value ?? undefined, close() {} };
    },
  });
  return {
    async get(name) {
      const got = await store.get(name, { start: 0 });
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      got?.body.consume({
        data(chunk) {
          blocks.release(chunk);
          return true;
        },
        end: resolve,
        fail: (reason) => reject(new Error(reason)),
      });
      await promise;
    },
    put: async (name, size) => void (await store.put(name, sourceOf(size))),
    head: async (name) => void (await store.head(name)),
    presign: async (name) => void (await store.presign(name, 600)),
  };
}

/** From `bench/peers/aws-sdk/node_modules`; its types are not there where it is not installed. */
function awsSdk(endpoint: string): Client {
  const load = createRequire(new URL('peers/aws-sdk/package.json', import.meta.url));
  const { S3Client, GetObjectCommand, HeadObjectCommand } = load('@aws-sdk/client-s3');
  const { Upload } = load('@aws-sdk/lib-storage');
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: key.accessKey, secretAccessKey: key.secretKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const place = (name: string) => ({ Bucket: bucket, Key: name });
  const { getSignedUrl } = load('@aws-sdk/s3-request-presigner');
  return {
    async get(name) {
      const { Body } = await client.send(new GetObjectCommand(place(name)));
      for await (const chunk of Body) if (chunk.length < 0) throw new Error('a chunk without bytes');
    },
    async put(name, size) {
      const params = { ...place(name), Body: Readable.from(pieces(size)) };
      await new Upload({ client, params, partSize: 8 * piece.length, queueSize: 4 }).done();
    },
    head: async (name) => void (await client.send(new HeadObjectCommand(place(name)))),
    presign: async (name) =>
      void (await getSignedUrl(client, new GetObjectCommand(place(name)), { expiresIn: 600 })),
  };
}

const [name = '', work = '', endpoint = '', amountText = ''] = process.argv.slice(2);
const ends: (() => unknown)[] = [];
const client = name === 'entrepot' ? entrepot(endpoint, ends) : awsSdk(endpoint);

async function run(amount: number): Promise<void> {
  if (work === 'get') return client.get(`a-${amount}`);
  if (work === 'put') return client.put(`a${Math.random()}`, amount);
  for (let n = 0; n < amount; n += 1)
    await (work === 'head' ? client.head('a-1000') : client.presign(`a${n}`));
}

const amount = Number(amountText);
await run(Math.ceil(amount / 8));
const before = process.cpuUsage();
await run(amount);
const { user, system } = process.cpuUsage(before);
const memory = process.resourceUsage().maxRSS / 1024;
for (const end of ends) await end();
console.log(JSON.stringify({ ms: (user + system) / 1000, memory }));
process.exit();
