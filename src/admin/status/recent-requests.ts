/** The last requests, with what was asked of endpoints for them. What comes is kept as it is; it is put into words when it is read. */
import type { Principal } from '../../access/principal.ts';
import type { PushTarget, Target } from '../../routing/target.ts';
import type { Trail } from '../../upstream/outcome.ts';
import type { RequestFilter, RequestSummary } from './status.ts';

/** One request whose answer is over. */
export interface SeenRequest {
  readonly id: string;
  /** Epoch ms. */
  readonly at: number;
  readonly method: string | undefined;
  readonly path: string;
  readonly target: Target | PushTarget | undefined;
  readonly status: number;
  readonly cache: string | undefined;
  readonly bytes: number;
  readonly ms: number;
  readonly end: RequestSummary['end'];
  readonly client: string;
  readonly agent: string | undefined;
  readonly principal: Principal | undefined;
  readonly endpoint: string | undefined;
  readonly reason: string | undefined;
  readonly trail: Trail | undefined;
}

export interface RecentRequests {
  /** On the way of every request: it stores a reference, and no more. */
  add(seen: SeenRequest): void;
  /** Newest first. */
  list(filter?: RequestFilter): readonly RequestSummary[];
  /** Requests that have been added so far. */
  readonly count: number;
}

const kept = 500;

/** Keeps the last 500. */
export function createRecentRequests(): RecentRequests {
  const ring: SeenRequest[] = [];
  let count = 0;

  function* newestFirst(): Generator<SeenRequest> {
    for (let n = 1; n <= ring.length; n += 1) {
      const seen = ring[(count - n) % kept];
      if (seen) yield seen;
    }
  }

  return {
    add(seen) {
      ring[count % kept] = seen;
      count += 1;
    },
    list({ text, failed = false, limit = kept } = {}) {
      const found: RequestSummary[] = [];
      for (const seen of newestFirst()) {
        if (found.length >= limit) break;
        if (failed && !hasFailed(seen)) continue;
        if (text !== undefined && !seen.path.includes(text) && !seen.target?.image.name.includes(text))
          continue;
        found.push(summaryOf(seen));
      }
      return found;
    },
    get count() {
      return count;
    },
  };
}

function hasFailed({ status, end }: SeenRequest): boolean {
  return status >= 400 || end === 'failed';
}

function summaryOf(seen: SeenRequest): RequestSummary {
  const { id, at, method = '', path, target, status, cache, bytes, ms, end, client, principal, trail } = seen;
  return {
    id,
    time: new Date(at).toISOString(),
    method,
    path,
    kind: target?.kind ?? null,
    image: target?.image.name ?? null,
    reference: target ? referenceText(target) : null,
    status,
    cache: cache ?? null,
    bytes,
    ms: Math.round(ms * 10) / 10,
    end,
    client,
    agent: seen.agent ?? null,
    principal: principal ? { kind: principal.kind, name: principal.name } : null,
    endpoint: seen.endpoint ?? null,
    reason: seen.reason ?? null,
    trail: trail ?? [],
  };
}

function referenceText(target: Target | PushTarget): string | null {
  switch (target.kind) {
    case 'manifest':
      return target.reference.digest ?? target.reference.tag ?? null;
    case 'blob':
      return target.digest;
    case 'referrers':
      return target.subject;
    case 'tags':
    case 'upload':
      return null;
  }
}
