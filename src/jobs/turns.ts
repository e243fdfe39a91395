/**
 * Clients come before jobs. The rule: a job begins no transfer while more than `clients` cold blobs are on their way for clients. It
 * looks again every half second. A job that has waited for a minute begins its transfer all the same, one job at a time, so that a
 * server that is never idle still replicates. A transfer that has begun is not held up: its bytes would only be fetched later.
 */
import type { Clock } from '../lib/clock.ts';
import { pause } from '../lib/flow/pause.ts';

export interface Turns {
  /** Resolves when a job may begin a transfer. Rejects with the reason of `signal` when it is aborted. */
  wait(signal: AbortSignal): Promise<void>;
}

export interface TurnsDeps {
  readonly clock: Clock;
  /** Transfers under way that a client waits for. */
  readonly coldForClients: () => number;
}

/** ms between two looks, and ms after which a job goes on in any case. */
const lookEvery = 500;
const longest = 60_000;

/** `clients`: transfers for clients beside which jobs may begin theirs. */
export function createTurns(
  { clock, coldForClients }: TurnsDeps,
  { clients }: { readonly clients: number },
): Turns {
  /** When a job was last let through although clients were waiting. */
  let letThrough = Number.NEGATIVE_INFINITY;

  return {
    async wait(signal) {
      const since = clock.monotonic();
      for (;;) {
        signal.throwIfAborted();
        if (coldForClients() <= clients) return;
        const now = clock.monotonic();
        if (now - Math.max(since, letThrough) >= longest) {
          letThrough = now;
          return;
        }
        await pause(clock, lookEvery, signal);
      }
    },
  };
}
