/** registries.conf as a value, from prefixes alone: what routing looks at. */
import type { ServerConfig } from '../../../src/config/config.ts';
import type { RegistriesConf } from '../../../src/config/registries-conf/registries.ts';

export function listing(...prefixes: string[]): RegistriesConf {
  return {
    entries: prefixes.toSorted().map((prefix, index) => ({
      prefix,
      location: prefix.startsWith('*.') ? '' : prefix,
      insecure: undefined,
      blocked: false,
      mirrorByDigestOnly: false,
      mirrors: [],
      origin: { file: 'registries.conf', line: index + 1 },
    })),
    unqualifiedSearchRegistries: undefined,
    shortNameMode: 'permissive',
    aliases: new Map(),
    credentialHelpers: ['containers-auth.json'],
    additionalLayerStoreAuthHelper: '',
    files: ['registries.conf'],
  };
}

export function routingWith(
  settings: {
    defaultRegistry?: string;
    unlisted?: 'refuse' | 'direct';
    hosts?: Record<string, string>;
    names?: Record<string, string>;
  } = {},
): ServerConfig['routing'] {
  return {
    defaultRegistry: settings.defaultRegistry ?? 'docker.io',
    unlisted: settings.unlisted ?? 'refuse',
    hosts: new Map(Object.entries(settings.hosts ?? {})),
    names: new Map(Object.entries(settings.names ?? {})),
  };
}
