/** What entrepot.toml says of one host, over the general values. `docker.io` and its API host are the same host here. */
import type { UpstreamConfig, UpstreamHostConfig } from '../config/config.ts';
import { canonicalRegistry, dockerHub, dockerHubApi } from '../oci/docker-hub.ts';
import type { Endpoint } from './endpoint.ts';
import type { AddressScope } from './http/addresses.ts';
import type { TlsAdvice } from './http/transport-fault.ts';

export interface HostSettings {
  of(name: string): UpstreamHostConfig | undefined;
  /** Milliseconds that a request waits for DNS. */
  readonly lookupTimeout: number;
  /** Milliseconds, from the first address that is tried. */
  connectTimeout(name: string): number;
  /** Milliseconds until the headers are in, connecting included. */
  headerTimeout(name: string): number;
  /** Milliseconds that a small body may take. */
  stallTimeout(name: string): number;
  /** Milliseconds that a request waits for one of a host's connections. */
  readonly queueTimeout: number;
  /** What to do about a host whose TLS cannot be trusted. Default: what helps with a registry. */
  readonly advice?: TlsAdvice | undefined;
  /** Which addresses the endpoint's own host may have: any, if the configuration names the host. */
  addressScope(endpoint: Endpoint): AddressScope;
}

/** The settings of one configuration. */
export function createHostSettings(upstream: UpstreamConfig): HostSettings {
  const byName = new Map(upstream.hosts.map((host) => [canonicalHost(host.host), host]));
  const of = (name: string) => byName.get(canonicalHost(name));
  return {
    of,
    lookupTimeout: upstream.lookupTimeout,
    connectTimeout: (name) => of(name)?.connectTimeout ?? upstream.connectTimeout,
    headerTimeout: (name) => of(name)?.headerTimeout ?? upstream.headerTimeout,
    stallTimeout: (name) => of(name)?.stallTimeout ?? upstream.stallTimeout,
    queueTimeout: upstream.queueTimeout,
    addressScope: ({ isUnlisted, host }) => (isUnlisted && !of(host) ? 'loopback' : 'any'),
  };
}

/** The host that serves the API of a registry: Docker Hub's is not the one in its image names. */
export function apiHost(host: string): string {
  return host === dockerHub ? dockerHubApi : host;
}

function canonicalHost(host: string): string {
  return canonicalRegistry(host.toLowerCase());
}
