/**
 * Reference -> the endpoints to ask for it, in order, as registries.conf says: the matching entry's mirrors, then its
 * location (the source), never de-duplicated. Each endpoint's reference is its location followed by what the entry's
 * prefix left over:
 *
 *   prefix ex.io/app   location hub.corp/apps   ex.io/app/web:1       -> hub.corp/apps/web:1
 *   prefix *.ex.io     location hub.corp        eu.ex.io:5000/web:1   -> hub.corp:5000/web:1   (the port is left over)
 *
 * A result that is not a canonical reference is an error for the whole pull, and no endpoint is asked. An endpoint is blocked if its
 * own name matches a blocked entry. The source of a matching entry that is blocked is blocked too, even if its location lies
 * elsewhere (runtimes look only at the location there: this is the safer reading).
 */
import { findEntry } from '../config/registries-conf/match.ts';
import type { MirrorEntry, RegistriesConf, RegistryEntry } from '../config/registries-conf/registries.ts';
import { EntrepotError } from '../errors.ts';
import { formatReference, parseReference, type Reference, referenceName } from '../oci/reference.ts';
import type { Endpoint } from './endpoint.ts';

/** Throws EntrepotError REWRITE_INVALID with the file and line of the location that makes the invalid name. */
export type EndpointsOf = (reference: Reference) => readonly Endpoint[];

/** The rewriting of one configuration. */
export function createEndpoints(
  registries: RegistriesConf,
  options: {
    /** `upstream.insecure`: for endpoints without `insecure` in their own table. */
    readonly insecureDefault: boolean;
  },
): EndpointsOf {
  return (reference) => {
    const name = referenceName(reference);
    const match = findEntry(registries, name);
    if (!match) {
      const itself = toEndpoint(reference, { location: name, insecure: undefined }, 'source');
      return [{ ...itself, isUnlisted: true }];
    }
    const { entry, matched } = match;
    const mirrors = mirrorsFor(entry, reference).map((mirror) =>
      toEndpoint(rewrite(reference, matched, mirror), mirror, 'mirror'),
    );
    const source = toEndpoint(
      rewrite(reference, matched, entry),
      { ...entry, location: entry.location === '' ? entry.prefix : entry.location },
      'source',
    );
    return [...mirrors, entry.blocked ? { ...source, blockedBy: source.blockedBy ?? entry.prefix } : source];
  };

  function toEndpoint(
    reference: Reference,
    written: Pick<RegistryEntry, 'location' | 'insecure' | 'namespaceProxy'>,
    role: Endpoint['role'],
  ): Endpoint {
    const own = findEntry(registries, referenceName(reference))?.entry;
    return {
      reference,
      host: reference.registry,
      location: written.location,
      role,
      insecure: written.insecure ?? options.insecureDefault,
      blockedBy: own?.blocked ? own.prefix : undefined,
      ...(written.namespaceProxy !== undefined && { namespaceProxy: written.namespaceProxy }),
    };
  }
}

/** The mirrors of an entry that are for this reference. A reference with both tag and digest counts as one with a digest. */
export function mirrorsFor(entry: RegistryEntry, reference: Reference): readonly MirrorEntry[] {
  const other = reference.digest === undefined ? 'digest-only' : 'tag-only';
  if (entry.mirrorByDigestOnly && reference.digest === undefined) return [];
  return entry.mirrors.filter((mirror) => mirror.pullFromMirror !== other);
}

function rewrite(
  reference: Reference,
  matched: string,
  to: Pick<RegistryEntry, 'location' | 'origin'>,
): Reference {
  if (to.location === '') return reference;
  const original = formatReference(reference);
  const text = to.location + original.slice(matched.length);
  const parsed = parseReference(text);
  if (parsed.ok && formatReference(parsed.value) === text) return parsed.value;
  const problem = parsed.ok
    ? `means "${formatReference(parsed.value)}": ${wayOut(to.location)}`
    : `${parsed.problem}: ${correction(to.location)}`;
  throw new EntrepotError(
    'REWRITE_INVALID',
    `the location "${to.location}" turns "${original}" into "${text}", which ${problem}`,
    to.origin,
  );
}

/** The reference grammar of containers/image has no IPv6 addresses: podman cannot use such a location either. */
function correction(location: string): string {
  return location.startsWith('[')
    ? 'a location cannot be an IPv6 address; give the address a name in DNS or /etc/hosts and write that name'
    : 'correct the location';
}

function wayOut(location: string): string {
  return /^(?:index\.)?docker\.io(?:\/|$)/.test(location)
    ? 'write docker.io as "docker.io", with "/library" where the repository has one component'
    : 'a host needs a dot or a port, or is localhost';
}
