/**
 * Asks a URL of the configuration that is no registry's, such as a scanner's or that of signatures, over the same proxies, CAs, DNS and
 * connection limits as everything else. No credentials of a registry go there, and no redirect is followed.
 */
import { readBody } from '../../lib/bytes/small-body.ts';
import type { Clock } from '../../lib/clock.ts';
import { single } from '../health/rate-limits.ts';
import type { Upstream } from '../upstream.ts';
import type { Sender } from './sender.ts';

export interface AskUrlDeps {
  readonly sender: Sender;
  readonly clock: Clock;
}

/** One time bounds the whole exchange. */
export function createAskUrl({ sender, clock }: AskUrlDeps): Upstream['askUrl'] {
  return async (text, { method, headers, body, timeout, cap, signal }) => {
    const url = new URL(text);
    const route = { url, name: url.host, verify: true, addressScope: 'any' as const };
    const late = new AbortController();
    const timer = clock.after(timeout, () => late.abort());
    const either = signal ? AbortSignal.any([signal, late.signal]) : late.signal;
    const failed = (reason: string) => {
      const isLate = late.signal.aborted && signal?.aborted !== true;
      return { ok: false, reason: isLate ? `no answer within ${timeout / 1000} s` : reason } as const;
    };
    try {
      // Bytes are sent once. A text would be sent again after some seconds of silence, and a scanner may need longer.
      const bytes = body === undefined ? {} : { body: Buffer.from(body) };
      const request = { method, headers, patience: timeout, ...bytes };
      const sent = await sender.send(route, request, { signal: either });
      if (!sent.ok) return failed(sent.fault.reason);
      const { status, headers: got } = sent.response;
      const read = await readBody(sent.response.body, { cap, clock, timeout, signal: either });
      if (!read.ok) return failed(read.reason);
      return { ok: true, status, type: single(got['content-type']) ?? '', bytes: read.bytes };
    } finally {
      timer.cancel();
    }
  };
}
