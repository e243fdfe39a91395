/**
 * Entries that the ecosystem accepts in registries.conf although they can never work: prefixes that no image has, and locations to
 * which no image can be rewritten. Every runtime loads such a file, so it is loaded here with a warning.
 */
import { dockerHubIndex, dockerHubNames } from '../../oci/docker-hub.ts';
import {
  formatReference,
  hostOf,
  isDomain,
  looksLikeRegistry,
  parseReference,
  parseRepository,
} from '../../oci/reference.ts';
import { hiddenUserInfo } from '../credentials/user-info.ts';
import type { Origin, RegistryEntry } from './registries.ts';

const maxPort = 65_535;
const passwordElsewhere =
  'has a user name or password: write them with "podman login", or as [[upstream.host]] in entrepot.toml';

/** Warns if the prefix can match no image, else of each location that can give none. */
export function warnOfUselessEntry(
  entry: RegistryEntry,
  warn: (origin: Origin, message: string) => void,
): void {
  const { prefix, prefixLine, location, origin, mirrors } = entry;
  const problem = problemOfPrefix(prefix);
  if (problem !== undefined) {
    const place = { ...origin, line: prefixLine ?? origin.line };
    warn(place, `the prefix "${prefix}" matches no image: ${problem}`);
    return;
  }
  for (const endpoint of [...mirrors, { location, origin }]) {
    const reason = endpoint.location === '' ? undefined : problemOfLocation(endpoint.location);
    if (reason === undefined) continue;
    const message = `pulls that match "${prefix}" will fail: the location "${endpoint.location}" ${reason}`;
    warn(endpoint.origin, message);
  }
}

function problemOfPrefix(prefix: string): string | undefined {
  if (prefix.startsWith('*.')) return undefined;
  if (prefix.startsWith(hiddenUserInfo)) return `it ${passwordElsewhere}`;
  if (prefix.includes('*')) return 'a wildcard is "*." and a domain, at the beginning';
  const slash = prefix.indexOf('/');
  const host = slash < 0 ? prefix : prefix.slice(0, slash);
  const path = slash < 0 ? undefined : prefix.slice(slash + 1);
  if (host === dockerHubIndex || (dockerHubNames.has(host.toLowerCase()) && !dockerHubNames.has(host))) {
    return 'the name of that registry is docker.io';
  }
  if (!looksLikeRegistry(host)) {
    return 'every image name begins with a registry, whose host has a dot or a port or is localhost';
  }
  if (!isDomain(host) && !parseRepository(host)) return `"${host}" is no host or host:port`;
  if (path === undefined || parseRepository(path)) return undefined;
  return /[:@]/.test(path)
    ? 'images are looked up by their name without tag and digest'
    : `"${path}" is no repository (lower-case letters, digits, and . _ - between them)`;
}

function problemOfLocation(location: string): string | undefined {
  if (location.startsWith('*.'))
    return 'has a wildcard: write it as the prefix, and a real host as the location';
  if (location.startsWith(hiddenUserInfo)) return passwordElsewhere;
  const host = hostOf(location);
  if (dockerHubNames.has(host.toLowerCase()) && !dockerHubNames.has(host))
    return 'is Docker Hub: write "docker.io", in lower case';
  if (Number(/:(\d+)$/.exec(host)?.[1] ?? 0) > maxPort) return `has a port above ${maxPort}`;
  const probe = `${location}/namespace/name`;
  const parsed = parseReference(probe);
  if (!parsed.ok) return 'followed by a repository is no image reference: a location is host[:port][/path]';
  const means = formatReference(parsed.value);
  return means === probe
    ? undefined
    : `followed by a repository means "${means}": write ${instead(location)}`;
}

function instead(location: string): string {
  return location.startsWith(dockerHubIndex)
    ? '"docker.io"'
    : 'a host with a dot or a port, or localhost, first';
}
