/**
 * An object is put under the condition that none is there (`If-None-Match: *`). That is an economy, not a lock: the content of a key
 * is always the same, so a race of two uploads harms nothing.
 *
 *   stored .......................................... the answer is 2xx
 *   412, 409 ........................................ there is one: `present` if its size and name are right, else it is replaced
 *   412, and a HEAD that finds none ................. put once more: it may have been removed since
 *   412 again ....................................... `present`: the account may write, and not look
 *   NotImplemented, InvalidArgument ................. the store knows no such condition: from now on a HEAD asks before
 *   no answer to the last request ................... it may have worked, or was refused: a HEAD tells
 */
import { type ObjectInfo, type ObjectSource, type ObjectStore, StoreError } from './object-store.ts';
import { usualPart } from './upload-parts.ts';

export type PutAnswer =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly status: number;
      readonly code: string | undefined;
      readonly error: StoreError;
    };

export interface PutOptions {
  /** Of the request that makes the object. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface PutsDeps {
  head(key: string, signal?: AbortSignal): Promise<ObjectInfo | undefined>;
  /** Uploads the object as a whole: it is there when this resolves with ok. Rejects StoreError, or the error of the source. */
  upload(key: string, source: ObjectSource, options: PutOptions): Promise<PutAnswer>;
}

function isOf(there: ObjectInfo | undefined, { size, name }: ObjectSource): boolean {
  return there?.size === size && (name === undefined || there.name === name);
}

const onlyNew = { 'if-none-match': '*' };

/** Remembers whether the store knows conditions. */
export function createPut({ head, upload }: PutsDeps): ObjectStore['put'] {
  let knowsConditions = true;

  const isThere = async (key: string, source: ObjectSource, signal: AbortSignal | undefined) =>
    isOf(await head(key, signal), source);

  return async (key, source, signal) => {
    // A HEAD is cheaper than parts that are sent for nothing.
    const asksFirst = source.size > usualPart || !knowsConditions;
    if (asksFirst && (await isThere(key, source, signal))) return 'present';
    const headers = knowsConditions ? onlyNew : {};
    let answer: PutAnswer;
    try {
      answer = await upload(key, source, { headers, signal });
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== 'unreachable') throw error;
      const isStored = await isThere(key, source, signal).catch((told: unknown) => {
        // A store that refuses may close the connection before it has read the body: then the HEAD says why.
        throw told instanceof StoreError && told.kind === 'refused' ? told : error;
      });
      if (isStored) return 'stored';
      throw error;
    }
    if (answer.ok) return 'stored';
    const isTaken = answer.status === 412 || answer.status === 409;
    const isUnknown = answer.code === 'NotImplemented' || answer.code === 'InvalidArgument';
    if (!knowsConditions || (!isTaken && !isUnknown)) throw answer.error;
    if (isUnknown) knowsConditions = false;
    const there = await head(key, signal);
    if (isOf(there, source)) return 'present';
    const isAway = answer.status === 412 && !there;
    const again = await upload(key, source, { headers: isAway ? onlyNew : {}, signal });
    if (again.ok) return 'stored';
    if (isAway && again.status === 412) return 'present';
    throw again.error;
  };
}
