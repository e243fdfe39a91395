/**
 * registries.conf (version 2), for podman, Buildah, skopeo and CRI-O; as the whole file, or as a drop-in if it only names a mirror. Entries of one
 * location must agree on `insecure` and `blocked` in one file, but not across files: the stricter value then counts for all of them.
 */

import { authFilesHelper, type RegistriesConf } from '../registries-conf/registries.ts';
import { tomlText } from '../toml/toml-text.ts';
import { isRenamed, mirrorName, type NodeEntry, type NodeMirror } from './node-entry.ts';
import { comment, type RenderPlan } from './plan.ts';
import type { RenderedFile, Warn } from './rendered.ts';

/** One file, `registries.conf`. */
export function registriesConf({
  entries,
  header,
  globals,
  mirrorOf,
  warn,
}: RenderPlan): readonly RenderedFile[] {
  if (mirrorOf?.ca !== undefined) {
    const folder = `/etc/containers/certs.d/${mirrorOf.host}/`;
    warn(
      { mirror: mirrorOf.host },
      '--ca',
      `registries.conf names no CA: copy ${mirrorOf.ca} to ${folder}ca.crt`,
    );
  }
  const agreed = agreeing(entries, warn);
  for (const entry of agreed) warnOfBlockedElsewhere(entry, warn);
  const tables = agreed.flatMap((entry) => {
    const text = tableOf(entry, warn);
    // As a drop-in, an entry that says nothing would replace one of the node that does.
    return mirrorOf && !entry.blocked && entry.mirrors.every(({ location }) => location === undefined)
      ? []
      : text;
  });
  return [
    {
      path: 'registries.conf',
      text: [comment(header), ...(globals ? keysOf(globals) : []), ...tables].filter(Boolean).join('\n'),
    },
  ];
}

function keysOf(conf: RegistriesConf): readonly string[] {
  const { unqualifiedSearchRegistries: search, shortNameMode, credentialHelpers, aliases } = conf;
  const helper = conf.additionalLayerStoreAuthHelper;
  const hasHelpers = credentialHelpers.some((name) => name !== authFilesHelper);
  const keys = lines([
    ['unqualified-search-registries', search],
    ['short-name-mode', shortNameMode === 'permissive' ? undefined : shortNameMode],
    ['credential-helpers', hasHelpers ? credentialHelpers : undefined],
    ['additional-layer-store-auth-helper', helper === '' ? undefined : helper],
  ]);
  const names = [...aliases].sort().map(([name, value]) => `${tomlText(name)} = ${tomlText(value)}\n`);
  return [keys, names.length === 0 ? '' : `[aliases]\n${names.join('')}`];
}

function tableOf(entry: NodeEntry, warn: Warn): string {
  const { prefix, location, insecure, blocked, namespaceProxy, mirrors } = entry;
  const own = lines([
    ['prefix', prefix === location ? undefined : prefix],
    ['location', location === '' ? undefined : location],
    ['insecure', insecure || undefined],
    ['blocked', blocked || undefined],
    ['namespace-proxy', namespaceProxy],
  ]);
  return [`[[registry]]\n${own}`, ...mirrors.flatMap((mirror) => mirrorTable(entry, mirror, warn))].join(
    '\n',
  );
}

function mirrorTable({ prefix }: NodeEntry, mirror: NodeMirror, warn: Warn): string | [] {
  const { location, insecure, serves, namespaceProxy } = mirror;
  if (location === undefined) {
    warn({ entry: prefix, mirror: mirrorName(mirror) }, 'location', noPathName);
    return [];
  }
  const keys = lines([
    ['location', location],
    ['insecure', insecure || undefined],
    ['pull-from-mirror', serves === 'all' ? undefined : serves],
    ['namespace-proxy', namespaceProxy],
  ]);
  return `[[registry.mirror]]\n${keys}`;
}

/** Why an Entrepot is no mirror of a registry with a port for a client that names registries in the path. */
export const noPathName =
  'no client takes this registry inside a path: give it a name in entrepot.toml, [routing] names = { "NAME" = "REGISTRY" }';

/** Each entry with the stricter value of `insecure` and `blocked` among those of its location. */
function agreeing(entries: readonly NodeEntry[], warn: Warn): readonly NodeEntry[] {
  const byPlace = Map.groupBy(entries, ({ prefix, location }) => location || prefix);
  return entries.map((entry) => {
    const alike = byPlace.get(entry.location || entry.prefix) ?? [];
    const insecure = alike.every((one) => one.insecure);
    const blocked = alike.some((one) => one.blocked);
    const others = alike.filter((one) => one !== entry).map(({ prefix }) => `"${prefix}"`);
    const message = (value: string) =>
      `has the location of ${others.join(', ')}, which must agree with it in one file: it is written as ${value}`;
    if (insecure !== entry.insecure) warn({ entry: entry.prefix }, 'insecure', message('secure'));
    if (blocked !== entry.blocked) warn({ entry: entry.prefix }, 'blocked', message('blocked'));
    return { ...entry, insecure, blocked };
  });
}

function warnOfBlockedElsewhere(entry: NodeEntry, warn: Warn): void {
  if (!entry.blocked || !isRenamed(entry)) return;
  const message = `podman and CRI-O ask "${entry.location}" all the same, unless an entry for that name is blocked, too`;
  warn({ entry: entry.prefix }, 'blocked', message);
}

function lines(
  keys: readonly (readonly [string, string | boolean | readonly string[] | undefined])[],
): string {
  return keys
    .flatMap(([key, value]) => (value === undefined ? [] : [`${key} = ${tomlText(value)}\n`]))
    .join('');
}
