/** How one URL is to be reached: by which name, with which certificates, at which kinds of address. */
import { isIP } from 'node:net';
import type { PeerAddress } from '../endpoint.ts';
import type { AddressScope } from './addresses.ts';

export interface Route {
  readonly url: URL;
  /** The host as the configuration calls it: finds settings and certificates. */
  readonly name: string;
  /** Whether TLS certificates are verified. */
  readonly verify: boolean;
  readonly addressScope: AddressScope;
  /** The name in the server's certificate, if it is not that of the URL. */
  readonly serverName?: string | undefined;
  /** If another host than the registry's is asked for the registry: what certs.d has for the registry is used there too. */
  readonly certificatesOf?: RegistryCertificates | undefined;
  /** A peer of the cluster: a proxy of the environment is not for it, and its certificate has this name, or that of the URL. */
  readonly peer?: { readonly serverName: string | undefined } | undefined;
}

export interface RegistryCertificates {
  /** The registry. Its CAs are trusted. */
  readonly registry: string;
  /** Whether its client certificates may be shown: the rule for credentials applies to them too. */
  readonly withPairs: boolean;
}

/** To another replica. One that DNS has named is reached by its address, and its certificate has the name. */
export function routeToPeer({ name }: PeerAddress, url: URL): Route {
  const hostname = name.replace(/:\d+$/, '');
  const serverName = isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? hostname : undefined;
  return { url, name, verify: true, addressScope: 'any', peer: { serverName } };
}
