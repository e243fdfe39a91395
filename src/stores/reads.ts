/** HEAD and GET of an object: the same for every kind of store but for how it is asked, and how it says that an object is absent. */
import { rangeHeader } from '../lib/bytes/byte-range.ts';
import type { Clock } from '../lib/clock.ts';
import type { Exchanges, SendOptions } from './exchange.ts';
import { bodyOf, infoOf } from './object-answer.ts';
import type { ObjectStore } from './object-store.ts';
import type { StoreResponse } from './transport.ts';

export interface ReadsDeps<Refusal> {
  readonly exchanges: Pick<Exchanges, 'drop' | 'error'>;
  readonly clock: Clock;
  /** Milliseconds in which a body must move. */
  readonly stallTimeout: number;
  ask(
    method: 'HEAD' | 'GET',
    key: string,
    headers: Readonly<Record<string, string>>,
    options: SendOptions,
  ): Promise<{ readonly ok: true; readonly response: StoreResponse } | Refusal>;
  /** Returns if the refusal means that the object is absent, and fails with its error if not. */
  absent(refusal: Refusal, signal: AbortSignal | undefined): void | Promise<void>;
}

/** For one store. */
export function createReads<Refusal extends { readonly ok: false }>({
  exchanges,
  clock,
  stallTimeout,
  ask,
  absent,
}: ReadsDeps<Refusal>): Pick<ObjectStore, 'head' | 'get'> {
  return {
    async head(key, signal) {
      const answer = await ask('HEAD', key, {}, { signal });
      if (answer.ok) {
        exchanges.drop(answer.response);
        return infoOf(answer.response, exchanges);
      }
      await absent(answer, signal);
      return undefined;
    },
    async get(key, range, signal) {
      const asked = rangeHeader(range);
      const headers: Readonly<Record<string, string>> = asked === undefined ? {} : { range: asked };
      const answer = await ask('GET', key, headers, { signal, bulk: true });
      if (answer.ok) return bodyOf(answer.response, range, { exchanges, clock, stallTimeout });
      await absent(answer, signal);
      return undefined;
    },
  };
}
