/** Puts the upstream side together: a call becomes a question to the endpoints in their order. */
import type { ProxyEnvironment, UpstreamConfig } from '../config/config.ts';
import type { AuthLookup } from '../config/credentials/auth-lookup.ts';
import type { CertLookup } from '../config/files/certs-d.ts';
import { readCaFile } from '../config/files/pem.ts';
import { EntrepotError } from '../errors.ts';
import type { ReadBlocks } from '../lib/bytes/read-blocks.ts';
import type { Clock } from '../lib/clock.ts';
import type { ViaChain } from '../lib/flow/via-chain.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import { createAuth } from './auth/auth.ts';
import { createCredentials } from './auth/credentials.ts';
import { type Buckets, createBucketQuestions, noBuckets } from './buckets.ts';
import type { Endpoint } from './endpoint.ts';
import { type BreakerChange, createHealth, type HostHealth } from './health/health.ts';
import { createPing } from './health/ping.ts';
import { createHostSettings } from './host-settings.ts';
import { createAskUrl } from './http/ask-url.ts';
import { createConnectionLimit } from './http/connection-limit.ts';
import { createDispatchers } from './http/dispatchers.ts';
import { createFetchJson } from './http/fetch-json.ts';
import { createPassOn } from './http/pass-on.ts';
import { createPost } from './http/post.ts';
import { createProxies } from './http/proxies.ts';
import { createSchemes } from './http/scheme.ts';
import { createSender } from './http/sender.ts';
import { type Attempt, offlineReason } from './outcome.ts';
import { createQuestions, type TraceAsk } from './questions.ts';
import { createBlobs } from './registry/blobs.ts';
import { catalogueProbe, createCatalogue } from './registry/catalogue.ts';
import { createManifests } from './registry/manifests.ts';
import { createPeerClient, type PeerHeaders } from './registry/peer-client.ts';
import { createReferrers } from './registry/referrers.ts';
import { createRegistryClient } from './registry/registry-client.ts';
import { createTagList } from './registry/tag-list.ts';
import type { EndpointHealth, Upstream } from './upstream.ts';
import { createUpstreamMemory, type UpstreamMemory } from './upstream-memory.ts';

export interface UpstreamDeps {
  readonly endpoints: (reference: Reference) => readonly Endpoint[];
  /** Whether registries.conf lists a registry: only listed ones get their own credentials after a redirect. Default: none is. */
  readonly isListed?: (registry: string) => boolean;
  /** Disks of other replicas as buckets. Default: none. */
  readonly disks?: ((reference: Reference) => readonly Endpoint[]) | undefined;
  /** What proves to a peer that it is asked by one. Default: nothing does. */
  readonly peerHeaders?: PeerHeaders | undefined;
  readonly authLookup: AuthLookup;
  readonly certLookup: CertLookup;
  readonly clock: Clock;
  /** What sockets read into. The reader of a blob gives each chunk back there. */
  readonly blocks: ReadBlocks;
  /** The files that `authLookup` reads, for the words of a refusal. */
  readonly authFiles?: readonly string[];
  /** Called for every attempt when it is over, for the log and metrics. */
  readonly onAttempt?: (endpoint: Endpoint, attempt: Attempt) => void;
  /** Called for every exception that judging an endpoint's answer ended in: a bug, for the log. */
  readonly onFault?: (endpoint: Endpoint, error: unknown) => void;
  /** Put around each question to an endpoint, and headers of the trace that it belongs to. Default: nothing is traced. */
  readonly traced?: { readonly ask: TraceAsk; headers(): Readonly<Record<string, string>> };
  /** Called when a host is skipped from now on, and when it is asked again. */
  readonly onBreaker?: (change: BreakerChange) => void;
  /** Called when a password_file or identity_token_file becomes unusable, and its last good secret is used for some seconds. */
  readonly onSecretRewrite?: (file: string, problem: string) => void;
  /** Buckets in front of mirrors and source. Default: none. */
  readonly buckets?: Buckets | undefined;
  /** What earlier configurations have learnt of hosts. Default: nothing. */
  readonly memory?: UpstreamMemory;
}

export interface UpstreamOptions {
  readonly upstream: UpstreamConfig;
  readonly proxies: ProxyEnvironment;
  /** `entrepot/VERSION`. */
  readonly userAgent?: string;
  /** Every request carries it as `Via`, so that a request that comes back to us is recognized. */
  readonly via?: Pick<ViaChain, 'outgoing'>;
}

