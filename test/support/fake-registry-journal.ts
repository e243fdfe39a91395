/** What the fake registry was asked: every request, in order of arrival, and promises for those still to come. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Digest } from '../../src/oci/digest.ts';
import { parseDigest } from '../../src/oci/digest.ts';

export type RequestKind = 'ping' | 'manifest' | 'blob' | 'tags' | 'referrers' | 'file' | 'other';

export interface SeenRequest {
  readonly method: string;
  /** As sent, not decoded, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly kind: RequestKind;
  readonly repository: string | undefined;
  /** The last part of the path: a tag or a digest. */
  readonly reference: string | undefined;
  readonly digest: Digest | undefined;
  /** 1 for the first connection that the registry accepted, and so on. */
  readonly connection: number;
  /** Monotonic milliseconds. */
  readonly at: number;
  /** Undefined until the answer's headers went out. */
  status: number | undefined;
  /** Body bytes that were handed to the kernel so far. */
  sent: number;
  /** Resolves when the exchange is over: `cut` when either side broke it off. */
  readonly ended: Promise<'complete' | 'cut'>;
}

export interface RequestMatch {
  readonly method?: string;
  readonly path?: RegExp;
  readonly kind?: RequestKind;
  readonly repository?: string;
  /** A tag or a digest. */
  readonly reference?: string;
  readonly digest?: Digest;
  readonly when?: (request: SeenRequest) => boolean;
}

export interface Journal {
  readonly requests: readonly SeenRequest[];
  add(request: SeenRequest): void;
  matching(match?: RequestMatch): readonly SeenRequest[];
  count(match?: RequestMatch): number;
  /** Body bytes sent for a digest, or for all that matches. */
  bodyBytes(match?: Digest | RequestMatch): number;
  /** The next request of this kind, from now on. */
  next(match?: RequestMatch): Promise<SeenRequest>;
  /** Resolves with the `count`-th such request, past ones counted. */
  seen(match?: RequestMatch, count?: number): Promise<SeenRequest>;
  /** Forgets the past. */
  clear(): void;
}

export function createJournal(): Journal {
  const requests: SeenRequest[] = [];
  const waiters = new Set<(request: SeenRequest) => void>();

  function matching(match: RequestMatch = {}): SeenRequest[] {
    return requests.filter((request) => matches(match, request));
  }

  function nth(match: RequestMatch, count: number): Promise<SeenRequest> {
    return new Promise((resolve) => {
      const waiter = (request: SeenRequest) => {
        if (!matches(match, request) || --count > 0) return;
        waiters.delete(waiter);
        resolve(request);
      };
      waiters.add(waiter);
    });
  }

  return {
    requests,
    add(request) {
      requests.push(request);
      for (const waiter of [...waiters]) waiter(request);
    },
    matching,
    count: (match) => matching(match).length,
    bodyBytes: (match) =>
      matching(typeof match === 'string' ? { digest: match } : match).reduce((sum, one) => sum + one.sent, 0),
    next: (match = {}) => nth(match, 1),
    seen(match = {}, count = 1) {
      const past = matching(match);
      const known = past[count - 1];
      return known ? Promise.resolve(known) : nth(match, count - past.length);
    },
    clear() {
      requests.length = 0;
    },
  };
}

export function matches(match: RequestMatch, request: SeenRequest): boolean {
  return (
    (match.method === undefined || match.method === request.method) &&
    (match.path === undefined || match.path.test(request.path)) &&
    (match.kind === undefined || match.kind === request.kind) &&
    (match.repository === undefined || match.repository === request.repository) &&
    (match.reference === undefined || match.reference === request.reference) &&
    (match.digest === undefined || match.digest === request.digest) &&
    (match.when === undefined || match.when(request))
  );
}

const kinds: Readonly<Record<string, RequestKind>> = {
  manifests: 'manifest',
  blobs: 'blob',
  referrers: 'referrers',
};

/** Reads what an HTTP request asks for. */
export function readRequest(
  message: IncomingMessage,
  exchange: { connection: number; at: number; ended: Promise<'complete' | 'cut'> },
): SeenRequest {
  const [path = '', query = ''] = (message.url ?? '').split(/\?(.*)/s);
  const named = /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]+)$/.exec(path);
  const listed = /^\/v2\/(.+)\/tags\/list$/.exec(path);
  const reference = named?.[3] === undefined ? undefined : decodeURIComponent(named[3]);
  return {
    method: message.method ?? '',
    path,
    query: new URLSearchParams(query),
    headers: message.headers,
    kind: named?.[2]
      ? (kinds[named[2]] ?? 'other')
      : listed
        ? 'tags'
        : /^\/v2\/?$/.test(path)
          ? 'ping'
          : 'other',
    repository: named?.[1] ?? listed?.[1],
    reference,
    digest: reference === undefined ? undefined : parseDigest(reference),
    ...exchange,
    status: undefined,
    sent: 0,
  };
}
