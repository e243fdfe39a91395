/**
 * What a node (a machine with a container runtime) is to know of one prefix, apart from the format of any client: made from
 * registries.conf here, or by `entrepot-entries.ts` for an Entrepot as the mirror.
 */
import { hostOf } from '../../oci/reference.ts';
import { findEntry } from '../registries-conf/match.ts';
import type { MirrorEntry, RegistriesConf, RegistryEntry } from '../registries-conf/registries.ts';
import type { MirrorAddress } from './mirror-address.ts';

export interface NodeEntry {
  /** `host[:port][/path]` or `*.domain`. */
  readonly prefix: string;
  /** As in registries.conf: empty if a matching reference keeps its name. */
  readonly location: string;
  readonly insecure: boolean;
  /** The source is never asked. */
  readonly blocked: boolean;
  /** Its location belongs to another entry, which is blocked: podman finds that by itself, other clients do not. */
  readonly isBlockedElsewhere: boolean;
  readonly namespaceProxy: string | undefined;
  readonly mirrors: readonly NodeMirror[];
}

export interface NodeMirror {
  /** `host[:port][/path]`; undefined for an Entrepot that has no name for this registry in its paths. */
  readonly location: string | undefined;
  /** HTTPS without verification, then plain HTTP. */
  readonly insecure: boolean;
  readonly serves: MirrorEntry['pullFromMirror'];
  /** As with `isBlockedElsewhere` of an entry. */
  readonly isBlockedElsewhere: boolean;
  readonly namespaceProxy: string | undefined;
  /** Set if the mirror is an Entrepot: a client that sends `?ns=` needs no path. */
  readonly entrepot: MirrorAddress | undefined;
}

/** The entries that are in force, in their order. `insecureDefault` is `upstream.insecure`. */
export function nodeEntries(conf: RegistriesConf, insecureDefault: boolean): readonly NodeEntry[] {
  return conf.entries.map((entry) => toNodeEntry(entry, conf, insecureDefault));
}

/** The entry of one repository alone, as its prefix; undefined if no entry matches it. */
export function repositoryEntry(
  conf: RegistriesConf,
  insecureDefault: boolean,
  name: string,
): NodeEntry | undefined {
  const match = findEntry(conf, name);
  if (!match) return undefined;
  const rest = name.slice(match.matched.length);
  const entry = toNodeEntry(match.entry, conf, insecureDefault);
  return {
    ...entry,
    prefix: name,
    location: entry.location === '' ? name : entry.location + rest,
    mirrors: entry.mirrors.map((mirror) => ({
      ...mirror,
      location: mirror.location === undefined ? undefined : mirror.location + rest,
    })),
  };
}

/** Whether the prefix stands for all hosts of a domain. */
export function isWildcard({ prefix }: Pick<NodeEntry, 'prefix'>): boolean {
  return prefix.startsWith('*.');
}

/** Whether the source of the entry has another name than its prefix. */
export function isRenamed({ prefix, location }: Pick<NodeEntry, 'prefix' | 'location'>): boolean {
  return location !== '' && location !== prefix;
}

/** The mirror as messages name it. */
export function mirrorName({ location, entrepot }: NodeMirror): string {
  return location ?? entrepot?.host ?? '';
}

/** The path of a prefix or a location, with its slash; empty if it is a host. */
export function pathOf(location: string): string {
  return location.slice(hostOf(location).length);
}

function toNodeEntry(entry: RegistryEntry, conf: RegistriesConf, insecureDefault: boolean): NodeEntry {
  const isBlocked = (place: string) => findEntry(conf, place)?.entry.blocked ?? false;
  const { prefix, location, insecure, blocked, mirrorByDigestOnly, namespaceProxy, mirrors } = entry;
  return {
    prefix,
    location,
    insecure: insecure ?? insecureDefault,
    blocked,
    isBlockedElsewhere: location !== '' && isBlocked(location),
    namespaceProxy,
    mirrors: mirrors.map((mirror) => ({
      location: mirror.location,
      insecure: mirror.insecure ?? insecureDefault,
      serves: mirrorByDigestOnly ? 'digest-only' : mirror.pullFromMirror,
      isBlockedElsewhere: isBlocked(mirror.location),
      namespaceProxy: mirror.namespaceProxy,
      entrepot: undefined,
    })),
  };
}
