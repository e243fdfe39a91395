/** Bounds of the cache that cannot take effect. */
import type { ConfigWarning } from './config.ts';
import type { SettingInForce } from './settings.ts';
import { parseSize } from './units.ts';

/** A quota that is not below `cache.max_size` bounds nothing. */
export function cacheWarnings(inForce: readonly SettingInForce[]): readonly ConfigWarning[] {
  const maxSize = inForce.find(({ key }) => key === 'cache.max_size')?.value;
  if (typeof maxSize !== 'string') return [];
  return inForce.flatMap(({ key, value, from }) => {
    const isQuota = /^cache\.quota\[\d+\]\.max_size$/.test(key) && from.kind === 'file';
    if (!isQuota || (parseSize(String(value)) ?? 0) <= (parseSize(maxSize) ?? 0)) return [];
    const message = `this quota of ${value} never takes effect: cache.max_size is ${maxSize}`;
    return [{ file: from.file, line: from.line, message }];
  });
}
