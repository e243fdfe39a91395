/**
 * Whether two host names belong to the same site: one registrable domain of the Public Suffix List (publicsuffix.org), with its
 * private section. It decides which token server may have a registry's password, so a domain with subdomains of many
 * owners must not count as a site. The list leaves out some of those; they are named here. A host that is not of the same site can
 * still be listed in the configuration.
 */
import { getDomain } from 'tldts';
import { literalKind } from '../../lib/address-kind.ts';

/** Domains under which no two hosts are of the same site. */
const sharedDomains = [
  // Not in the list, or only in part, such as `blob.core.windows.net`.
  'amazonaws.com',
  'azurecr.io',
  'b-cdn.net',
  'localtest.me',
  'nip.io',
  'pkg.dev',
  'railway.app',
  'sslip.io',
  'windows.net',
  // In the list, which ends one label too early: `BUCKET.storage.googleapis.com`, `APP.scm.azurewebsites.net`.
  'azurewebsites.net',
  'googleapis.com',
];

/** Names without a port. Two addresses, and two names of one label, are never of the same site. */
export function areSameSite(one: string, other: string): boolean {
  const site = siteOf(one);
  return site !== undefined && site === siteOf(other);
}

function siteOf(host: string): string | undefined {
  if (literalKind(host) !== undefined) return undefined;
  const name = host.toLowerCase().replace(/\.$/, '');
  if (sharedDomains.some((domain) => name === domain || name.endsWith(`.${domain}`))) return undefined;
  return getDomain(name, { allowPrivateDomains: true }) ?? undefined;
}
