/**
 * What the headers of an answer say of an object. Every store sends an ETag with an object; a captive portal, which answers 200 to
 * everything, does not.
 */
import { type OpenRange, parseContentRange } from '../lib/bytes/byte-range.ts';
import type { Clock } from '../lib/clock.ts';
import { type Exchanges, headerOf } from './exchange.ts';
import type { ObjectBody, ObjectInfo } from './object-store.ts';
import type { StoreResponse } from './transport.ts';
import { watchedBody } from './watched-body.ts';

/** Headers with the name of an object. */
export const s3Name = 'x-amz-meta-entrepot';
export const azureName = 'x-ms-meta-entrepot';

/** Of a HEAD. Throws StoreError `invalid`. */
export function infoOf(response: StoreResponse, { error }: Pick<Exchanges, 'error'>): ObjectInfo {
  const size = sizeOf(headerOf(response, 'content-length'));
  if (headerOf(response, 'etag') === undefined || size === undefined) {
    throw error(
      'invalid',
      `answered ${response.status} without what a store says of an object: is a proxy between?`,
    );
  }
  const name = headerOf(response, s3Name) ?? headerOf(response, azureName);
  return { size, modified: timeIn(headerOf(response, 'last-modified')), ...(name !== undefined && { name }) };
}

/** Of a GET with this range. Throws StoreError `invalid`, and cancels the body then. */
export function bodyOf(
  response: StoreResponse,
  range: OpenRange,
  deps: {
    readonly exchanges: Pick<Exchanges, 'error'>;
    readonly clock: Clock;
    readonly stallTimeout: number;
  },
): ObjectBody {
  const { exchanges, clock, stallTimeout } = deps;
  try {
    const { size: length } = infoOf(response, exchanges);
    const placed = placeOf(response, length);
    const isWanted = placed?.start === range.start && placed.end <= (range.end ?? placed.size);
    const isWhole = placed && placed.end === Math.min(range.end ?? placed.size, placed.size);
    if (!isWanted || !isWhole || placed.end - placed.start !== length) {
      throw exchanges.error('invalid', `gave other bytes than the range that was asked for`);
    }
    return { ...placed, body: watchedBody(response.body, { clock, stallTimeout }) };
  } catch (error) {
    response.body.cancel();
    throw error;
  }
}

/** Of an HTTP date, or of that of a listing. */
export function timeIn(text: string | undefined): number {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? Number.POSITIVE_INFINITY : time;
}

function placeOf(response: StoreResponse, length: number): Omit<ObjectBody, 'body'> | undefined {
  if (response.status === 200) return { start: 0, end: length, size: length };
  const said = parseContentRange(headerOf(response, 'content-range'));
  return said?.size === undefined ? undefined : { ...said, size: said.size };
}

function sizeOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
