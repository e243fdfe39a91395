/**
 * Posts a small body to a URL of the configuration, over the same proxies, CAs, DNS and connection limits as everything else. No
 * credentials of a registry go there, and no redirect is followed. Of the answer only the head is used: its body is dropped.
 */

import { dropBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import { retryAfter, single } from '../health/rate-limits.ts';
import type { Upstream } from '../upstream.ts';
import type { Sender } from './sender.ts';

/**
 * The host gets the request once, unless it closes a kept connection: it may be slow, and a post is no question that can be asked twice. So
 * it is sent as an upload (`kept-connections.ts`), and `timeout` alone ends the wait.
 */
export function createPost({
  sender,
  clock,
}: {
  readonly sender: Sender;
  readonly clock: Clock;
}): Upstream['post'] {
  return async (text, { headers, body, timeout, signal }) => {
    const url = new URL(text);
    const route = { url, name: url.host, verify: true, addressScope: 'any' as const };
    const late = new AbortController();
    const timer = clock.after(timeout, () => late.abort());
    const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
    const sent = await sender
      .send(
        route,
        { method: 'POST', headers, body: Buffer.from(body), patience: Infinity },
        { signal: either },
      )
      .finally(() => timer.cancel());
    if (!sent.ok) {
      const isLate = late.signal.aborted && signal?.aborted !== true;
      return { ok: false, reason: isLate ? `no answer within ${timeout / 1000} s` : sent.fault.reason };
    }
    const { status, headers: got, body: rest } = sent.response;
    dropBody(rest, clock);
    return { ok: true, status, retryAfter: retryAfter(single(got['retry-after']), clock.now()) };
  };
}
