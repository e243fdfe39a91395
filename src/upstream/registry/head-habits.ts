/**
 * HEAD saves a body, but its "no" proves nothing. Pull-through caches (Harbor, zot, ECR) answer 404 to the HEAD of content that
 * they have not fetched yet, firewalls refuse HEAD, some servers close the connection. Only GET decides that content is
 * absent or refused:
 *
 *   HEAD: yes ....................... used
 *   HEAD: 429, or not connected ..... the answer: a GET would meet the same, and may cost more of the allowance
 *   HEAD: anything else ............. GET decides; if GET says yes, the host is asked with GET alone for a while
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import type { Outcome } from '../outcome.ts';

export interface HeadHabits {
  /** The outcome of `head`, or that of `get` if HEAD is no use at this host. */
  ask<T>(host: string, head: () => Promise<Outcome<T>>, get: () => Promise<Outcome<T>>): Promise<Outcome<T>>;
}

const maxHosts = 1000;
const habitFor = 10 * 60_000;
/** An error of the server may be over soon, and a GET counts against rate limits where a HEAD does not. */
const errorFor = 60_000;

export function createHeadHabits(clock: Clock): HeadHabits {
  /** Monotonic ms until which HEAD is not used. */
  const avoided = new LRUCache<string, number>({ max: maxHosts });

  return {
    async ask(host, head, get) {
      if (clock.monotonic() < (avoided.get(host) ?? 0)) return get();
      const headed = await head();
      if (headed.kind === 'ok' || !mayDiffer(headed)) return headed;
      const got = await get();
      if (got.kind === 'ok') {
        avoided.set(host, clock.monotonic() + (headed.kind === 'unreachable' ? errorFor : habitFor));
      }
      return got;
    },
  };
}

/** Whether a GET may be answered otherwise than this HEAD. */
function mayDiffer(headed: Exclude<Outcome<unknown>, { kind: 'ok' }>): boolean {
  if (headed.kind === 'rateLimited') return false;
  const { fault } = headed;
  return fault === undefined || fault === 'closed' || fault === 'broken' || fault === 'unanswered';
}
