/**
 * One block blob. A small one is one request; a large one is blocks, a few at once, and one request that makes them a blob. The length
 * of each body is signed, so the store refuses a torn one. Blocks that never became a blob go by themselves after a week.
 *
 *   PUT ?comp=block&blockid=ID (each)    PUT ?comp=blocklist
 */
import type { ByteRange } from '../../lib/bytes/byte-range.ts';
import type { Clock } from '../../lib/clock.ts';
import { mapAtOnce } from '../../lib/flow/at-once.ts';
import { type Exchanges, headerOf } from '../exchange.ts';
import { azureName } from '../object-answer.ts';
import type { ObjectSource } from '../object-store.ts';
import type { PartMemory } from '../part-memory.ts';
import type { PutOptions } from '../puts.ts';
import { joinPatience, partsAtOnce, partsOf, readPart, sendPart, usualPart } from '../upload-parts.ts';
import type { AzureAnswer, AzureClient } from './azure-client.ts';

export interface AzureUploadDeps {
  readonly client: AzureClient;
  readonly exchanges: Exchanges;
  readonly clock: Clock;
  readonly memory: PartMemory;
}

/** Resolves with the answer to the request that makes the blob. Rejects StoreError, or the error of the source. */
export async function azureUpload(
  blob: string,
  source: ObjectSource,
  { signal, ...put }: PutOptions,
  { client, exchanges, clock, memory }: AzureUploadDeps,
): Promise<AzureAnswer> {
  const bulk = { signal, bulk: true };
  const headers = { ...put.headers, ...(source.name !== undefined && { [azureName]: source.name }) };

  const putWhole = () =>
    memory.use(
      source.size,
      async (body) => {
        await readPart(source, { start: 0, end: source.size }, body, { signal });
        const request = {
          method: 'PUT',
          blob,
          body,
          headers: { ...headers, 'x-ms-blob-type': 'BlockBlob' },
        } as const;
        return client.ask(request, bulk);
      },
      signal,
    );

  async function putBlock(index: number, range: ByteRange): Promise<string> {
    // All of one length, as the store wants it.
    const blockid = Buffer.from(String(index).padStart(6, '0')).toString('base64');
    const send = () =>
      memory.use(
        range.end - range.start,
        async (body) => {
          await readPart(source, range, body, { signal });
          const request = { method: 'PUT', blob, query: { comp: 'block', blockid }, body } as const;
          return client.must(request, bulk);
        },
        signal,
      );
    exchanges.drop(await sendPart(send, { clock, signal }));
    return blockid;
  }

  async function putInBlocks(): Promise<AzureAnswer> {
    const parts = [...partsOf(source.size).entries()];
    const ids = await mapAtOnce(parts, partsAtOnce, ([index, range]) => putBlock(index, range));
    const list = ids.map((id) => `<Latest>${id}</Latest>`).join('');
    const body = Buffer.from(`<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`);
    const request = {
      method: 'PUT',
      blob,
      query: { comp: 'blocklist' },
      body,
      headers,
      patience: joinPatience,
    } as const;
    return client.ask(request, { signal });
  }

  const answer = await (source.size > usualPart ? putInBlocks() : putWhole());
  if (!answer.ok) return answer;
  exchanges.drop(answer.response);
  if (headerOf(answer.response, 'etag') !== undefined) return answer;
  throw exchanges.error('invalid', 'took an object without an ETag: is a proxy between?');
}
