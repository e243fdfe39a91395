/**
 * Which proxy a host is asked through. HTTP_PROXY, HTTPS_PROXY and NO_PROXY mean what they mean to every
 * container runtime (golang.org/x/net/http/httpproxy): each scheme has its own variable, `corp.example` covers its subdomains, an entry
 * may have a port, be an address or a CIDR block, `*` means everything, and loopback is never proxied.
 */
import { isIP } from 'node:net';
import type { ProxyEnvironment } from '../../config/config.ts';
import { literalKind } from '../../lib/address-kind.ts';
import { isNetwork, networkMatcher } from '../../lib/networks.ts';
import type { HostSettings } from '../host-settings.ts';

export interface Proxies {
  /** The proxy for a URL of the host that the configuration calls `name`. */
  for(url: URL, name: string): URL | undefined;
}

type Matcher = (hostname: string, port: string) => boolean;

/** A host's own `proxy` in entrepot.toml wins over the environment. */
export function createProxies(environment: ProxyEnvironment, settings: HostSettings): Proxies {
  const http = toUrl(environment.http);
  const https = toUrl(environment.https);
  const exempt = (environment.no ?? '')
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .map(matcher);

  return {
    for(url, name) {
      const own = settings.of(name);
      if (own?.proxy === 'direct') return undefined;
      if (own?.proxy !== undefined) return toUrl(own.proxy);
      const hostname = url.hostname.replace(/^\[|\]$/g, '');
      if (literalKind(hostname) === 'loopback') return undefined;
      const port = url.port || (url.protocol === 'https:' ? '443' : '80');
      if (exempt.some((matches) => matches(hostname, port))) return undefined;
      return url.protocol === 'https:' ? https : http;
    },
  };
}

function toUrl(text: string | undefined): URL | undefined {
  return text === undefined ? undefined : new URL(text);
}

function matcher(entry: string): Matcher {
  if (entry === '*') return () => true;
  if (entry.includes('/') && isNetwork(entry)) return networkMatcher([entry]);
  const { host, port } = splitPort(entry.toLowerCase());
  const name = host.replace(/^\*?\./, '');
  const subdomainsOnly = name !== host;
  return (hostname, hostPort) => {
    if (port !== undefined && port !== hostPort) return false;
    return (!subdomainsOnly && hostname === name) || (isIP(name) === 0 && hostname.endsWith(`.${name}`));
  };
}

function splitPort(entry: string): { host: string; port: string | undefined } {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(entry);
  if (bracketed) return { host: bracketed[1] ?? '', port: bracketed[2] };
  if (isIP(entry) === 6) return { host: entry, port: undefined };
  const named = /^(.*):(\d+)$/.exec(entry);
  return named ? { host: named[1] ?? '', port: named[2] } : { host: entry, port: undefined };
}
