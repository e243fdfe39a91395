/**
 * Credentials that a server gives for some hours:
 *
 *   valid for more than 5 minutes ... used
 *   for less ........................ used, while others are fetched behind
 *   expired ......................... fetched anew; the signal of a caller ends its wait alone
 *   refused by the store ............ fetched anew, at most once in 30 s
 */
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/flow/single-flight.ts';
import { unlessAborted } from '../lib/flow/unless-aborted.ts';
import type { Credentials } from './credentials.ts';
import type { Exchanges } from './exchange.ts';

export interface Temporary<T> {
  readonly value: T;
  /** Epoch ms; undefined if they do not expire. */
  readonly expires: number | undefined;
}

/** ms before their end. */
const renewBefore = 300_000;
/** ms between two tries. */
const tryAgainAfter = 30_000;

/** `expires` of a time as a server writes it; undefined where it writes none. Throws StoreError `invalid`; `host` is the server. */
export function readExpiry(
  time: string | undefined,
  host: string,
  { error }: Pick<Exchanges, 'error'>,
): number | undefined {
  if (time === undefined) return undefined;
  const expires = Date.parse(time);
  if (Number.isNaN(expires)) throw error('invalid', `${host} says no readable time in Expiration`);
  return expires;
}

/** `fetchNew` rejects StoreError. Calls at once share one fetch, which no single caller ends. */
export function createTemporary<T>(
  fetchNew: () => Promise<Temporary<T>>,
  { clock }: { readonly clock: Clock },
): Credentials<T> {
  const flights = new SingleFlight<Temporary<T>>();
  let held: Temporary<T> | undefined;
  let triedAt = Number.NEGATIVE_INFINITY;

  const validFor = ({ expires }: Temporary<T>) => (expires ?? Number.POSITIVE_INFINITY) - clock.now();
  const mayTry = () => clock.monotonic() - triedAt >= tryAgainAfter;

  async function renew(): Promise<Temporary<T>> {
    triedAt = clock.monotonic();
    held = await fetchNew();
    return held;
  }

  return {
    async get(signal) {
      signal?.throwIfAborted();
      if (held && validFor(held) > 0) {
        // The next one tries again while these are valid.
        if (validFor(held) <= renewBefore && mayTry()) flights.run('', renew).catch(() => {});
        return held.value;
      }
      const renewed = flights.run('', renew);
      const { value } = await (signal ? unlessAborted(renewed, signal, () => signal.reason) : renewed);
      return value;
    },

    doubt(refused) {
      // Another request that was refused has made way for others.
      if (held?.value !== refused) return true;
      if (!mayTry() && !flights.has('')) return false;
      held = undefined;
      return true;
    },
  };
}
