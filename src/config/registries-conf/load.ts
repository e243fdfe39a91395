/**
 * Finds, reads, checks and merges registries.conf and its drop-ins. One wrong file makes the whole configuration unusable, as in
 * every runtime: half a configuration could lift a block or omit a mirror.
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

/** The configuration, and what to warn about. */
export interface LoadedRegistries {
  readonly registries: RegistriesConf;
  readonly warnings: ConfigWarning[];
}

/**
 * Synchronous, for the start and for reloads. Throws EntrepotError CONFIG_INVALID or CONFIG_UNREADABLE; `warnings` then holds those that
 * were found before the error.
 */
export function loadRegistries(options: SearchOptions, warnings: ConfigWarning[] = []): LoadedRegistries {
  const registries = mergeFiles(findRegistriesFiles(options).map((file) => checkFile(file, warnings)));
  // Distributions ship a file that sets short names and lists no registry. It does not mean that all images are refused.
  if (registries.entries.length === 0 && isOfSystem(options, registries.files)) {
    return { registries: { ...registries, entries: builtInEntries }, warnings };
  }
  const { registriesDir } = options;
  if (registriesDir !== undefined && !existsSync(registriesDir)) {
    warnings.push({ file: registriesDir, message: 'does not exist: no drop-ins are read' });
  }
  return { registries, warnings };
}

/** A warning if files were read and no entry is in force. */
export function emptyWarnings({ entries, files: [file] }: RegistriesConf): readonly ConfigWarning[] {
  if (file === undefined || entries.length > 0) return [];
  const message =
    'no [[registry]] table is in any file: unless routing.unlisted is "direct", every image is refused';
  return [{ file, message }];
}

function checkFile({ file, text }: FoundFile, warnings: ConfigWarning[]): CheckedFile {
  const reading = createReading(file, warnings);
  const written = readWritten(text, reading);
  // In the order of the ecosystem's reader, so that of several mistakes the same one is reported.
  const entries = checkEntries(written.registries, reading);
  const search = written.unqualifiedSearchRegistries;
  const unqualifiedSearchRegistries = search && checkSearchRegistries(search, reading);
  const shortNameMode = written.shortNameMode && checkShortNameMode(written.shortNameMode, reading);
  checkWildcards(entries, reading);
  const aliases = checkAliases(written.aliases, reading);
  for (const entry of entries) warnOfUselessEntry(entry, ({ line }, message) => reading.warn(line, message));
  return {
    file,
    entries,
    unqualifiedSearchRegistries,
    shortNameMode,
    aliases,
    credentialHelpers: written.credentialHelpers,
    additionalLayerStoreAuthHelper: written.additionalLayerStoreAuthHelper,
  };
}
