/**
 * hosts.toml of containerd, in one folder for each registry. containerd asks the `[host]` tables in their order, and the root table (`server`) last;
 * without `server` that is the registry itself. So if the source must not be asked, the last mirror is the `server`; if there is no mirror
 * either, the `server` has no capability to pull, and containerd finds no host that it could ask.
 *
 * containerd 1.x ignores a file without a `[host]` table, and then asks the registry itself, as it does after any mistake in a file. So
 * there is always one, and none is there twice.
 *
 *   mirror with a path        `override_path`, and `/v2` in the URL: registries.conf has the path behind `/v2`
 *   insecure                  two tables: HTTPS without verification, then plain HTTP
 *   mirror for digests alone  no capability to resolve a tag
 */
import { tomlText } from '../toml/toml-text.ts';
import { byRegistry, type PlacedMirror, type RegistryMirrors } from './by-registry.ts';
import { apiUrl, type ClientUrl, urlsOf, urlsOfMirror } from './client-urls.ts';
import { mirrorName } from './node-entry.ts';
import { comment, type RenderPlan } from './plan.ts';
import type { RenderedFile, Warn } from './rendered.ts';

interface HostTable {
  readonly url: ClientUrl;
  readonly capabilities: readonly string[];
}

/** `certs.d/REGISTRY/hosts.toml` for each registry about which there is something to say. */
export function hostsToml(plan: RenderPlan): readonly RenderedFile[] {
  return byRegistry(plan, 'containerd').flatMap((registry) => {
    const text = textOf(registry, plan.warn);
    if (text === '') return [];
    return { path: `certs.d/${registry.registry}/hosts.toml`, text: `${comment(plan.header)}\n${text}` };
  });
}

function textOf({ registry, mirrors, blocked, location, insecure }: RegistryMirrors, warn: Warn): string {
  for (const mirror of mirrors) warnOfMirror(mirror, registry, warn);
  const tables = mirrors.flatMap((mirror) => {
    const capabilities = mirror.serves === 'digest-only' ? ['pull'] : ['pull', 'resolve'];
    return urlsOfMirror(mirror).map((url): HostTable => ({ url, capabilities }));
  });
  const sources = urlsOf(location, insecure).map(
    (url): HostTable => ({ url, capabilities: ['pull', 'resolve'] }),
  );
  const isItself = location === registry && !insecure;
  const unasked = sources.slice(0, 1).map(({ url }) => ({ url, capabilities: ['push'] }));
  const refused = tables.length === 0 ? unasked : tables;
  const all = eachOnce(blocked ? refused : isItself ? tables : [...tables, ...sources]);
  const root = blocked || !isItself ? all.at(-1) : undefined;
  const hosts = root && all.length > 1 ? all.slice(0, -1) : all;
  return [...(root ? [rootText(root)] : []), ...hosts.map(hostText)].join('\n');
}

/** A table that is there twice is a mistake, too. The first place counts, with the capabilities of all. */
function eachOnce(tables: readonly HostTable[]): readonly HostTable[] {
  return [...Map.groupBy(tables, ({ url }) => apiUrl(url)).values()].flatMap(([first, ...others]) => {
    if (!first) return [];
    const capabilities = new Set([first, ...others].flatMap((table) => table.capabilities));
    return { ...first, capabilities: [...capabilities] };
  });
}

function rootText(table: HostTable): string {
  return `server = ${tomlText(apiUrl(table.url))}\n${keysOf(table, '')}`;
}

function hostText(table: HostTable): string {
  return `[host.${tomlText(apiUrl(table.url))}]\n${keysOf(table, '  ')}`;
}

function keysOf({ url, capabilities }: HostTable, indent: string): string {
  const keys = [
    ['capabilities', capabilities],
    ['override_path', url.path !== '' || undefined],
    ['skip_verify', url.skipVerify || undefined],
    ['ca', url.ca],
  ] as const;
  return keys
    .flatMap(([key, value]) => (value === undefined ? [] : [`${indent}${key} = ${tomlText(value)}\n`]))
    .join('');
}

function warnOfMirror(mirror: PlacedMirror, registry: string, warn: Warn): void {
  const tell = (key: string, message: string) =>
    warn({ entry: registry, mirror: mirrorName(mirror) }, key, message);
  if (mirror.serves === 'digest-only') {
    tell(
      'pull-from-mirror',
      'containerd resolves tags elsewhere, and then asks it for the content of tags, too',
    );
  }
  if (mirror.serves === 'tag-only') tell('pull-from-mirror', 'containerd asks it for digests, too');
  if (mirror.namespaceProxy !== undefined && mirror.namespaceProxy !== registry) {
    tell('namespace-proxy', `containerd sends ns=${registry}`);
  }
}
