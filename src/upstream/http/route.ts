/** How one URL is to be reached: by which name, with which certificates, at which kinds of address. */
import type { AddressScope } from './addresses.ts';

export interface Route {
  readonly url: URL;
  /** The host as the configuration calls it: finds settings and certificates. */
  readonly name: string;
  /** Whether TLS certificates are verified. */
  readonly verify: boolean;
  readonly addressScope: AddressScope;
  /** If another host than the registry's is asked for the registry: what certs.d has for the registry is used there too. */
  readonly certificatesOf?: RegistryCertificates | undefined;
}

export interface RegistryCertificates {
  /** The registry. Its CAs are trusted. */
  readonly registry: string;
  /** Whether its client certificates may be shown: the rule for credentials applies to them too. */
  readonly withPairs: boolean;
}
