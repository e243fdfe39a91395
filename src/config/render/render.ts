/**
 * `entrepot render`: the configuration that is in force here, or this Entrepot as the mirror, in the format of a client. Pure: it reads
 * and writes no file and contacts no host. Where a format cannot say something:
 *
 *   what would give other content     is left out: a mirror for digests alone where the client would ask it for tags
 *   what gives the same content       stays: a mirror for tags alone may be asked for digests, since a client verifies them
 *   both                              are a warning that names entry, mirror and key
 */
import type { Config } from '../config.ts';
import { daemonJson } from './daemon-json.ts';
import { entrepotEntries } from './entrepot-entries.ts';
import { hostsToml } from './hosts-toml.ts';
import type { MirrorAddress } from './mirror-address.ts';
import { mirrorSet } from './mirror-sets.ts';
import { type NodeEntry, nodeEntries, repositoryEntry } from './node-entry.ts';
import { headerLines, type RenderPlan } from './plan.ts';
import { registriesConf } from './registries-conf-text.ts';
import { registriesYaml } from './registries-yaml.ts';
import type { Rendered, RenderedFile, RenderFormat, RenderWarning, Warn } from './rendered.ts';
import { warnOfOtherKeys } from './unsaid.ts';

export interface RenderOptions {
  /** The Entrepot that is the mirror of all that this configuration lists. Undefined: the mirrors of the configuration. */
  readonly mirrorOf?: MirrorAddress | undefined;
  /** Nothing but these `registry/repository`; each becomes an entry of its own. */
  readonly only?: readonly string[] | undefined;
  /** No client asks a source that has a mirror (`NeverContactSource`). */
  readonly sealed?: boolean | undefined;
}

/** `config` as files for the clients of `format`, and what these files do not say. */
export function render(
  format: RenderFormat,
  config: Pick<Config, 'registries' | 'server'>,
  { mirrorOf, only, sealed = false }: RenderOptions = {},
): Rendered {
  const warnings: RenderWarning[] = [];
  const warn: Warn = ({ entry, mirror }, key, message) => {
    warnings.push({ entry, mirror, key, message });
  };
  const names = only && [...new Set(only)].sort();
  const entries = mirrorOf
    ? entrepotEntries(config, mirrorOf, names, sealed, warn)
    : configuredEntries(config, names, sealed, warn);
  const plan: RenderPlan = {
    entries,
    header: headerLines(format, config, mirrorOf),
    // What a node does with short names and credentials is its own business if it only gets a mirror.
    globals: mirrorOf ? undefined : config.registries,
    mirrorOf,
    routing: config.server.routing,
    warn,
  };
  if (plan.globals && format !== 'registries.conf') warnOfOtherKeys(plan.globals, format, warn);
  return { files: filesOf(format, plan), warnings };
}

function filesOf(format: RenderFormat, plan: RenderPlan): readonly RenderedFile[] {
  switch (format) {
    case 'registries.conf':
      return registriesConf(plan);
    case 'idms':
    case 'itms':
    case 'icsp':
      return mirrorSet(format, plan);
    case 'hosts.toml':
      return hostsToml(plan);
    case 'registries.yaml':
      return registriesYaml(plan);
    case 'daemon.json':
      return daemonJson(plan);
  }
}

function configuredEntries(
  { registries, server }: Pick<Config, 'registries' | 'server'>,
  names: readonly string[] | undefined,
  sealed: boolean,
  warn: Warn,
): readonly NodeEntry[] {
  const { insecure } = server.upstream;
  const entries = names?.flatMap((name) => {
    const entry = repositoryEntry(registries, insecure, name);
    if (!entry)
      warn({ entry: name }, 'only', 'no [[registry]] is for this repository: nothing is written for it');
    return entry ?? [];
  });
  const found = entries ?? nodeEntries(registries, insecure);
  return sealed ? found.map(seal) : found;
}

function seal(entry: NodeEntry): NodeEntry {
  return entry.mirrors.length === 0 ? entry : { ...entry, blocked: true };
}
