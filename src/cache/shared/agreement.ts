/**
 * What a request waits for so that replicas agree: others can know what was said here, or what they said is known here. A push waits for
 * the first before its answer, a miss of pushed content for the second. Neither waits for a server that is gone, or longer than a
 * moment for one that is slow.
 */
import type { Clock } from '../../lib/clock.ts';
import { orLate } from '../../lib/flow/or-late.ts';
import type { FactExchange } from './fact-exchange.ts';

export interface Agreement {
  /** Others can know what was said here before the call. */
  told(): Promise<void>;
  /** Whether what others said before the call is known here now; false where that cannot be waited for. */
  heard(): Promise<boolean>;
}

/** Facts are not shared. */
export const alone: Agreement = { told: async () => {}, heard: async () => false };

/** ms of one wait, and after one that was in vain, in which nothing waits. */
const longest = 1000;
const pause = 2000;

/** `exchange`: undefined while there is no server. */
export function createAgreement(exchange: () => FactExchange | undefined, clock: Clock): Agreement {
  let notBefore = 0;

  async function within(ask: (exchange: FactExchange) => Promise<boolean>): Promise<boolean> {
    const asked = exchange();
    if (!asked || clock.monotonic() < notBefore) return false;
    const isDone = (await orLate(clock, longest, ask(asked))) ?? false;
    if (!isDone) notBefore = clock.monotonic() + pause;
    return isDone;
  }

  return {
    async told() {
      await within((asked) => asked.told().then(() => true));
    },
    heard: () => within((asked) => asked.upToDate()),
  };
}
