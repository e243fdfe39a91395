/** Placement in `[[store]]`: which content goes to a bucket, how fast, and which clients may be sent there; and the order of buckets. */
import type { StorePlacement, StoreRedirect, StoreSweep } from './store-config.ts';
import type { StrictTable } from './toml/strict-table.ts';
import * as kind from './toml/value-kinds.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
/** ms: of a bucket with a bound. */
const usualSweep = 3_600_000;
/** A presigned URL of S3 works for a week at most. */
const longestRedirect = 7 * 24 * 3600;

/** The keys of one `[[store]]`. */
export function readStorePlacement(table: StrictTable): StorePlacement {
  return {
    match: table.list('match', kind.pattern),
    uploadRate: table.value('upload_rate', kind.size(KiB), undefined),
    redirect: readRedirect(table.writtenTable('redirect')),
    sweep: readSweep(table),
  };
}

function readSweep(table: StrictTable): StoreSweep | undefined {
  const after = table.value('sweep_after', kind.period, undefined);
  const maxSize = table.value('max_size', kind.size(MiB), undefined);
  const every = table.value('sweep_every', kind.period, maxSize === undefined ? undefined : usualSweep);
  if (after !== undefined || maxSize !== undefined) return { after, maxSize, every };
  if (every !== undefined)
    table.problem(
      'sweep_every',
      'sweep_every needs sweep_after = "7d" or max_size beside it: else nothing is removed',
    );
  return undefined;
}

function readRedirect(table: StrictTable | undefined): StoreRedirect | undefined {
  if (!table) return undefined;
  const networks = table.list('networks', kind.network);
  const seconds = table.value('seconds', kind.integer(1, longestRedirect), 600);
  if (networks.length === 0)
    table.problem(
      'networks',
      'a redirect needs networks = ["10.0.0.0/8", ...]: the clients that reach the bucket',
    );
  return networks.length === 0 ? undefined : { networks, seconds };
}

const names: kind.ValueKind<readonly string[]> = {
  expected: 'names of [[store]] blocks, such as "eu,us"',
  read(value) {
    if (typeof value !== 'string') return undefined;
    const found = value.split(',').map((name) => name.trim());
    return found.every((name) => name !== '') ? found : undefined;
  },
  show: (found) => found.join(','),
};

/** The stores in the order of `store_preference`; those that it does not name follow in theirs. */
export function inPreferredOrder<T extends { readonly name: string }>(
  top: StrictTable,
  stores: readonly T[],
): readonly T[] {
  const preferred = top.value('store_preference', names, [], { variable: 'ENTREPOT_STORE_PREFERENCE' });
  const unknown = preferred.filter((name) => !stores.some((store) => store.name === name));
  for (const name of unknown)
    top.problem(
      'store_preference',
      `store_preference names ${JSON.stringify(name)}, and no [[store]] has that name`,
    );
  const rank = ({ name }: T) => (preferred.includes(name) ? preferred.indexOf(name) : preferred.length);
  return stores.toSorted((a, b) => rank(a) - rank(b));
}
