/**
 * registries.yaml of k3s and RKE2, which make hosts.toml of it. Endpoints are asked in order, then the registry itself. A rewrite is a regular
 * expression of Go over the repository and counts for all endpoints of its registry.
 *
 *   all endpoints have one path ... a rewrite of everything; `wharfie`, by which RKE2 pulls its own images, takes no path in an endpoint
 *   several paths ................. in the endpoints, which containerd takes as they are; and a warning
 */
import { byRegistry, isLeftOut, type RegistryMirrors, type Rewrite } from './by-registry.ts';
import { apiUrl, type ClientUrl, urlsOf, urlsOfMirror } from './client-urls.ts';
import { mirrorName } from './node-entry.ts';
import { comment, type RenderPlan } from './plan.ts';
import type { RenderedFile, Warn } from './rendered.ts';

/** One file, `registries.yaml`. */
export function registriesYaml(plan: RenderPlan): readonly RenderedFile[] {
  const registries = byRegistry(plan, 'k3s', true).map((one) => placedUrls(one, plan.warn));
  const listed = registries.filter(({ urls }) => urls.length > 0);
  const hosts = new Map<string, string>();
  for (const { scheme, host, skipVerify, ca } of listed.flatMap(({ urls }) => urls)) {
    if (scheme === 'http' || (!skipVerify && ca === undefined)) continue;
    const key = skipVerify ? 'insecure_skip_verify: true' : `ca_file: ${JSON.stringify(ca)}`;
    hosts.set(host, `  ${JSON.stringify(host)}:\n    tls:\n      ${key}\n`);
  }
  const mirrors = listed.map(({ registry, urls, rewrites }) => mirrorText(registry, urls, rewrites));
  const configs = [...hosts].sort().map(([, text]) => text);
  const text = [
    comment(plan.header),
    mirrors.length === 0 ? 'mirrors: {}\n' : 'mirrors:\n',
    ...mirrors,
    ...(configs.length === 0 ? [] : ['configs:\n', ...configs]),
  ];
  return [{ path: 'registries.yaml', text: text.join('') }];
}

interface Listed {
  readonly registry: string;
  readonly urls: readonly ClientUrl[];
  readonly rewrites: readonly Rewrite[];
}

/** A path that all endpoints have becomes a rewrite. */
function placedUrls(one: RegistryMirrors, warn: Warn): Listed {
  const { registry, rewrites } = one;
  const urls = urlsFor(one, warn);
  const [path = '', ...others] = new Set(urls.map((url) => url.path));
  if (others.length === 0 && path !== '') {
    return { registry, urls: urls.map((url) => ({ ...url, path: '' })), rewrites: [{ from: '', to: path }] };
  }
  if (others.length > 0) {
    const message =
      'RKE2 gets its own images from no endpoint with a path: give all mirrors of the registry one path';
    warn({ entry: registry }, 'location', message);
  }
  return { registry, urls, rewrites };
}

function urlsFor(
  { registry, mirrors, blocked, location, insecure, rewrites }: RegistryMirrors,
  warn: Warn,
): readonly ClientUrl[] {
  const kept = mirrors.filter((mirror) => !isLeftOut(mirror, registry, 'k3s', warn));
  for (const mirror of kept) {
    if (mirror.namespaceProxy === undefined || mirror.namespaceProxy === registry) continue;
    warn({ entry: registry, mirror: mirrorName(mirror) }, 'namespace-proxy', `k3s sends ns=${registry}`);
  }
  const isItself = location === registry && !insecure;
  if (blocked) {
    const message =
      kept.length === 0
        ? 'k3s cannot refuse a registry: block it in the network'
        : 'k3s asks the registry after the mirrors, unless it runs with --disable-default-registry-endpoint';
    warn({ entry: registry }, 'blocked', message);
  } else if (location !== registry) {
    const message = `k3s asks ${registry} after "${location}", unless it runs with --disable-default-registry-endpoint`;
    warn({ entry: registry }, 'location', message);
  }
  const isListed = !blocked && !isItself;
  if (isListed && rewrites.length > 0) {
    const message = `k3s would ask "${location}" for the names of the mirrors: it is left out`;
    warn({ entry: registry }, 'mirrors', message);
  }
  const sources = isListed && rewrites.length === 0 ? urlsOf(location, insecure) : [];
  return [...kept.flatMap(urlsOfMirror), ...sources];
}

function mirrorText(registry: string, urls: readonly ClientUrl[], rewrites: readonly Rewrite[]): string {
  const endpoints = [...new Set(urls.map(apiUrl))].map((url) => `      - ${JSON.stringify(url)}\n`);
  const patterns = rewrites.map(
    (rewrite) => `      ${JSON.stringify(pattern(rewrite.from))}: ${JSON.stringify(replacement(rewrite))}\n`,
  );
  return [
    `  ${JSON.stringify(registry)}:\n    endpoint:\n`,
    ...endpoints,
    ...(patterns.length === 0 ? [] : ['    rewrite:\n', ...patterns]),
  ].join('');
}

/** The path itself and what is under it; without one, everything. */
function pattern(from: string): string {
  if (from === '') return '^(.*)$';
  return `^${from.slice(1).replaceAll('.', '\\.')}(/.*)?$`;
}

function replacement({ from, to }: Rewrite): string {
  return from === '' ? `${to.slice(1)}/\${1}` : `${to.slice(1)}\${1}`;
}
