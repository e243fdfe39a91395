/**
 * Buckets as endpoints. A bucket is asked for content by digest, in front of mirrors and source and behind a peer; all that holds for an
 * endpoint holds for it: hedge, breaker, trail, resume at the next one.
 *
 *   [ peer ] + [ buckets, nearest first ] + mirrors + source
 *
 * A bucket knows nothing of images. Whether an image may serve a digest is decided before it is asked.
 */
import type { OpenRange } from '../lib/bytes/byte-range.ts';
import { readBody } from '../lib/bytes/small-body.ts';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import { maxManifestBytes } from '../oci/manifest.ts';
import type { Reference } from '../oci/reference.ts';
import type { Ask, AttemptContext } from './attempt.ts';
import type { Endpoint } from './endpoint.ts';
import type { Ping } from './health/ping.ts';
import type { Outcome } from './outcome.ts';
import { checkManifest } from './registry/manifests.ts';
import type { AskOptions, FetchedManifest, OpenedBlob } from './upstream.ts';

/** What `placement/` gives: contents in buckets. Nothing here rejects for what a bucket does. */
export interface Buckets {
  /** Names of the buckets to ask for a content of an image (`registry/repository`): those that have it first, each time nearest first. */
  order(image: string, digest: Digest): Promise<readonly string[]>;
  open(
    store: string,
    digest: Digest,
    range: OpenRange,
    context: AttemptContext,
  ): Promise<Outcome<OpenedBlob>>;
  head(store: string, digest: Digest, context: AttemptContext): Promise<Outcome<true>>;
  /** Whether the bucket answers within so many ms, and does not refuse our credentials. */
  answers(store: string, within: number): Promise<boolean>;
  /** The bucket gave wrong bytes. */
  distrust(store: string, digest: Digest): void;
}

/** A bucket is called `store:NAME` among hosts. */
const hostPrefix = 'store:';

/** The bucket that is called so; undefined for a registry. A host `store` may have a port. */
export function bucketOfHost(host: string): string | undefined {
  const name = host.startsWith(hostPrefix) ? host.slice(hostPrefix.length) : '';
  return name === '' || /^\d+$/.test(name) ? undefined : name;
}

/** ms without a byte of a manifest. */
const stallTimeout = 10_000;

/** The endpoints of a question with buckets in it. */
export async function withBuckets(
  endpoints: readonly Endpoint[],
  reference: Reference & { readonly digest: Digest },
  how: NonNullable<AskOptions['buckets']>,
  buckets: Buckets,
): Promise<readonly Endpoint[]> {
  const { registry, repository, digest } = reference;
  const names = await buckets.order(`${registry}/${repository}`, digest);
  const stores = names.map((name) => bucketEndpoint(name, reference));
  if (how === 'only') return stores;
  // An image that no endpoint may be asked for is not asked for elsewhere either.
  if (endpoints.every(({ blockedBy }) => blockedBy !== undefined)) return endpoints;
  const peers = endpoints.filter(({ role }) => role === 'peer');
  return [...peers, ...stores, ...endpoints.filter(({ role }) => role !== 'peer')];
}

function bucketEndpoint(
  store: string,
  { repository, digest }: Reference & { readonly digest: Digest },
): Endpoint {
  const host = `${hostPrefix}${store}`;
  return {
    reference: { registry: host, repository, digest },
    host,
    location: host,
    role: 'store',
    insecure: false,
    blockedBy: undefined,
    store,
  };
}

/** The questions to endpoints, put to a bucket where the endpoint is one. */
export function createBucketQuestions(buckets: Buckets, clock: Clock) {
  const open = (
    { store = '' }: Endpoint,
    digest: Digest,
    range: OpenRange,
    context: AttemptContext,
  ): Promise<Outcome<OpenedBlob>> => buckets.open(store, digest, range, context);

  async function getManifest(
    endpoint: Endpoint,
    digest: Digest,
    context: AttemptContext,
  ): Promise<Outcome<FetchedManifest>> {
    const opened = await open(endpoint, digest, { start: 0 }, context);
    if (opened.kind !== 'ok') return opened;
    const { body } = opened.value;
    const read = await readBody(body, {
      cap: maxManifestBytes,
      clock,
      timeout: stallTimeout,
      signal: context.signal,
    });
    if (!read.ok) return { kind: read.kind === 'tooLarge' ? 'invalid' : 'unreachable', reason: read.reason };
    const manifest = checkManifest(read.bytes, {}, digest);
    if (manifest.kind === 'invalid') buckets.distrust(endpoint.store ?? '', digest);
    return manifest;
  }

  return {
    ping:
      (otherwise: Ping): Ping =>
      (endpoint, within) =>
        endpoint.store === undefined ? otherwise(endpoint, within) : buckets.answers(endpoint.store, within),
    blob:
      (digest: Digest, range: OpenRange, otherwise: Ask<OpenedBlob>): Ask<OpenedBlob> =>
      (endpoint, context) =>
        endpoint.store === undefined ? otherwise(endpoint, context) : open(endpoint, digest, range, context),
    headBlob:
      (digest: Digest, otherwise: Ask<{ size: number | undefined }>): Ask<{ size: number | undefined }> =>
      async (endpoint, context) => {
        if (endpoint.store === undefined) return otherwise(endpoint, context);
        const found = await buckets.head(endpoint.store, digest, context);
        return found.kind === 'ok' ? { kind: 'ok', value: { size: undefined } } : found;
      },
    manifest:
      (otherwise: Ask<FetchedManifest>): Ask<FetchedManifest> =>
      (endpoint, context) => {
        const { digest } = endpoint.reference;
        return endpoint.store === undefined || digest === undefined
          ? otherwise(endpoint, context)
          : getManifest(endpoint, digest, context);
      },
    head:
      (digest: Digest): Ask<true> =>
      ({ store = '' }, context) =>
        buckets.head(store, digest, context),
  };
}

/** Where there is none. */
export const noBuckets: Buckets = {
  order: async () => [],
  open: async () => ({ kind: 'notFound', reason: 'there is no bucket' }),
  head: async () => ({ kind: 'notFound', reason: 'there is no bucket' }),
  answers: async () => false,
  distrust() {},
};
