/** `[facts]` of entrepot.toml: where replicas share what they know. docs/facts.md explains it. */
import type { ServerConfig } from './config.ts';
import type { StrictTable } from './toml/strict-table.ts';
import type { ValueKind } from './toml/value-kinds.ts';

/** Undefined where nothing is shared. `path`: the kind of a path that is relative to the working folder. */
export function readFacts(facts: StrictTable, path: ValueKind<string>): ServerConfig['facts'] {
  const urlFile = facts.value('url_file', path, undefined, { variable: 'ENTREPOT_FACTS_URL_FILE' });
  return urlFile === undefined ? undefined : { urlFile };
}
