/** Bounds of the cache that cannot take effect, that leave no space for content, or that lack their unit. */
import { dirname } from 'node:path';
import { sizeOfDisk } from '../lib/disk-space.ts';
import { systemCode } from '../lib/thrown.ts';
import type { ConfigWarning, ServerConfig } from './config.ts';
import type { SettingInForce } from './settings.ts';
import { formatSize, parseSize } from './toml/units.ts';

const MiB = 1024 ** 2;

/** Sizes that are nearly always meant in a larger unit. Zero is meant. */
export function tinySizeWarnings(inForce: readonly SettingInForce[]): readonly ConfigWarning[] {
  return inForce.flatMap(({ key, value, from }) => {
    const isBound = /^cache\.(?:min_free|(?:quota\[\d+\]\.)?max_size)$/.test(key);
    const bytes = isBound ? (parseSize(String(value)) ?? 0) : 0;
    if (bytes === 0 || bytes >= MiB || from.kind === 'default') return [];
    const place = from.kind === 'file' ? { file: from.file, line: from.line } : { file: from.name };
    const found =
      bytes < 1024 ? `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}` : `${bytes} bytes, less than 1MiB`;
    return [
      { ...place, message: `${key} is ${found}: write a unit, as in "${example(bytes)}", if more is meant` },
    ];
  });
}

/** The same number in GiB, if a person would write such a number; else 1 GiB. */
function example(bytes: number): string {
  return bytes < 1024 ? `${bytes}GiB` : '1GiB';
}

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
  const warning = (key: string, bytes: number, then: string) => ({
    file: file ?? data,
    message: `cache.${key} is ${formatSize(bytes)}, and the disk of ${data} has ${formatSize(size)}: ${then}`,
  });
  const { minFree, maxSize } = cache;
  if (minFree >= size) return [warning('min_free', minFree, 'nothing is ever kept')];
  return maxSize !== undefined && maxSize > size
    ? [warning('max_size', maxSize, 'the cache stops growing at cache.min_free')]
    : [];
}

/** Bytes of the disk that the folder is on, or will be on; undefined if the file system does not tell. */
function diskSize(folder: string): number | undefined {
  try {
    return sizeOfDisk(folder);
  } catch (error) {
    return systemCode(error) === 'ENOENT' && dirname(folder) !== folder
      ? diskSize(dirname(folder))
      : undefined;
  }
}
