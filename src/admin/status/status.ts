/**
 * What the server does now, for people and programs that look at it: the admin API and the dashboard. It only reads. Nothing is
 * computed while nothing looks, apart from one sample a minute; what counts requests is the metrics' own (`telemetry/`).
 *
 * All values are JSON: times are ISO 8601 texts in UTC, sizes are bytes, and what is not known is null.
 */
import type { PrincipalKind } from '../../access/principal.ts';
import type { BreakerState } from '../../upstream/health/breaker.ts';
import type { Trail } from '../../upstream/outcome.ts';

export interface Status {
  /** Cold blobs on their way in. */
  transfers(): readonly TransferStatus[];
  /** Hosts that have been asked, and those that registries.conf names, by name. */
  endpoints(): Promise<readonly EndpointStatus[]>;
  /** The last 500 requests of the distribution API, newest first. */
  recent(filter?: RequestFilter): readonly RequestSummary[];
  overview(): Promise<Overview>;
  /** One sample for each full minute of the last 24 hours, oldest first. It begins with the start of the server. */
  series(): readonly Sample[];
  /** Always all of them, in the same order. */
  conditions(): Promise<readonly Condition[]>;
  /**
   * First what is true now, one change of each kind, then what changes: at most one of each kind in a second. A viewer that is slow
   * gets the newest of each kind. It ends when the signal aborts or the server stops. Throws EntrepotError BUSY where too many look.
   */
  changes(signal: AbortSignal): AsyncIterable<StatusChange>;
}

export interface TransferStatus {
  readonly digest: string;
  /** `registry/repository` of each image that has asked for it. */
  readonly images: readonly string[];
  /** `relaying`: there is no room for it, so it is passed on and not kept. */
  readonly state: 'filling' | 'verifying' | 'verified' | 'relaying';
  /** Bytes of the blob; null until an endpoint or a manifest tells. */
  readonly size: number | null;
  /** Bytes of it that are here. */
  readonly present: number;
  /** Requests that read it now. */
  readonly readers: number;
  /** `host[:port]` of the endpoints that have given bytes, the first one first. */
  readonly endpoints: readonly string[];
  readonly began: string;
  /** Over the last seconds if it was looked at then, else since it began. Null at its begin. */
  readonly bytesPerSecond: number | null;
}

export interface EndpointStatus {
  /** `host[:port]`. */
  readonly host: string;
  /** What registries.conf and the cluster make of it; none for a host that registries send us to, such as a token server. */
  readonly roles: readonly ('mirror' | 'source' | 'peer')[];
  /** `open`: it is skipped after failures in a row; `half-open`: one request tries it again. */
  readonly breaker: BreakerState;
  /** Seconds until it is asked again after it limited our requests (429); 0 if it may be asked. */
  readonly cooling: number;
  /** Requests that it allows, and those that are left, as its headers said last. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** Requests since the start, by outcome (`ok`, `notFound`, `unauthorized`, ...). */
  readonly requests: Readonly<Record<string, number>>;
  /** Bytes of blobs that came from it since the start. */
  readonly receivedBytes: number;
  /** Bodies after good headers that had wrong bytes, and that broke off. */
  readonly faults: { readonly invalid: number; readonly unreachable: number };
  /** Milliseconds that it usually takes to answer with headers. */
  readonly usualMs: number | null;
  /** A sentence fragment for people. */
  readonly lastFailure: string | null;
}

export interface RequestFilter {
  /** A text that the image or the path has in it. */
  readonly text?: string | undefined;
  /** Only those that failed: a status from 400, or an answer that broke off. */
  readonly failed?: boolean | undefined;
  /** At most so many. */
  readonly limit?: number | undefined;
}

export interface RequestSummary {
  /** X-Request-Id of the answer; the log line has the same. */
  readonly id: string;
  /** When the answer was over. */
  readonly time: string;
  readonly method: string;
  /** Without its query. */
  readonly path: string;
  /** Null for a path that means nothing here. */
  readonly kind: 'manifest' | 'blob' | 'tags' | 'referrers' | 'upload' | null;
  /** `registry/repository`. */
  readonly image: string | null;
  /** The tag or the digest that was asked for. */
  readonly reference: string | null;
  readonly status: number;
  /** How it was answered: `hit`, `joined`, `fetched`, `revalidated`, `stale`; null where the cache has no part in it. */
  readonly cache: string | null;
  /** Bytes of the body that were sent. */
  readonly bytes: number;
  readonly ms: number;
  /** How the answer ended. */
  readonly end: 'complete' | 'clientLeft' | 'clientStalled' | 'failed';
  /** IP address. */
  readonly client: string;
  readonly agent: string | null;
  readonly principal: { readonly kind: PrincipalKind; readonly name: string } | null;
  /** `host/repository` of the endpoint that the answer came from. */
  readonly endpoint: string | null;
  readonly reason: string | null;
  /** The endpoints that were asked, in order. */
  readonly trail: Trail;
}

