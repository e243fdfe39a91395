/**
 * Several files -> one configuration. A later file replaces the whole entry of a prefix, with its mirrors, flags and location. It
 * replaces a list if it has that list, even as `[]`. It adds to the aliases name by name.
 */
import { byPrefixText } from './entries.ts';
import { authFilesHelper, type RegistriesConf, type RegistryEntry } from './registries.ts';
import type { ShortNameMode } from './short-names.ts';

/** One file after its checks. A key that the file does not have is undefined. */
export interface CheckedFile {
  readonly file: string;
  readonly entries: readonly RegistryEntry[];
  readonly unqualifiedSearchRegistries: readonly string[] | undefined;
  readonly shortNameMode: ShortNameMode | undefined;
  /** An empty value erases the name. */
  readonly aliases: ReadonlyMap<string, string>;
  readonly credentialHelpers: readonly string[] | undefined;
  readonly additionalLayerStoreAuthHelper: string;
}

/** `files` are in reading order; a later file wins. */
export function mergeFiles(files: readonly CheckedFile[]): RegistriesConf {
  const entries = new Map(files.flatMap((file) => file.entries.map((entry) => [entry.prefix, entry])));
  const aliases = new Map(files.flatMap((file) => [...file.aliases]));
  const helpers = last(files, (file) => file.credentialHelpers) ?? [];
  return {
    entries: [...entries.values()].sort(byPrefixText),
    unqualifiedSearchRegistries: last(files, (file) => file.unqualifiedSearchRegistries),
    shortNameMode: last(files, (file) => file.shortNameMode) ?? 'permissive',
    aliases: new Map([...aliases].filter(([, value]) => value !== '')),
    credentialHelpers: helpers.length === 0 ? [authFilesHelper] : helpers,
    additionalLayerStoreAuthHelper:
      last(files, (file) => file.additionalLayerStoreAuthHelper || undefined) ?? '',
    files: files.map((file) => file.file),
  };
}

function last<T>(files: readonly CheckedFile[], said: (file: CheckedFile) => T | undefined): T | undefined {
  const saying = files.findLast((file) => said(file) !== undefined);
  return saying && said(saying);
}
