/**
 * The upstream side as the rest of the program sees it: ask for something of an image, and the endpoints of
 * registries.conf are tried in order by the fallback table (`consequences.ts`).
 */
import type { OpenRange } from '../lib/bytes/byte-range.ts';
import type { PushedBody } from '../lib/bytes/pushed-body.ts';
import type { Digest } from '../oci/digest.ts';
import type { Manifest } from '../oci/manifest.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import type { Endpoint } from './endpoint.ts';
import type { Trail } from './outcome.ts';
import type { AskedPeer } from './peer-endpoints.ts';

export interface Upstream {
  /**
   * The endpoints for a reference in the order of asking, blocked ones included. A digest in the reference makes it a digest pull.
   * Throws EntrepotError REWRITE_INVALID if the configuration makes no valid name of the reference.
   */
  endpoints(reference: Reference): readonly Endpoint[];

  /** `upstream.offline` is set: every call returns the verdict `offline` at once, and no host is asked. */
  readonly isOffline: boolean;

  /** Whether the breaker of each of them is open and no probe is due: a caller with an older answer need not ask. */
  isDown(endpoints: readonly Endpoint[]): boolean;
  /** Whether the host of one of them has answered `/v2/` since then (monotonic ms), even if its content does not come. */
  hasAnswered(endpoints: readonly Endpoint[], since: number): boolean;

  /** GET by digest if the reference has one, else by tag. The digest is verified, the bytes are capped. */
  getManifest(reference: Reference, options?: AskOptions): Promise<Answer<FetchedManifest>>;
  /** HEAD, or GET if HEAD says no or gives no digest: only GET decides that a manifest is absent. */
  headManifest(reference: Reference, options?: AskOptions): Promise<Answer<ManifestHead>>;
  /** HEAD, or a GET of the first byte if HEAD says no: only GET decides that a blob is absent. */
  headBlob(
    reference: Reference,
    digest: Digest,
    options?: AskOptions,
  ): Promise<Answer<{ size: number | undefined }>>;
  /** GET from `range.start` on; resolves when the first good headers are in. */
  openBlob(
    reference: Reference,
    digest: Digest,
    range: OpenRange,
    options?: AskOptions,
  ): Promise<Answer<OpenedBlob>>;
  /** Whether a bucket has the content; asks for it within a second. It says nothing of what the image may serve. */
  isInBucket(reference: Reference, digest: Digest): Promise<boolean>;
  /** All pages joined, capped. */
  listTags(reference: Reference, options?: AskOptions): Promise<Answer<readonly string[]>>;
  /**
   * The repositories of a registry below `under`, which is empty or ends in a slash: all pages of its catalogue joined, capped. Many
   * registries offer none.
   */
  listRepositories(
    place: { readonly registry: string; readonly under: string },
    options?: AskOptions,
  ): Promise<Answer<readonly Repository[]>>;
  /** The referrers index as bytes; falls back to the referrers tag schema. */
  listReferrers(reference: Reference, subject: Digest, options?: AskOptions): Promise<Answer<Uint8Array>>;

  /** Call for a fault that shows only after good headers. Wrong bytes (`invalid`) say nothing of the host. */
  report(endpoint: Endpoint, fault: 'invalid' | 'unreachable', reason: string): void;
  /** Breakers, cooling and last outcomes, for `explain --probe`, the log and metrics. */
  health(): readonly EndpointHealth[];
  /** The JSON at a URL of the configuration: keys of an issuer of tokens. Rejects with a sentence where it cannot be had. */
  fetchJson(url: string): Promise<unknown>;
  /** Posts to a URL of the configuration that is no registry's. Never rejects for what a server does. */
  post(url: string, request: PostRequest): Promise<Posted>;
  /** Passes a request about an upload on to the peer that began it, also while `upstream.offline` is set. Never rejects for what a peer does. */
  passOn(peer: AskedPeer, request: PassedRequest): Promise<Passed>;
  /** Asks a URL of the configuration that is no registry's, and reads its answer. Never rejects for what a server does. */
  askUrl(url: string, request: UrlRequest): Promise<UrlAnswer>;
  /**
   * Call when a reload has replaced this instance. Requests under way get `upstream.total_timeout` to finish; remaining blob bodies
   * are then cut (their transfers resume through the new instance). Requests made after `retire()` still work, on new connections.
   */
  retire(): Promise<void>;
  /** Cuts all requests and bodies under way. */
  close(): Promise<void>;
}

export interface PostRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Milliseconds until the headers of the answer. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
}