export interface Overview {
  /** Of the program; null in a checkout without one. */
  readonly version: string | null;
  /** When this process began. */
  readonly since: string;
  /** Why nothing can be cached; null if the data folder can be used. */
  readonly problem: string | null;
  /** `upstream.offline` is set. */
  readonly isOffline: boolean;
  /** Since the start of this process, as are `requests` and `traffic`. Manifests that were answered with 200. */
  readonly pulls: number;
  readonly requests: RequestTotals;
  readonly traffic: Traffic;
  readonly transfers: number;
  readonly cache: CacheTotals;
  readonly disk: DiskTotals;
  readonly uploads: { readonly uploads: number; readonly bytes: number };
  readonly jobs: readonly { readonly kind: string; readonly state: string; readonly jobs: number }[];
  /** Tags that `[[sync]]` blocks want, by state. */
  readonly replicas: readonly { readonly state: string; readonly tags: number }[];
  readonly events: readonly EventSink[];
  /** Null without `[cluster]`. `members`: this one included; `shards`: of 256, those that this one owns. */
  readonly cluster: { readonly members: number; readonly shards: number } | null;
  /** Null without `[facts]`. */
  readonly facts: FactsNow | null;
  /** Contents in buckets, by state. */
  readonly placements: readonly StoredNow[];
}

export interface RequestTotals {
  /** Answers of the distribution API. */
  readonly total: number;
  /** Reads that were answered with 200 or 206, and how many of them without a body from an upstream. */
  readonly answered: number;
  readonly hits: number;
  /** `hits` of `answered`, 0 to 1; null before the first. */
  readonly hitRatio: number | null;
  /** Answers with a status from 500, and answers that broke off on our side. */
  readonly errors: number;
}

/** Bytes. */
export interface Traffic {
  readonly toClients: number;
  /** Of blobs. */
  readonly fromUpstreams: number;
  /** What clients got and no upstream had to give; 0 where more came in than went out. */
  readonly saved: number;
}

/** Bytes and counts of stored contents, each counted once. */
export interface CacheTotals {
  readonly bytes: number;
  readonly contents: number;
  readonly manifests: number;
  /** Of both, what was pushed or imported. */
  readonly hosted: { readonly bytes: number; readonly contents: number };
  /** Bytes reserved for transfers, and taken by partial downloads. */
  readonly reserved: number;
  /** `cache.max_size`; null if the disk alone limits the cache. */
  readonly maxSize: number | null;
  readonly quotas: readonly { readonly match: string; readonly bytes: number; readonly maxSize: number }[];
}

/** The file system of the data folder, in bytes. */
export interface DiskTotals {
  readonly free: number;
  readonly size: number;
  /** `cache.min_free`. */
  readonly minFree: number;
}

export interface EventSink {
  readonly sink: string;
  /** Events. */
  readonly waiting: number;
  /** Events that were given up. */
  readonly dead: number;
  /** Seconds that the oldest event has waited. */
  readonly oldest: number;
  /** It has answered 410. */
  readonly isGone: boolean;
}

export interface FactsNow {
  readonly isConnected: boolean;
  readonly lastContact: string | null;
  /** Facts that other replicas have not heard of. */
  readonly waiting: number;
  /** Seconds since all that other replicas had told was known here. */
  readonly behind: number | null;
}

/** Contents of one bucket in one state. */
export interface StoredNow {
  readonly store: string;
  readonly state: string;
  readonly contents: number;
  readonly bytes: number;
}

/** What was counted in one minute. */
export interface Sample {
  /** The end of the minute. */
  readonly time: string;
  readonly requests: number;
  /** As in `RequestTotals`. */
  readonly hits: number;
  readonly errors: number;
  readonly bytesToClients: number;
  readonly bytesFromUpstreams: number;
}

export const conditionTypes = [
  'Ready',
  'Cache',
  'Upstreams',
  'Sync',
  'Facts',
  'Cluster',
  'Buckets',
  'Configuration',
] as const;
export type ConditionType = (typeof conditionTypes)[number];

/** One of the conditions of Kubernetes (API conventions, "Typical status properties"). True is good for each of them. */
export interface Condition {
  readonly type: ConditionType;
  readonly status: 'True' | 'False' | 'Unknown';
  /** One CamelCase word for programs. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
  /** When `status` changed last, since the start. */
  readonly lastTransitionTime: string;
}

export type StatusChange =
  | { readonly kind: 'transfers'; readonly transfers: readonly TransferStatus[] }
  | { readonly kind: 'endpoints'; readonly endpoints: readonly EndpointStatus[] }
  /** Those since the last change, newest first, and at first the last hundred. */
  | { readonly kind: 'requests'; readonly requests: readonly RequestSummary[] }
  | { readonly kind: 'overview'; readonly overview: Overview }
  | { readonly kind: 'conditions'; readonly conditions: readonly Condition[] }
  /** The minute that is over. */
  | { readonly kind: 'sample'; readonly sample: Sample };
