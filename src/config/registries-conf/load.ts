/**
 * registries.conf and its drop-ins, found, read, checked and merged. One file that is wrong makes the whole configuration
 * unusable, as it does for every runtime: half a configuration could lift a block or leave out a mirror.
 */
import { existsSync } from 'node:fs';
import type { ConfigWarning } from '../config.ts';
import { builtInEntries } from './built-in.ts';
import { checkEntries, checkWildcards } from './entries.ts';
import { createReading } from './fields.ts';
import { type CheckedFile, mergeFiles } from './merge.ts';
import { readWritten } from './read.ts';
import type { RegistriesConf } from './registries.ts';
import { type FoundFile, findRegistriesFiles, isOfSystem, type SearchOptions } from './search.ts';
import { checkAliases, checkSearchRegistries, checkShortNameMode } from './short-names.ts';
import { warnOfUselessEntry } from './useless.ts';

export interface LoadedRegistries {
  readonly registries: RegistriesConf;
  readonly warnings: ConfigWarning[];
}

/**
 * Synchronous: for the start and for reloads. Throws EntrepotError CONFIG_INVALID or CONFIG_UNREADABLE; `warnings` then has
 * what was found until there.
 */
export function loadRegistries(options: SearchOptions, warnings: ConfigWarning[] = []): LoadedRegistries {
  const registries = mergeFiles(findRegistriesFiles(options).map((file) => checkFile(file, warnings)));
  // Distributions ship a file that sets short names and lists no registry: it is no wish for a mirror of nothing.
  if (registries.entries.length === 0 && isOfSystem(options, registries.files)) {
    return { registries: { ...registries, entries: builtInEntries }, warnings };
  }
  warnOfNothing(options, registries, warnings);
  return { registries, warnings };
}

function warnOfNothing(options: SearchOptions, registries: RegistriesConf, warnings: ConfigWarning[]): void {
  const { registriesDir } = options;
  if (registriesDir !== undefined && !existsSync(registriesDir)) {
    warnings.push({ file: registriesDir, message: 'does not exist: no drop-ins are read' });
  }
  const [file] = registries.files;
  if (file === undefined || registries.entries.length > 0) return;
  const message =
    'no [[registry]] table is in any file: unless routing.unlisted is "direct", every image is refused';
  warnings.push({ file, message });
}

function checkFile({ file, text }: FoundFile, warnings: ConfigWarning[]): CheckedFile {
  const reading = createReading(file, warnings);
  const written = readWritten(text, reading);
  // The order in which the ecosystem's own reader checks: of several mistakes, the same one is reported.
  const entries = checkEntries(written.registries, reading);
  const search = written.unqualifiedSearchRegistries;
  const unqualifiedSearchRegistries = search && checkSearchRegistries(search, reading);
  const shortNameMode = written.shortNameMode && checkShortNameMode(written.shortNameMode, reading);
  checkWildcards(entries, reading);
  const aliases = checkAliases(written.aliases, reading);
  for (const entry of entries) warnOfUselessEntry(entry, reading);
  const { credentialHelpers, additionalLayerStoreAuthHelper } = written;
  return {
    ...{ file, entries, unqualifiedSearchRegistries, shortNameMode, aliases },
    ...{ credentialHelpers, additionalLayerStoreAuthHelper },
  };
}
