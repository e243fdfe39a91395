/**
 * One registries.conf file -> its keys. Only their types are checked here; `entries.ts` and `short-names.ts` check the values. A file
 * in version 1 of the format is refused, with its translation to version 2.
 */
import { parseToml, type TomlTable } from '../toml/toml-document.ts';
import { type Located, type Reading, readTable, type TableReader, text } from './fields.ts';
import { refuseVersion1 } from './version-1.ts';

/** The keys of a file. Undefined: the file does not have the key. */
export interface WrittenFile {
  readonly registries: readonly WrittenRegistry[];
  readonly unqualifiedSearchRegistries: readonly Located<string>[] | undefined;
  readonly shortNameMode: Located<string> | undefined;
  readonly aliases: ReadonlyMap<string, Located<string>>;
  readonly credentialHelpers: readonly string[] | undefined;
  readonly additionalLayerStoreAuthHelper: string;
}

/** What a `[[registry]]` and a `[[registry.mirror]]` table have in common. */
export interface WrittenEndpoint {
  readonly line: number;
  readonly location: Located<string> | undefined;
  readonly insecure: boolean | undefined;
  readonly pullFromMirror: Located<string> | undefined;
  readonly namespaceProxy: string | undefined;
}

/** A `[[registry]]` table. */
export interface WrittenRegistry extends WrittenEndpoint {
  readonly prefix: Located<string> | undefined;
  readonly blocked: boolean;
  readonly mirrorByDigestOnly: boolean;
  readonly mirrors: readonly WrittenEndpoint[];
}

/** `content` is the text of the file. Throws EntrepotError CONFIG_INVALID. */
export function readWritten(content: string, reading: Reading): WrittenFile {
  const top = readTable(parseToml(content, reading.file), '', reading);
  const written: WrittenFile = {
    registries: top.tables('registry', (table) => readRegistry(table, reading)),
    unqualifiedSearchRegistries: top.texts('unqualified-search-registries')?.value,
    shortNameMode: top.text('short-name-mode'),
    aliases: readAliases(top, reading),
    credentialHelpers: top.texts('credential-helpers')?.value.map((helper) => helper.value),
    additionalLayerStoreAuthHelper: top.text('additional-layer-store-auth-helper')?.value ?? '',
  };
  refuseVersion1(top, reading);
  top.warnOfTheRest();
  return written;
}

function readRegistry(table: TomlTable, reading: Reading): WrittenRegistry {
  const fields = readTable(table, 'registry', reading);
  const registry = {
    prefix: fields.text('prefix'),
    ...readEndpoint(fields, table),
    blocked: fields.flag('blocked')?.value ?? false,
    mirrorByDigestOnly: fields.flag('mirror-by-digest-only')?.value ?? false,
    mirrors: fields.tables('mirror', (mirror) => {
      const mirrorFields = readTable(mirror, 'registry.mirror', reading);
      const endpoint = readEndpoint(mirrorFields, mirror);
      mirrorFields.warnOfTheRest();
      return endpoint;
    }),
  };
  fields.warnOfTheRest();
  return registry;
}

function readEndpoint(fields: TableReader, table: TomlTable): WrittenEndpoint {
  const location = fields.text('location');
  return {
    line: location?.line ?? table.line,
    location,
    insecure: fields.flag('insecure')?.value,
    pullFromMirror: fields.text('pull-from-mirror'),
    namespaceProxy: fields.text('namespace-proxy')?.value || undefined,
  };
}

function readAliases(top: TableReader, reading: Reading): Map<string, Located<string>> {
  const aliases = top.any('aliases');
  if (aliases === undefined) return new Map();
  if (aliases.kind !== 'table') {
    // The decoder of the ecosystem does not check this type, so it is not an error.
    reading.warn(aliases.line, 'aliases is ignored, because it is no table: write [aliases]');
    return new Map();
  }
  const entries = [...aliases.entries].map(
    ([name, value]) => [name, text(value, `aliases."${name}"`, reading)] as const,
  );
  return new Map(entries);
}
