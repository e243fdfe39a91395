/** An upstream over endpoints that a test lists, and small readers of what it gives. */

import { after } from 'node:test';
import type { UpstreamConfig, UpstreamHostConfig } from '../../../src/config/config.ts';
import { createReadBlocks } from '../../../src/lib/bytes/read-blocks.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import { parseReference, type Reference, type Repository } from '../../../src/oci/reference.ts';
import {
  createUpstream,
  type UpstreamDeps,
  type UpstreamOptions,
} from '../../../src/upstream/create-upstream.ts';
import type { Endpoint } from '../../../src/upstream/endpoint.ts';
import type { Answer, OpenedBlob, Upstream } from '../../../src/upstream/upstream.ts';

import {
  type FakeRegistry,
  type FakeRegistryOptions,
  startFakeRegistry,
} from '../../support/fake-registry.ts';
import type { Image } from '../../support/images.ts';

/** `host/repository` by default, insecure, since fakes speak plain HTTP. */
export type EndpointSketch = Partial<Omit<Endpoint, 'reference'>> & {
  readonly host: string;
  repository?: string;
};

export interface AskingOptions {
  readonly upstream?: Partial<UpstreamConfig>;
  readonly proxies?: UpstreamOptions['proxies'];
  readonly deps?: Partial<UpstreamDeps>;
}

export const noProxies = { http: undefined, https: undefined, no: undefined };

export const defaults: UpstreamConfig = {
  lookupTimeout: 10_000,
  connectTimeout: 3000,
  headerTimeout: 15_000,
  stallTimeout: 30_000,
  totalTimeout: 120_000,
  queueTimeout: 30_000,
  insecure: false,
  tokenRealms: [],
  offline: false,
  caFile: undefined,
  hosts: [],
};

export function hostConfig(host: string, values: Partial<UpstreamHostConfig> = {}): UpstreamHostConfig {
  return {
    host,
    connectTimeout: undefined,
    headerTimeout: undefined,
    stallTimeout: undefined,
    maxConnections: undefined,
    fetchers: undefined,
    proxy: undefined,
    username: undefined,
    passwordFile: undefined,
    identityTokenFile: undefined,
    token: undefined,
    ...values,
  };
}

export function endpointsOf(
  sketches: readonly EndpointSketch[],
): (reference: Reference) => readonly Endpoint[] {
  return (reference) =>
    sketches.map(({ host, repository, ...rest }, index) => ({
      reference: {
        ...reference,
        registry: host,
        repository: (repository ?? reference.repository) as Repository,
      },
      host,
      location: host,
      role: index === sketches.length - 1 ? 'source' : 'mirror',
      insecure: true,
      blockedBy: undefined,
      ...rest,
    }));
}

export function endpointOf(host: string, repository = 'team/app'): Endpoint {
  const [endpoint] = endpointsOf([{ host, repository }])(image());
  if (!endpoint) throw new Error('one sketch is one endpoint');
  return endpoint;
}

/** The caller closes it. */
export function upstreamOf(sketches: readonly EndpointSketch[], options: AskingOptions = {}): Upstream {
  return createUpstream(
    {
      blocks: createReadBlocks({ size: 64 * 1024, sockets: 64, keep: 4, lend: 4 }),
      endpoints: endpointsOf(sketches),
      authLookup: async () => undefined,
      certLookup: () => ({ ca: [], pairs: [], directory: undefined }),
      clock: systemClock,
      ...options.deps,
    },
    {
      upstream: { ...defaults, ...options.upstream },
      proxies: options.proxies ?? noProxies,
      userAgent: 'entrepot/test',
    },
  );
}

export function reference(text: string): Reference {
  const parsed = parseReference(text);
  if (!parsed.ok) throw new Error(`${text} ${parsed.problem}`);
  return parsed.value;
}

/** `image:1`, or `image@DIGEST`. */
export function image(digest?: Digest): Reference {
  return reference(digest === undefined ? 'ex.io/team/app:1' : `ex.io/team/app@${digest}`);
}

export function good<T>(answer: Answer<T>): Extract<Answer<T>, { ok: true }> {
  if (!answer.ok) throw new Error(`expected an answer, got ${JSON.stringify(answer)}`);
  return answer;
}

/** `mirror notFound, source ok`: what the trail says, in short. */
export function outline(answer: Answer<unknown>): string {
  return answer.trail.map(({ role, outcome }) => `${role} ${outcome}`).join(', ');
}

export function reasons(answer: Answer<unknown>): readonly string[] {
  return answer.trail.map(({ reason }) => reason ?? '');
}

export function readAll({ body }: OpenedBlob): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  body.consume({
    data(chunk) {
      chunks.push(chunk);
      return true;
    },
    end: () => resolve(Buffer.concat(chunks)),
    fail: (reason) => reject(new Error(reason)),
  });
  return promise;
}

/** Registries that hold `app` as team/app:1, and upstreams, which all end with the tests of the suite. */
export function stage(app: Image) {
  const stops: (() => Promise<unknown>)[] = [];
  after(() => Promise.all(stops.map((stop) => stop())));
  return {
    stops,
    async start(options: FakeRegistryOptions = {}): Promise<FakeRegistry> {
      const registry = await startFakeRegistry(options);
      stops.push(registry.stop);
      registry.putImage('team/app', '1', app);
      return registry;
    },
    ask(endpoints: readonly EndpointSketch[], options?: AskingOptions): Upstream {
      const upstream = upstreamOf(endpoints, options);
      stops.push(upstream.close);
      return upstream;
    },
  };
}