/** Throws EntrepotError TLS_UNUSABLE for a CA file that cannot be used. */
export function createUpstream(deps: UpstreamDeps, options: UpstreamOptions): Upstream {
  const { clock, blocks, memory = createUpstreamMemory({ clock }), buckets = noBuckets } = deps;
  const { rateLimits, lookups } = memory;
  const headersFor = deps.peerHeaders ?? (() => ({}));
  const { upstream: config } = options;
  const settings = createHostSettings(config);
  const dispatchers = createDispatchers({
    certLookup: deps.certLookup,
    blocks,
    clock,
    proxies: createProxies(options.proxies, settings),
    settings,
    extraCa: config.caFile === undefined ? [] : readCaFile(config.caFile, 'upstream.ca_file'),
    lookups,
  });
  const sender = createSender({
    dispatchers,
    connectionLimit: createConnectionLimit((name) => settings.of(name)?.maxConnections, {
      clock,
      longestWait: config.queueTimeout,
    }),
    settings,
    clock,
    blocks,
    userAgent: options.userAgent ?? 'entrepot',
    via: options.via ?? { outgoing: '1.1 entrepot' },
    traceHeaders: deps.traced?.headers ?? (() => ({})),
  });
  const credentials = createCredentials({
    authLookup: deps.authLookup,
    settings,
    clock,
    onRewrite: deps.onSecretRewrite,
  });
  const schemes = createSchemes({ sender, addressScopeOf: settings.addressScope, clock });
  const atBuckets = createBucketQuestions(buckets, clock);
  const ping = atBuckets.ping(createPing({ sender, schemes, settings, clock }));
  const health = createHealth({ clock, ping, records: memory.hosts, onChange: deps.onBreaker });
  const client = createRegistryClient({
    sender,
    schemes,
    auth: createAuth({
      credentials,
      sender,
      clock,
      rateLimits,
      tokenRealms: config.tokenRealms,
      searched: deps.authFiles ?? [],
    }),
    credentials,
    dispatchers,
    rateLimits,
    settings,
    clock,
    isListed: deps.isListed ?? (() => false),
    isMarkedInsecure: (reference) => isMarkedInsecure(reference, deps.endpoints),
    peers: createPeerClient({ sender, clock, headersFor }),
  });
  const manifests = createManifests({ client, settings, clock });
  const blobs = createBlobs({ client, clock, ping });
  const tags = createTagList({ client, settings, clock });
  const referrers = createReferrers({ client, settings, clock });
  const catalogue = createCatalogue({ client, settings, clock });

  const { ask, isInBucket } = createQuestions({
    ...{ endpoints: deps.endpoints, buckets, atBuckets, health, clock, upstream: config },
    disks: deps.disks ?? (() => []),
    onAttempt: deps.onAttempt,
    onFault: deps.onFault,
    traceAsk: deps.traced?.ask,
  });

  return {
    endpoints: deps.endpoints,
    isOffline: config.offline,
    hasAnswered: (endpoints, since) => endpoints.some(({ host }) => health.answeredAt(host) >= since),
    isDown(endpoints) {
      const asked = endpoints.filter(({ blockedBy }) => blockedBy === undefined);
      return asked.length > 0 && asked.every((endpoint) => health.state(endpoint) === 'open');
    },
    getManifest: (reference, askOptions) =>
      ask(reference, atBuckets.manifest(manifests.get), { ...askOptions, maySpool: true }),
    headManifest: (reference, askOptions) =>
      ask(reference, askOptions?.revalidates ? manifests.revalidate : manifests.head, askOptions),
    headBlob: (reference, digest, askOptions) =>
      ask(byDigest(reference, digest), atBuckets.headBlob(digest, blobs.head(digest)), askOptions),
    openBlob: (reference, digest, range, askOptions) =>
      ask(
        byDigest(reference, digest),
        atBuckets.blob(digest, range, blobs.open(digest, range)),
        { ...askOptions, maySpool: true },
        ({ body }) => body.cancel(),
      ),
    isInBucket,
    listTags: (reference, askOptions) => ask(reference, tags, askOptions),
    listRepositories: ({ registry, under }, askOptions) =>
      ask({ registry, repository: `${under}${catalogueProbe}` as Repository }, catalogue(under), {
        ...askOptions,
        peers: false,
      }),
    listReferrers: (reference, subject, askOptions) =>
      ask(byDigest(reference, subject), referrers(subject), askOptions),
    report(endpoint, fault, reason) {
      if (fault === 'unreachable') health.faulted(endpoint, reason);
      const { store, reference } = endpoint;
      if (store !== undefined && reference.digest && fault === 'invalid') {
        buckets.distrust(store, reference.digest);
      }
    },
    health: () => stateOfHosts(health.list(), rateLimits),
    fetchJson: createFetchJson({ sender, settings, clock }),
    passOn: createPassOn({ sender, settings, clock, headersFor }),
    post: config.offline ? notOffline : createPost({ sender, clock }),
    askUrl: config.offline ? notOffline : createAskUrl({ sender, clock }),
    retire: () => dispatchers.close(config.totalTimeout),
    close: () => dispatchers.close(),
  };
}

/** Whether registries.conf lets the registry of `reference` be asked without verified HTTPS. */
function isMarkedInsecure(reference: Reference, endpoints: UpstreamDeps['endpoints']): boolean {
  try {
    return endpoints(reference).some(({ host, insecure }) => host === reference.registry && insecure);
  } catch (error) {
    if (error instanceof EntrepotError) return false;
    throw error;
  }
}

/** Those that were asked, and those that limit our requests. */
function stateOfHosts(
  asked: readonly HostHealth[],
  rateLimits: UpstreamMemory['rateLimits'],
): readonly EndpointHealth[] {
  const others = rateLimits.hosts().filter((host) => !asked.some((one) => one.host === host));
  return [...asked, ...others.map(neverFailed)].map((one) => ({
    ...one,
    coolingUntil: rateLimits.hostCoolingUntil(one.host),
    allowance: rateLimits.allowance(one.host),
  }));
}

/** A host that is not an endpoint: a registry redirected there. */
function neverFailed(host: string): HostHealth {
  return { host, breaker: 'closed', usualMs: undefined, lastFailure: undefined };
}

/** Content that is asked for by digest takes the endpoints of a digest pull. */
function byDigest({ registry, repository }: Reference, digest: Digest): Reference {
  return { registry, repository, digest };
}

const notOffline = async () => ({ ok: false, reason: offlineReason }) as const;
