/**
 * HEAD saves a body, but its "no" proves nothing. Pull-through caches (Harbor, zot, ECR) answer 404 to the HEAD of content that
 * they have not fetched yet, firewalls refuse HEAD, some servers close the connection. Only GET decides that content is
 * absent or refused:
 *
 *   HEAD: yes ....................... used
 *   HEAD: 429, or not connected ..... the answer: a GET would meet the same, and may cost more of the allowance
 *   HEAD: anything else ............. GET decides; if GET says yes, only GET is used for a while
 *
 * The last row holds for the whole host. An answer to HEAD that is `invalid` may be due to the content, which the owner of a
 * repository chooses: then it holds for that repository alone.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../lib/clock.ts';
import { type Endpoint, endpointKey } from '../endpoint.ts';
import type { Outcome } from '../outcome.ts';

export interface HeadHabits {
  /** The outcome of `head`, or that of `get` if HEAD is of no use at this endpoint. */
  ask<T>(
    endpoint: Endpoint,
    head: () => Promise<Outcome<T>>,
    get: () => Promise<Outcome<T>>,
  ): Promise<Outcome<T>>;
}

const maxHosts = 1000;
const maxRepositories = 1000;
/** ms. */
const habitFor = 10 * 60_000;
/** ms. An error of the server may be over soon, and a GET counts against rate limits where a HEAD does not. */
const errorFor = 60_000;

/** One for manifests and one for blobs: registries treat the two differently. */
export function createHeadHabits(clock: Clock): HeadHabits {
  /** Monotonic ms until which HEAD is not used. */
  const hosts = new LRUCache<string, number>({ max: maxHosts });
  const repositories = new LRUCache<string, number>({ max: maxRepositories });

  return {
    async ask(endpoint, head, get) {
      // Another replica answers HEAD as it answers GET.
      if (endpoint.peer) return head();
      const key = endpointKey(endpoint);
      const now = clock.monotonic();
      if (now < (hosts.get(endpoint.host) ?? 0) || now < (repositories.get(key) ?? 0)) return get();
      const headed = await head();
      if (headed.kind === 'ok' || !mayDiffer(headed)) return headed;
      const got = await get();
      if (got.kind !== 'ok') return got;
      const until = clock.monotonic() + (headed.kind === 'unreachable' ? errorFor : habitFor);
      if (headed.kind === 'invalid') repositories.set(key, until);
      else hosts.set(endpoint.host, until);
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
