/** One blob of one image as transfers ask for it: by the configuration in force, and with a link for what an endpoint gives. */
import type { Cache } from '../cache/cache.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';
import type { ImageName } from '../routing/target.ts';
import type { ByteSource } from '../transfer/fetch/byte-source.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import { withoutPeers } from '../upstream/peer-endpoints.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { UpstreamInForce } from '../upstream/upstream-in-force.ts';

export interface BlobSourceDeps {
  readonly cache: Pick<Cache, 'link' | 'find'>;
  readonly inForce: UpstreamInForce;
}

/** `how`: whether buckets come before the endpoints of an image that is linked, or stand alone. `open` rejects with REWRITE_INVALID if the configuration makes no valid name of the image. */
export function createBlobSource(
  { cache, inForce }: BlobSourceDeps,
  image: ImageName,
  digest: Digest,
  how: 'first' | 'only' = 'first',
): ByteSource {
  const reference: Reference = { registry: image.registry, repository: image.repository, digest };
  let known: { readonly upstream: Upstream; readonly set: string } | undefined;
  return {
    image: image.name,
    get endpointSet() {
      if (how === 'only') return 'buckets';
      const upstream = inForce.current;
      if (known?.upstream !== upstream) known = { upstream, set: endpointSetOf(upstream, reference) };
      return known.set;
    },
    async open(range, options) {
      const { linked } = await cache.find(image.name, digest);
      const buckets = linked || how === 'only' ? how : undefined;
      const answer = await inForce.ask(
        reference,
        (upstream, signal) => upstream.openBlob(reference, digest, range, { ...options, buckets, signal }),
        { signal: options.signal, discard: ({ body }) => body.cancel() },
      );
      if (!answer.ok) return answer;
      const { endpoint, value } = answer;
      if (endpoint.role !== 'store') await cache.link(image.name, digest, endpointKey(endpoint));
      return { ...answer, value: { ...value, body: inForce.revocable(reference, endpoint, value.body) } };
    },
  };
}

function endpointSetOf(upstream: Upstream, reference: Reference): string {
  try {
    const endpoints = withoutPeers(upstream.endpoints(reference));
    return [reference.registry, ...endpoints.map(({ host }) => host)].join(' ');
  } catch {
    // The configuration makes no valid name of the image: the request itself will say so.
    return `${reference.registry}/${reference.repository}`;
  }
}
