/** How long callers wait for PostgreSQL: a short time and then not at all, or until it answers. */
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { orLate } from '../../lib/flow/or-late.ts';
import { Unavailable } from './unavailable.ts';

export interface Patience {
  /** Undefined where there is no answer within `ms`; what was asked may still happen. Rejects as `ask`, except with `Unavailable`. */
  within<T>(ms: number, ask: () => Promise<T>): Promise<T | undefined>;
  /** For what is asked beside other work. Rejects with `Unavailable` where there is no answer within five seconds. */
  answer<T>(ask: () => Promise<T>): Promise<T>;
  /** Asks once more if it is unavailable and may be there within `ms`. Rejects as `ask`. */
  soon<T>(ms: number, ask: () => Promise<T>): Promise<T>;
  /** The same for a command, for three seconds. Rejects with EntrepotError FACTS_UNAVAILABLE then: `what` cannot be asked now. */
  forCommand<T>(what: string, ask: () => Promise<T>): Promise<T>;
  /** Asks again and again while it is unavailable. Rejects with `Unavailable` once it is stopped. */
  untilThere<T>(ask: () => Promise<T>): Promise<T>;
  /** It may answer now. */
  tryAgain(): void;
  stop(): void;
}

/** ms after which it is asked again, unless it is told to. */
const retryAfter = 5000;
const commandPatience = 3000;
/** A server that is frozen must not hold up a scrape, a look or a stop. */
const answerWithin = 5000;

/** No timer runs while nothing waits. */
export function createPatience(clock: Clock): Patience {
  let isStopped = false;
  let { promise: change, resolve: changed } = Promise.withResolvers<void>();

  function tryAgain(): void {
    const now = changed;
    ({ promise: change, resolve: changed } = Promise.withResolvers<void>());
    now();
  }

  async function soon<T>(ms: number, ask: () => Promise<T>): Promise<T> {
    const next = change;
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Unavailable) || isStopped) throw error;
    }
    await orLate(clock, ms, next);
    return ask();
  }

  async function within<T>(ms: number, ask: () => Promise<T>): Promise<T | undefined> {
    const asked = ask().catch((error: unknown) => {
      if (error instanceof Unavailable) return undefined;
      throw error;
    });
    return await orLate(clock, ms, asked);
  }

  return {
    soon,
    within,
    async answer(ask) {
      const given = await within(answerWithin, async () => ({ value: await ask() }));
      if (!given) throw new Unavailable('PostgreSQL does not answer');
      return given.value;
    },
    async forCommand(what, ask) {
      try {
        return await soon(commandPatience, ask);
      } catch (cause) {
        if (!(cause instanceof Unavailable)) throw cause;
        throw new EntrepotError('FACTS_UNAVAILABLE', `${what} cannot be asked now: ${cause.message}`, {
          cause,
        });
      }
    },
    async untilThere(ask) {
      for (;;) {
        const next = change;
        try {
          return await ask();
        } catch (error) {
          if (!(error instanceof Unavailable) || isStopped) throw error;
        }
        await orLate(clock, retryAfter, next);
      }
    },
    tryAgain,
    stop() {
      isStopped = true;
      tryAgain();
    },
  };
}

/** What is asked without patience: while it is unavailable, `otherwise`. */
export async function whileThere<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Unavailable) return otherwise;
    throw error;
  }
}
