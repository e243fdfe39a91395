/** Bounds of the cache that cannot take effect or that leave no space for content. */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from '../lib/thrown.ts';
import type { ConfigWarning, ServerConfig } from './config.ts';
import type { SettingInForce } from './settings.ts';
import { formatSize, parseSize } from './toml/units.ts';

/** A quota above `cache.max_size` never takes effect. */
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

/** Bounds that do not fit on the disk of the data folder, which need not exist yet. `file` is the entrepot.toml that was read. */
export function diskWarnings(
  { data, cache }: ServerConfig,
  file: string | undefined,
): readonly ConfigWarning[] {
  const size = diskSize(data);
  if (size === undefined) return [];
  const told = (key: string, bytes: number, then: string) => ({
    file: file ?? data,
    message: `cache.${key} is ${formatSize(bytes)}, and the disk of ${data} has ${formatSize(size)}: ${then}`,
  });
  const { minFree, maxSize } = cache;
  if (minFree >= size) return [told('min_free', minFree, 'nothing is ever kept')];
  return maxSize !== undefined && maxSize > size
    ? [told('max_size', maxSize, 'the cache stops growing at cache.min_free')]
    : [];
}

/** Bytes; undefined if the file system does not tell. */
function diskSize(folder: string): number | undefined {
  try {
    const { blocks, bsize } = statfsSync(folder);
    return blocks * bsize;
  } catch (error) {
    return systemCode(error) === 'ENOENT' && dirname(folder) !== folder
      ? diskSize(dirname(folder))
      : undefined;
  }
}
