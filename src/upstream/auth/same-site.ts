/**
 * Whether two host names belong to the same owner, as far as names alone can tell. There is no public suffix list here, so the
 * answer is narrow: two shared labels, three under suffixes of the `co.uk` kind, and nothing under the domains
 * below, where strangers live side by side. Who is told no can list the host in the configuration.
 */
import { literalKind } from '../../lib/address-kind.ts';

/** Domains whose subdomains belong to many owners. */
const sharedDomains = new Set(
  (
    'amazonaws.com appspot.com azurecontainer.io azurecr.io azurewebsites.net b-cdn.net cloudapp.net cloudfront.net codeberg.page ' +
    'ddns.net deno.dev digitaloceanspaces.com duckdns.org dyndns.org fly.dev github.io githubusercontent.com gitlab.io googleapis.com ' +
    'herokuapp.com localtest.me netlify.app ngrok.app ngrok.io nip.io no-ip.org onrender.com pages.dev pkg.dev railway.app ' +
    'run.app sslip.io surge.sh trycloudflare.com ts.net vercel.app web.app windows.net workers.dev'
  ).split(' '),
);

/** Addresses belong to nobody. */
export function areSameSite(one: string, other: string): boolean {
  if (literalKind(one) !== undefined || literalKind(other) !== undefined) return false;
  const shared = sharedLabels(one.toLowerCase().split('.'), other.toLowerCase().split('.'));
  if (shared.length < 2) return false;
  const [first = '', last = ''] = shared.slice(-2);
  // `co.uk`, `gouv.fr`, `uk.com`: what looks like an owner's domain is a registry of domains.
  const isSuffix = first.length <= 2 || (last.length === 2 && first.length <= 4);
  if (isSuffix && shared.length < 3) return false;
  return !shared.some((_, index) => sharedDomains.has(shared.slice(index).join('.')));
}

function sharedLabels(one: readonly string[], other: readonly string[]): readonly string[] {
  let count = 0;
  while (count < Math.min(one.length, other.length) && one.at(-1 - count) === other.at(-1 - count))
    count += 1;
  return count === 0 ? [] : one.slice(-count);
}
