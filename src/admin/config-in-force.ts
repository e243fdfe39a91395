/** The configuration that is in force now, for the admin API. Its files are not read again; those of accounts are, for the warnings. */
import type { Config } from '../config/config.ts';
import { readReference } from '../config/named-images.ts';
import { hasBuiltInList } from '../config/registries-conf/built-in.ts';
import type { Clock } from '../lib/clock.ts';
import { referenceName } from '../oci/reference.ts';
import { configAsJson } from './config-as-json.ts';
import { warningsOf } from './config-warnings.ts';
import { explanationAsJson, explanationOf } from './explanation.ts';

export interface ConfigInForce {
  /** As `entrepot check --json`, without errors: there are none in force. */
  show(): Promise<object>;
  /**
   * As `entrepot explain --json`. `as`: the name of a principal, whose rights are shown, too. Rejects with EntrepotError
   * REFERENCE_INVALID, REWRITE_INVALID, and USAGE for a principal that is not known.
   */
  explain(reference: string, as?: string): Promise<object>;
}

/** `current`: the configuration in force. */
export function createConfigInForce(current: () => Config, clock: Pick<Clock, 'now'>): ConfigInForce {
  return {
    async show() {
      const config = current();
      const found = { warnings: await warningsOf(config), builtInList: hasBuiltInList(config.registries) };
      return configAsJson({ ...config, ...found }, clock.now());
    },
    async explain(given, as) {
      const config = current();
      const reference = readReference(given);
      const explanation = explanationOf(given, reference, config);
      if (as === undefined) return explanationAsJson({ ...explanation, access: undefined });
      const { explainAccess } = await import('../access/explain-access.ts');
      const { access: accounts, data } = config.server;
      const about = { name: as, image: referenceName(reference), file: config.serverFile };
      return explanationAsJson({ ...explanation, access: explainAccess(accounts, data, about) });
    },
  };
}
