/**
 * Entries of a node that has an Entrepot as the mirror of everything that this one lists. The location names the registry in its path, as
 * `routing/namespaces.ts` reads it:
 *
 *   quay.io/team            ENTREPOT/quay.io/team
 *   registry.corp:5443/x    ENTREPOT/NAME/x, if `routing.names` has a NAME for the registry: no client takes a port inside a path
 *   *.corp                  none: the location would lose which host was meant
 *
 * The source of an entry stays, and a blocked one stays blocked: a node must not reach past an Entrepot what that refuses to fetch.
 */
import { canonicalRegistry } from '../../oci/docker-hub.ts';
import { hostOf, isDomain, looksLikeRegistry } from '../../oci/reference.ts';
import type { Config } from '../config.ts';
import { listsRegistry } from '../registries-conf/match.ts';
import type { MirrorAddress } from './mirror-address.ts';
import { isWildcard, type NodeEntry, nodeEntries, pathOf, repositoryEntry } from './node-entry.ts';
import type { Warn } from './rendered.ts';

/** `only`: these `registry/repository` instead of everything. Sorted by prefix. */
export function entrepotEntries(
  config: Pick<Config, 'registries' | 'server'>,
  mirror: MirrorAddress,
  only: readonly string[] | undefined,
  sealed: boolean,
  warn: Warn,
): readonly NodeEntry[] {
  const { registries, server } = config;
  const { insecure } = server.upstream;
  const listed = nodeEntries(registries, insecure);
  for (const { prefix } of only ? [] : listed.filter(isWildcard)) {
    const message = 'has no counterpart with Entrepot as the mirror: list each registry of the domain';
    warn({ entry: prefix, mirror: mirror.host }, 'prefix', message);
  }
  const sources = only
    ? only.map((name) => repositoryEntry(registries, insecure, name) ?? plainEntry(name, false))
    : [...listed.filter((entry) => !isWildcard(entry)), ...unlistedEntries(config)];
  return sources
    .map((entry) => withEntrepot(sealed ? { ...entry, blocked: true } : entry, mirror, server.routing.names))
    .sort((one, other) => (one.prefix < other.prefix ? -1 : one.prefix > other.prefix ? 1 : 0));
}

/** Registries that only entrepot.toml knows: those that `[routing]` maps something to, and those that are pushed here. */
function unlistedEntries({
  registries,
  server,
}: Pick<Config, 'registries' | 'server'>): readonly NodeEntry[] {
  const { routing, push } = server;
  const mapped = [...routing.hosts.values(), ...routing.names.values()].map(canonicalRegistry);
  // Images of these rules have no source elsewhere.
  const local = push.filter(({ mode }) => mode === 'local').map(({ match }) => literalPrefix(match));
  const found = new Map([
    ...local.map((prefix) => [prefix, plainEntry(prefix, true)] as const),
    ...mapped.map((registry) => [registry, plainEntry(registry, false)] as const),
  ]);
  return [...found.values()].filter(
    ({ prefix }) => isDomain(hostOf(prefix)) && !listsRegistry(registries, hostOf(prefix)),
  );
}

/** The components of a glob before the first that is more than a name. */
function literalPrefix(glob: string): string {
  const components = glob.split('/');
  const end = components.findIndex((component) => !/^[A-Za-z0-9._:-]+$/.test(component));
  return components.slice(0, end < 0 ? components.length : end).join('/');
}

function plainEntry(prefix: string, blocked: boolean): NodeEntry {
  return {
    prefix,
    location: prefix,
    insecure: false,
    blocked,
    isBlockedElsewhere: false,
    namespaceProxy: undefined,
    mirrors: [],
  };
}

function withEntrepot(
  entry: NodeEntry,
  mirror: MirrorAddress,
  names: ReadonlyMap<string, string>,
): NodeEntry {
  const registry = hostOf(entry.prefix);
  const component = componentOf(registry, names);
  return {
    ...entry,
    // podman looks for blocked entries at the location.
    location: entry.blocked ? entry.prefix : entry.location,
    mirrors: [
      {
        location: component && `${mirror.host}/${component}${pathOf(entry.prefix)}`,
        insecure: mirror.insecure || mirror.scheme === 'http',
        serves: 'all',
        isBlockedElsewhere: false,
        namespaceProxy: undefined,
        entrepot: mirror,
      },
    ],
  };
}

function componentOf(registry: string, names: ReadonlyMap<string, string>): string | undefined {
  const isPath = looksLikeRegistry(registry) && /^[a-z0-9.-]+$/.test(registry);
  if (isPath && !names.has(registry)) return registry;
  return [...names].find(([, to]) => canonicalRegistry(to) === registry)?.[0];
}
