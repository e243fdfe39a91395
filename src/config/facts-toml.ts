/** `[facts]` of entrepot.toml: where replicas share what they know. docs/facts.md explains it. */
import type { FactsConfig } from './config.ts';
import type { StrictTable } from './toml/strict-table.ts';
import type { ValueKind } from './toml/value-kinds.ts';
import * as kind from './toml/value-kinds.ts';

const week = 7 * 24 * 3_600_000;

/** Undefined where nothing is shared. `path`: the kind of a path that is relative to the working folder. */
export function readFacts(facts: StrictTable, path: ValueKind<string>): FactsConfig | undefined {
  const urlFile = facts.value('url_file', path, undefined, { variable: 'ENTREPOT_FACTS_URL_FILE' });
  const goneAfter = facts.value('gone_after', kind.period, week);
  return urlFile === undefined ? undefined : { urlFile, goneAfter };
}
