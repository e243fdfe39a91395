/** What `entrepot check` says of names in entrepot.toml that lead nowhere: registries that no file lists, patterns that fit nothing. */
import { literalKind } from '../lib/address-kind.ts';
import { expandBraces } from '../lib/braces.ts';
import { canMeet, namePattern } from '../lib/name-patterns.ts';
import { whyNotOnHub } from '../oci/docker-hub.ts';
import { hostOf, parseReference } from '../oci/reference.ts';
import type { ConfigWarning, ServerConfig } from './config.ts';
import { listsRegistry } from './registries-conf/match.ts';
import type { RegistriesConf } from './registries-conf/registries.ts';

/** `file`: the entrepot.toml that the names are in. */
export function nameWarnings(
  server: ServerConfig,
  registries: RegistriesConf,
  file: string,
): readonly ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  const { defaultRegistry, unlisted, hosts, names } = server.routing;
  const warn = (message: string) => warnings.push({ file, message });
  const targets = new Map([['routing.default_registry', defaultRegistry]]);
  for (const [name, registry] of hosts) targets.set(`routing.hosts "${name}"`, registry);
  for (const [name, registry] of names) targets.set(`routing.names "${name}"`, registry);
  for (const [where, registry] of targets) {
    if (unlisted === 'direct' || listsRegistry(registries, registry) || isLocal(registry, server)) continue;
    warn(`${where} is ${registry}, which no [[registry]] lists: requests for it are refused`);
  }
  for (const { name, source } of unlisted === 'direct' ? [] : server.syncs) {
    const parsed = parseReference(expandBraces(source)?.[0]?.replaceAll('*', 'x') ?? '');
    if (!parsed.ok || listsRegistry(registries, parsed.value.registry)) continue;
    const meant = names.get(source.split('/', 1)[0] ?? '');
    const hint = meant === undefined ? '' : `; write the registry ${meant}, not its name of routing.names`;
    warn(
      `[[sync]] "${name}" is of ${parsed.value.registry}, which no [[registry]] lists: nothing can be brought${hint}`,
    );
  }
  for (const { name, registry, match } of server.eventSenders) {
    if (unlisted !== 'direct' && !listsRegistry(registries, registry)) {
      warn(
        `[[events.in]] "${name}" is of ${registry}, which no [[registry]] lists: its events bring nothing here`,
      );
    }
    if (!canMeet(`${registry}/`, match)) {
      warn(
        `[[events.in]] "${name}" has match = "${match}", which fits no repository of ${registry}: all its events are ignored`,
      );
    }
  }
  for (const { name, url, secretFile } of server.eventSinks) {
    const { protocol, hostname } = new URL(url);
    const isOpen = protocol === 'http:' && literalKind(hostname) !== 'loopback';
    if (isOpen && secretFile !== undefined) {
      warn(
        `[[events.out]] "${name}" sends its secret over plain HTTP: use https:// unless the network is yours`,
      );
    }
  }
  for (const [where, match] of patternsOf(server)) {
    const why = whyNotOnHub(match);
    if (why !== undefined) warn(`${where} has match = "${match}", which matches nothing: ${why}`);
  }
  const contacted = new Set([...locationHosts(registries), ...otherHosts(server)]);
  for (const { host } of unlisted === 'direct' ? [] : server.upstream.hosts) {
    if (contacted.has(host) || listsRegistry(registries, host)) continue;
    warn(
      `[[upstream.host]] ${host} is the location of no registry and no mirror: it counts only where one of them sends us there`,
    );
  }
  return warnings;
}

/** Hosts that other parts of entrepot.toml name by a URL, and that are asked by the rules for upstreams. */
function otherHosts({ cluster, eventSinks, gates, access }: ServerConfig): readonly string[] {
  const urls = [
    ...(cluster?.peers ?? []),
    ...eventSinks.map(({ url }) => url),
    ...gates.flatMap((gate) => (gate.kind === 'scanner' ? [gate.url] : [])),
    ...access.oidc.map(({ issuer }) => issuer),
  ];
  return urls.map((url) => new URL(url).host);
}

/** Patterns over images, but those of `[access]`, which has a check of its own. */
function patternsOf({
  cache,
  freshness,
  push,
  ...server
}: ServerConfig): readonly (readonly [string, string])[] {
  return [
    ...cache.pins.map((match) => ['[[cache.pin]]', match] as const),
    ...cache.quotas.map(({ match }) => ['[[cache.quota]]', match] as const),
    ...freshness.rules.map(({ match }) => ['[[freshness.rule]]', match] as const),
    ...push.map(({ match }) => ['[[push]]', match] as const),
    ...server.gates.map(({ name, match }) => [`[[gate]] "${name}"`, match] as const),
    ...server.eventSenders.map(({ name, match }) => [`[[events.in]] "${name}"`, match] as const),
    ...server.eventSinks.map(({ name, match }) => [`[[events.out]] "${name}"`, match] as const),
  ];
}

/** Whether a `[[push]]` makes a registry, or repositories of it, known in `local` mode. */
function isLocal(registry: string, { push }: ServerConfig): boolean {
  const local = push.filter(({ mode }) => mode === 'local');
  return namePattern(local.map(({ match }) => hostOf(match)))?.(registry) ?? false;
}

/** The hosts of all locations. A wildcard is left out: which hosts it covers is not known before a request. */
export function locationHosts({ entries }: RegistriesConf): ReadonlySet<string> {
  const locations = entries.flatMap(({ prefix, location, mirrors }) => [
    ...mirrors.map((mirror) => mirror.location),
    location || prefix,
  ]);
  return new Set(locations.filter((location) => !location.startsWith('*.')).map(hostOf));
}
