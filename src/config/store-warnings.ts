/** What `[[push]]` wants of buckets and `[[store]]` does not give: every such push would be refused. */
import type { ConfigWarning, ServerConfig } from './config.ts';
import type { SettingInForce } from './settings.ts';

/** A warning for each rule. `stores`: all of them, whatever images they are for. */
export function storeWarnings(
  { stores }: Pick<ServerConfig, 'stores'>,
  inForce: readonly SettingInForce[],
): readonly ConfigWarning[] {
  return inForce.flatMap(({ key, value, from }) => {
    const isDurable = /^push\[\d+\]\.durable$/.test(key) && from.kind === 'file' && typeof value === 'number';
    if (!isDurable || value <= stores.length) return [];
    const message = `pushes have to be in ${value} buckets before they are answered, and there are ${stores.length} [[store]]: each will be refused`;
    return [{ file: from.file, line: from.line, message }];
  });
}
