/**
 * Which registry a request means. The first of these that names one counts:
 *
 *   1. `?ns=HOST[:PORT]`                                         containerd
 *   2. a first path component that names a registry              podman, CRI-O, skopeo: /v2/docker.io/library/alpine/...
 *   3. the `Host` header, if `routing.hosts` maps it
 *   4. `routing.default_registry`                                Docker's registry-mirrors
 *
 * A name from a client is looked up in the configuration, never dialled. A registry is listed if an entry of registries.conf has its
 * host or a wildcard for it, or if entrepot.toml maps something to it. (`default_registry = "docker.io"` is the default and lists
 * nothing.) Prefix matching lets `quay.io` match `quay.io:8443`, so a port is refused unless the matched entry itself has it.
 */
import type { PushRule, ServerConfig } from '../config/config.ts';
import { createPushRules } from '../config/push-rules.ts';
import { findEntry } from '../config/registries-conf/match.ts';
import type { RegistriesConf } from '../config/registries-conf/registries.ts';
import { canonicalRegistry, dockerHub, withLibrary } from '../oci/docker-hub.ts';
import { hostOf, isDomain, looksLikeRegistry } from '../oci/reference.ts';
import { isDialable } from './dialable.ts';
import { quoted, type Refusal, refused } from './refusal.ts';

export interface Namespaces {
  /** Splits a decoded `<name>` into the registry that is meant and the path there. The path is not checked yet. */
  resolve(name: string, ns: string | undefined, host: string | undefined): Meant;
  /** Why a client may not ask for this image; undefined if it may. */
  refusal(registry: string, repository: string): Refusal | undefined;
  /**
   * Whether the configuration names this registry, whatever `routing.unlisted` says. With `repository`: or keeps that one here by a
   * `[[push]]` with mode = "local".
   */
  isListed(name: string, repository?: string): boolean;
}

export type Meant =
  | { readonly ok: true; readonly registry: string; readonly path: string }
  | { readonly ok: false; readonly refusal: Refusal };

/** Namespaces of one configuration. */
export function createNamespaces(
  registries: RegistriesConf,
  routing: ServerConfig['routing'],
  push: readonly PushRule[] = [],
): Namespaces {
  const pushRuleOf = createPushRules(push);
  /** What is local here needs no registry elsewhere, so none has to be listed. */
  const isLocal = (registry: string, repository: string) =>
    pushRuleOf(`${registry}/${repository}`)?.mode === 'local';
  const mappedHosts = new Map(
    [...routing.hosts].map(([host, to]) => [host.toLowerCase(), canonicalRegistry(to)]),
  );
  const mappedNames = new Map([...routing.names].map(([name, to]) => [name, canonicalRegistry(to)]));
  const defaultRegistry = canonicalRegistry(routing.defaultRegistry);
  const mappedTo = new Set([...mappedHosts.values(), ...mappedNames.values()]);
  if (defaultRegistry !== dockerHub) mappedTo.add(defaultRegistry);
  const prefixHosts = new Set(registries.entries.map((entry) => hostOf(entry.prefix)));

  function resolve(name: string, ns: string | undefined, host: string | undefined): Meant {
    const slash = name.indexOf('/');
    const first = slash < 0 ? name : name.slice(0, slash);
    const rest = slash < 0 ? '' : name.slice(slash + 1);
    if (ns !== undefined) {
      if (!isDomain(ns)) {
        return refused('namespace', `ns=${quoted(ns)} is no registry: write it as HOST or HOST:PORT`);
      }
      const registry = canonicalRegistry(ns);
      const isNamedTwice = rest !== '' && (mappedNames.get(first) ?? canonicalRegistry(first)) === registry;
      return meant(registry, isNamedTwice ? rest : name);
    }
    const named = mappedNames.get(first) ?? (looksLikeRegistry(first) ? canonicalRegistry(first) : undefined);
    if (named !== undefined) {
      if (!isDomain(named)) return refused('name', `${quoted(first)} is no registry and no part of a name`);
      return meant(named, rest);
    }
    return meant(registryOfHost(host) ?? defaultRegistry, name);
  }

  function registryOfHost(host: string | undefined): string | undefined {
    if (host === undefined || mappedHosts.size === 0) return undefined;
    const lower = host.toLowerCase();
    return mappedHosts.get(lower) ?? mappedHosts.get(lower.replace(/:[0-9]*$/, ''));
  }

  function refusal(registry: string, repository: string): Refusal | undefined {
    if (mappedTo.has(registry) || isLocal(registry, repository)) return undefined;
    const found = findEntry(registries, `${registry}/${repository}`);
    if (found && hasPort(registry) && hostOf(found.entry.prefix) !== registry) {
      return {
        reason: 'registry',
        message: `registries.conf lists ${found.entry.prefix}, but not with the port of ${quoted(registry)}: add [[registry]] with location = ${quoted(registry)} to allow it`,
      };
    }
    if (found || prefixHosts.has(registry)) return undefined;
    if (routing.unlisted === 'direct') {
      if (isDialable(registry)) return undefined;
      return {
        reason: 'registry',
        message: `${quoted(registry)} is never asked unless registries.conf lists it: add [[registry]] with location = ${quoted(registry)}`,
      };
    }
    return {
      reason: 'registry',
      message: `the registry ${quoted(registry)} is not in the configuration: add [[registry]] with location = ${quoted(registry)} to registries.conf, or set unlisted = "direct" under [routing] in entrepot.toml`,
    };
  }

  function isListed(name: string, repository?: string): boolean {
    const registry = canonicalRegistry(name);
    if (repository !== undefined && isLocal(registry, repository)) return true;
    if (mappedTo.has(registry) || prefixHosts.has(registry)) return true;
    return !hasPort(registry) && findEntry(registries, registry) !== undefined;
  }

  return { resolve, refusal, isListed };
}

function meant(registry: string, path: string): Meant {
  return { ok: true, registry, path: withLibrary(registry, path) };
}

function hasPort(registry: string): boolean {
  return /:[0-9]+$/.test(registry);
}
