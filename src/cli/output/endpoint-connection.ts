/**
 * How this server would connect to an endpoint: TLS, certificates, credentials, proxy. Found without contacting a host or
 * running a program, and described without a secret.
 */

import type { Config } from '../../config/config.ts';
import { createAuthLookup } from '../../config/credentials/auth-lookup.ts';
import { createCertLookup } from '../../config/files/certs-d.ts';
import { EntrepotError } from '../../errors.ts';
import { createCredentials, describeSource } from '../../upstream/auth/credentials.ts';
import type { Endpoint } from '../../upstream/endpoint.ts';
import { apiHost, createHostSettings } from '../../upstream/host-settings.ts';
import { createProxies } from '../../upstream/http/proxies.ts';

/** Sentence fragments. */
export interface EndpointConnection {
  readonly scheme: string;
  readonly certificates: string;
  readonly credentials: string;
  readonly proxy: string;
}

/** Files that cannot be used are described, not thrown. */
export async function describeConnection(endpoint: Endpoint, config: Config): Promise<EndpointConnection> {
  if (endpoint.peer) return describePeer(endpoint, config);
  return {
    scheme: endpoint.insecure
      ? 'insecure: HTTPS without verification, then plain HTTP'
      : 'HTTPS, certificate verified',
    certificates: certificatesOf(endpoint, config),
    credentials: await credentialsOf(endpoint, config),
    proxy: proxyOf(endpoint, config),
  };
}

function describePeer(endpoint: Endpoint, config: Config): EndpointConnection {
  const { cluster, upstream } = config.server;
  const isSecure = endpoint.location.startsWith('https:');
  const { proxy } = createHostSettings(upstream).of(endpoint.host) ?? {};
  return {
    scheme: isSecure ? 'HTTPS, certificate verified' : 'plain HTTP',
    certificates: isSecure ? certificatesOf(endpoint, config) : 'none',
    credentials:
      cluster?.secretFile === undefined
        ? 'the client certificate of this replica'
        : `requests signed with the secret in ${cluster.secretFile}`,
    proxy: proxy === undefined ? 'none' : proxyOf(endpoint, config),
  };
}

function certificatesOf(endpoint: Endpoint, { paths, server }: Config): string {
  const { caFile } = server.upstream;
  try {
    const { directory, ca, pairs } = createCertLookup(paths.certDirectories)(endpoint.host);
    const own =
      directory === undefined ? [] : [`${directory} (${ca.length} CAs, ${pairs.length} client certificates)`];
    const forAll = caFile === undefined ? [] : [`${caFile} (upstream.ca_file)`];
    return [...own, ...forAll, "the system's CAs"].join(', ');
  } catch (error) {
    return unusable(error);
  }
}

async function credentialsOf(endpoint: Endpoint, { paths, registries, server }: Config): Promise<string> {
  const authLookup = createAuthLookup({
    authFiles: paths.authFiles,
    credentialHelpers: registries.credentialHelpers,
    // The program is not run, because it may contact a cloud. That it would be run is enough to know.
    runHelper: async () => ({ username: 'not asked', secret: 'not asked' }),
  });
  const settings = createHostSettings(server.upstream);
  try {
    const found = await createCredentials({ authLookup, settings }).find(endpoint);
    if (!found) return 'none: asked anonymously';
    const { source } = found;
    if (source.helper === undefined) return describeSource(source);
    return `those of docker-credential-${source.helper} for ${source.key}, if it has any (run by --probe only)`;
  } catch (error) {
    return unusable(error);
  }
}

function proxyOf(endpoint: Endpoint, { proxies, server }: Config): string {
  const { for: proxyFor } = createProxies(proxies, createHostSettings(server.upstream));
  const schemes = endpoint.insecure ? ['https', 'http'] : ['https'];
  const found = schemes.map((scheme) => {
    const url = URL.parse(`${scheme}://${apiHost(endpoint.host)}/`);
    const proxy = url ? proxyFor(url, endpoint.host) : undefined;
    return proxy ? `${proxy.protocol}//${proxy.host}` : 'none';
  });
  const [https = 'none', http = https] = found;
  return http === https ? https : `${https} for HTTPS, ${http} for plain HTTP`;
}

function unusable(error: unknown): string {
  if (error instanceof EntrepotError) return `CANNOT BE USED, so asking fails: ${error.located}`;
  throw error;
}