export interface UrlRequest {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Milliseconds for the whole exchange. */
  readonly timeout: number;
  /** Bytes of the answer. */
  readonly cap: number;
  readonly signal?: AbortSignal | undefined;
}

/** `type`: of the content, as it was sent. `reason`: why there is no answer, as a sentence without the URL. */
export type UrlAnswer =
  | { readonly ok: true; readonly status: number; readonly type: string; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly reason: string };

/** `retryAfter`: milliseconds from now, by the header. `reason`: why there is no answer, as a sentence without the URL. */
export type Posted =
  | { readonly ok: true; readonly status: number; readonly retryAfter: number | undefined }
  | { readonly ok: false; readonly reason: string };

export interface PassedRequest {
  readonly method: 'GET' | 'HEAD' | 'PATCH' | 'PUT' | 'DELETE';
  /** Absolute, with the query. */
  readonly path: string;
  /** With a `content-length` where the number of bytes is known. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: AsyncIterable<Uint8Array> | undefined;
  /** The principal that the upload belongs to. */
  readonly owner: string;
}

/** `reason`: why there is no answer, as a sentence. */
export type Passed =
  | {
      readonly ok: true;
      readonly status: number;
      readonly headers: Readonly<Record<string, string | string[] | undefined>>;
      readonly body: Buffer;
    }
  | { readonly ok: false; readonly reason: string };

export interface AskOptions {
  /** False: peers of the cluster are not asked, since one of them asks, or what they have from before is not wanted. */
  readonly peers?: false;
  /**
   * Buckets are asked before mirrors and source; or alone, and behind them the disks of other replicas. For content by digest that the
   * image may serve: neither gives a link.
   */
  readonly buckets?: 'first' | 'only' | undefined;
  /** endpointKey of the endpoint to ask first, before its turn: the one that gave the manifest. */
  readonly prefer?: string | undefined;
  /** endpointKeys that are not asked. */
  readonly exclude?: ReadonlySet<string>;
  /** endpointKeys that are asked last, in their order. */
  readonly distrust?: ReadonlySet<string>;
  readonly signal?: AbortSignal;
  /** For a HEAD: a cache on the way, such as a mirror, is to ask its own registry (`Cache-Control: no-cache`). */
  readonly revalidates?: true;
  /** Called when a part of a long answer is here, such as a page of a list. */
  readonly onProgress?: () => void;
}

export type Answer<T> =
  | {
      readonly ok: true;
      readonly value: T;
      readonly endpoint: Endpoint;
      /**
       * Of a peer: milliseconds since it was last checked at an endpoint of registries.conf. Infinity if it is stale, also of a tag list that
       * another Entrepot gives.
       */
      readonly age?: number;
      readonly trail: Trail;
    }
  | { readonly ok: false; readonly verdict: Verdict; readonly trail: Trail };

/** What a trail without an ok means for the client: `notFound` only if every endpoint that was asked said so, and one was asked. */
export type Verdict =
  /** `isLocal`: no endpoint may be asked for this image, and it is not here. */
  | { readonly kind: 'notFound'; readonly isLocal?: true }
  /** `isLocal`: only buckets and replicas may be asked for it, and not all of them could tell. */
  | { readonly kind: 'unavailable'; readonly isLocal?: true }
  | { readonly kind: 'offline' }
  | { readonly kind: 'rateLimited' /** epoch ms */; readonly until: number }
  /** It is here, and a gate of the configuration refuses it. `rule`: of the gate; `reason`: a sentence fragment. */
  | { readonly kind: 'refused'; readonly gate: string; readonly rule: string; readonly reason: string };

export interface FetchedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

export interface ManifestHead {
  readonly digest: Digest;
  /** The manifest itself, if it took a GET to know the digest. */
  readonly fetched: FetchedManifest | undefined;
}

export interface OpenedBlob {
  /** Offset of the body's first byte: 0 if the endpoint ignored the range. */
  readonly start: number;
  /** Offset after the body's last byte, if the headers say it. */
  readonly end: number | undefined;
  /** Size of the whole blob, if the headers say it. */
  readonly size: number | undefined;
  readonly body: PushedBody;
}

export interface EndpointHealth {
  readonly host: string;
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** Epoch ms until which the host is not asked (429); undefined if it may be asked. */
  readonly coolingUntil: number | undefined;
  /** Estimate of the usual time to headers, ms. */
  readonly usualMs: number | undefined;
  readonly lastFailure: string | undefined;
  /** What the host's rate-limit headers said last. */
  readonly allowance?:
    | { readonly limit: number | undefined; readonly remaining: number | undefined }
    | undefined;
}
