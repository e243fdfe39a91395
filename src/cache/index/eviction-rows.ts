/** Last uses, pinned marks, sums, and the contents of a shard. Each statement goes along an index. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../oci/digest.ts';
import { digestKey, keyDigest, shardKeys } from './digest-key.ts';
import type { IndexRows } from './index-rows.ts';
import type { Totals } from './inventory.ts';

type EvictionRows = Pick<
  IndexRows,
  'touch' | 'ageFutureUses' | 'setPinned' | 'unpinAll' | 'totals' | 'storedIn'
>;

/** ms: more than thirty years. */
const longTime = 1e12;

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createEvictionRows(db: Database): EvictionRows {
  const touch = db.prepare<[{ digest: Buffer; used: number; now: number }]>(
    'UPDATE contents SET used = $used WHERE digest = $digest AND (used < $used OR used > $now)',
  );
  const age = db.prepare<[{ now: number; shift: number }]>(`
    UPDATE contents SET used = max(0, used - $shift) WHERE parents = 0 AND out = 0 AND used > $now`);
  const setPinned = db.prepare<[Buffer]>('UPDATE contents SET pinned = 1 WHERE digest = ? AND pinned = 0');
  const unpinAll = db.prepare<[]>('UPDATE contents SET pinned = 0 WHERE pinned = 1');
  const totals = db.prepare<[], Totals>('SELECT bytes, contents, manifests FROM totals');
  const storedIn = db.prepare<
    [Buffer, Buffer, number],
    { digest: Buffer; size: number; mediaType: string | null }
  >(`
    SELECT c.digest, c.size, m.name AS mediaType FROM contents c LEFT JOIN names m ON m.id = c.media_type
    WHERE c.digest > ? AND c.digest < ? AND c.size IS NOT NULL ORDER BY c.digest LIMIT ?`);

  return {
    touch: db.transaction((uses: Iterable<readonly [Digest, number]>, now = Number.MAX_SAFE_INTEGER) => {
      for (const [digest, used] of uses) touch.run({ digest: digestKey(digest), used, now });
    }),
    ageFutureUses: (now) => age.run({ now, shift: longTime }),
    setPinned: (digest) => setPinned.run(digestKey(digest)),
    unpinAll: () => unpinAll.run(),
    totals: () => totals.get() ?? { bytes: 0, contents: 0, manifests: 0 },
    storedIn(algorithm, first, after, limit) {
      const { from, before } = shardKeys(algorithm, first);
      const rows = storedIn.all(after ? digestKey(after) : from, before, limit);
      return rows.map(({ digest, size, mediaType }) => ({
        digest: keyDigest(digest),
        size,
        mediaType: mediaType ?? undefined,
      }));
    },
  };
}
