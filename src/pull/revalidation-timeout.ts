/**
 * Stale-if-error with a limit on the wait (RFC 5861): a cached copy is the last candidate of every race. If no endpoint has answered
 * within the timeout, the cached copy is served as stale and the question goes on in the background.
 *
 * After that no request waits for the same registries until they answer something in time, good or bad: so a dead registry costs one
 * wait, for all images and clients together. A registry that fails quickly costs nothing either once its breaker is open: it is not even
 * asked until a probe is due.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lib/clock.ts';
import { type Reference, referenceName } from '../oci/reference.ts';
import type { Log } from '../telemetry/log.ts';
import type { Upstream } from '../upstream/upstream.ts';

export interface RevalidationTimeout {
  /**
   * The answer if it comes in time; undefined when the cached copy has to do. `ask` calls `progressed` when a part of a long answer
   * is here: its registries are not silent, though the rest takes longer. `isPatient`: the answer, whenever it comes; undefined only
   * while it is known that no registry answers.
   */
  wait<T>(
    reference: Reference,
    ask: (progressed: () => void) => Promise<T>,
    isPatient?: boolean,
  ): Promise<T | undefined>;
}

export interface RevalidationTimeoutDeps {
  readonly clock: Clock;
  readonly upstream: Pick<Upstream, 'endpoints' | 'isDown' | 'hasAnswered'>;
  readonly log: Pick<Log, 'warn'>;
}

const maxRemembered = 2000;

/** `limit`: the timeout in ms; 0: no request waits. */
export function createRevalidationTimeout(
  { clock, upstream, log }: RevalidationTimeoutDeps,
  limit: number,
): RevalidationTimeout {
  const silent = new LRUCache<string, true>({ max: maxRemembered });

  function behind(answer: Promise<unknown>): void {
    answer.catch((err: unknown) =>
      log.warn({ event: 'pull.revalidationFailed', err }, 'a revalidation behind an answer failed'),
    );
  }

  return {
    async wait(reference, ask, isPatient = false) {
      const endpoints = upstream.endpoints(reference);
      if (upstream.isDown(endpoints)) return undefined;
      if (isPatient) return ask(() => {});
      if (limit === 0) {
        behind(ask(() => {}));
        return undefined;
      }
      const key = endpoints.map(({ host }) => host).join(' ');
      const own = referenceName(reference);
      const begun = clock.monotonic();
      const { promise: inTime, resolve } = Promise.withResolvers<undefined>();
      let hasProgressed = false;
      const progressed = () => {
        hasProgressed = true;
      };
      const timer = clock.after(limit, () => {
        // An image that its registry is slow to find must not make other images stale.
        if (!hasProgressed) silent.set(upstream.hasAnswered(endpoints, begun) ? own : key, true);
        resolve(undefined);
      });
      const wasSilent = silent.has(key) || silent.has(own);
      const answer = ask(progressed).finally(() => {
        timer.cancel();
        if (clock.monotonic() - begun >= limit) return;
        silent.delete(key);
        silent.delete(own);
      });
      if (!wasSilent) return Promise.race([answer, inTime]);
      behind(answer);
      return undefined;
    },
  };
}
