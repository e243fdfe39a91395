/**
 * daemon.json of Docker. `registry-mirrors` are for docker.io alone; a path in one goes before `/v2`, where registries.conf has it behind. The file
 * has no comments, so nothing in it says where it comes from.
 */
import { canonicalRegistry, dockerHub } from '../../oci/docker-hub.ts';
import { hostOf } from '../../oci/reference.ts';
import { byRegistry, isLeftOut, type PlacedMirror, type RegistryMirrors } from './by-registry.ts';
import { apiUrl, type ClientUrl, urlsOfMirror } from './client-urls.ts';
import { mirrorName, pathOf } from './node-entry.ts';
import type { RenderPlan } from './plan.ts';
import { noPathName } from './registries-conf-text.ts';
import type { RenderedFile, Warn } from './rendered.ts';

/** One file, `daemon.json`. */
export function daemonJson(plan: RenderPlan): readonly RenderedFile[] {
  const { warn, mirrorOf } = plan;
  const registries = byRegistry(plan, 'Docker');
  const hub = registries.find(({ registry }) => registry === dockerHub);
  const urls = hub ? hubUrls(hub, plan) : [];
  for (const registry of registries) if (registry !== hub) warnOfOther(registry, warn);
  if (mirrorOf?.ca !== undefined) {
    const folder = `/etc/docker/certs.d/${mirrorOf.host}/`;
    warn(
      { mirror: mirrorOf.host },
      '--ca',
      `daemon.json names no CA: copy ${mirrorOf.ca} to ${folder}ca.crt`,
    );
  }
  const isOpen = mirrorOf !== undefined && (mirrorOf.insecure || mirrorOf.scheme === 'http');
  const insecure = new Set([
    ...urls.filter(({ scheme, skipVerify }) => skipVerify || scheme === 'http').map(({ host }) => host),
    ...registries
      .filter((one) => one.insecure && !one.blocked && one !== hub)
      .map(({ registry }) => registry),
    // For images that are pulled by a longer name, `HOST/quay.io/...`.
    ...(isOpen ? [mirrorOf.host] : []),
  ]);
  const value = {
    ...(urls.length > 0 && { 'registry-mirrors': [...new Set(urls.map(apiUrl))] }),
    ...(insecure.size > 0 && { 'insecure-registries': [...insecure].sort() }),
  };
  return [{ path: 'daemon.json', text: `${JSON.stringify(value, undefined, 2)}\n` }];
}

function hubUrls(hub: RegistryMirrors, { warn, routing, mirrorOf }: RenderPlan): readonly ClientUrl[] {
  const { registry, mirrors, blocked, location, insecure } = hub;
  if (mirrorOf && canonicalRegistry(routing.defaultRegistry) !== dockerHub) {
    const message = `Docker names no registry, so this Entrepot takes its requests as requests for ${routing.defaultRegistry}`;
    warn({ entry: registry, mirror: mirrorOf.host }, 'routing.default_registry', message);
  }
  if (blocked) warn({ entry: registry }, 'blocked', 'Docker asks Docker Hub if no mirror has an answer');
  else if (location !== registry)
    warn({ entry: registry }, 'location', 'Docker asks Docker Hub all the same, last');
  else if (insecure) warn({ entry: registry }, 'insecure', 'Docker verifies the certificate of Docker Hub');
  const source = blocked || location === registry ? [] : [sourceAsMirror(location, insecure)];
  return [...mirrors, ...source].flatMap((mirror) => {
    if (isLeftOut(mirror, registry, 'Docker', warn)) return [];
    const tell = (key: string, message: string) =>
      warn({ entry: registry, mirror: mirrorName(mirror) }, key, message);
    if (mirror.place.includes('/')) {
      tell('location', 'Docker puts the path of a mirror before /v2, not behind it: it is left out');
      return [];
    }
    if (mirror.namespaceProxy !== undefined && mirror.namespaceProxy !== registry) {
      tell('namespace-proxy', 'Docker sends no ns=, or ns=docker.io');
    }
    return urlsOfMirror(mirror);
  });
}

function sourceAsMirror(location: string, insecure: boolean): PlacedMirror {
  const none = { isBlockedElsewhere: false, namespaceProxy: undefined, entrepot: undefined };
  return { location, place: location, insecure, serves: 'all', ...none };
}

function warnOfOther({ registry, mirrors, blocked, location }: RegistryMirrors, warn: Warn): void {
  for (const mirror of mirrors) {
    const message = `Docker has mirrors of docker.io alone, and asks ${registry} itself: ${insteadOf(mirror, registry)}`;
    warn({ entry: registry, mirror: mirrorName(mirror) }, 'mirrors', message);
  }
  if (blocked)
    warn({ entry: registry }, 'blocked', 'Docker cannot refuse a registry: block it in the network');
  else if (location !== registry)
    warn({ entry: registry }, 'location', `Docker asks ${registry}, not "${location}"`);
}

function insteadOf({ entrepot, location }: PlacedMirror, registry: string): string {
  if (!entrepot) return 'with the containerd image store, hosts.toml in /etc/docker/certs.d works';
  if (location === undefined) return noPathName;
  return `pull ${registry}/NAME as ${hostOf(location)}/${pathOf(location).split('/')[1]}/NAME`;
}
