/** What `[[push]]` wants of buckets and `[[store]]` does not give: every such push would be refused. */
import { canMeet } from '../lib/name-patterns.ts';
import type { ConfigWarning, PushRule, ServerConfig } from './config.ts';
import type { SettingInForce } from './settings.ts';

/** A warning for each rule. `inForce`: of the same file. */
export function storeWarnings(
  { stores, push }: Pick<ServerConfig, 'stores' | 'push'>,
  inForce: readonly SettingInForce[],
): readonly ConfigWarning[] {
  return push.flatMap((rule, index) => {
    const from = inForce.find(({ key }) => key === `push[${index}].durable`)?.from;
    const { length } = storesFor(rule, stores);
    if (from?.kind !== 'file' || rule.mode === 'fill' || (rule.durable ?? 0) <= length) return [];
    const message = `pushes have to be in ${rule.durable} buckets before they are answered, and ${length} [[store]] can have images of ${rule.match}: each will be refused`;
    return [{ file: from.file, line: from.line, message }];
  });
}

/** The buckets that an image of a rule may go to. */
export function storesFor(
  { match }: Pick<PushRule, 'match'>,
  stores: ServerConfig['stores'],
): ServerConfig['stores'] {
  return stores.filter(
    ({ placement }) =>
      placement.match.length === 0 || placement.match.some((pattern) => canMeet(pattern, match)),
  );
}
