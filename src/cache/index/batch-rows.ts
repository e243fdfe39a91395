/** Eviction in batches: a few statements read a hundred contents. */
import type { Database } from 'better-sqlite3';
import type { Digest } from '../../oci/digest.ts';
import { digestKey, keyDigest } from './digest-key.ts';
import type { Batch, Candidate, Position, Root } from './eviction-order.ts';
import type { IndexRows } from './index-rows.ts';

type BatchRows = Pick<IndexRows, 'oldestBatch' | 'namesOfAll'>;

/** Pairs of parent and child that one batch holds. An index of 12 platforms with 30 layers each has about 400. */
const mostEdges = 4000;

interface RootRow {
  readonly id: number;
  readonly digest: Buffer;
  readonly size: number | null;
  readonly used: number;
}

interface EdgeRow {
  readonly parent: number;
  readonly id: number;
  readonly digest: Buffer;
  readonly size: number;
  readonly used: number;
  readonly parents: number;
}

/** A candidate while its children are being gathered. */
interface Gathered extends Candidate {
  readonly children: Digest[];
}

/** The batches of the order, and the names that decide about pins and quotas. */
export function createBatchRows(db: Database): BatchRows {
  const roots = db.prepare<[number, number, number], RootRow>(`
    SELECT id, digest, size, used FROM contents
    WHERE parents = 0 AND out = 0 AND (used, id) > (?, ?) ORDER BY used, id LIMIT ?`);
  const edges = db.prepare<[string, number], EdgeRow>(`
    WITH RECURSIVE listed (parent, child) AS (
      SELECT r.parent, r.child FROM json_each(?) j CROSS JOIN children r ON r.parent = j.value
      UNION
      SELECT r.parent, r.child FROM listed l CROSS JOIN children r ON r.parent = l.child
      LIMIT ?)
    SELECT l.parent, c.id, c.digest, c.size, c.used, c.parents
    FROM listed l CROSS JOIN contents c ON c.id = l.child WHERE c.size IS NOT NULL`);
  const names = db.prepare<[{ digests: string }], { n: number; image: string; tag: string | null }>(`
    SELECT j.key AS n, i.name AS image, NULL AS tag
    FROM json_each($digests) j CROSS JOIN contents c ON c.digest = unhex(j.value)
      CROSS JOIN links l ON l.content = c.id CROSS JOIN names i ON i.id = l.image
    UNION ALL
    SELECT j.key, i.name, t.tag
    FROM json_each($digests) j CROSS JOIN contents c ON c.digest = unhex(j.value)
      CROSS JOIN tags t ON t.content = c.id CROSS JOIN names i ON i.id = t.image`);

  const selecting = db.prepare<[{ digests: string }], { n: number; block: string }>(`
    WITH RECURSIVE
      asked (n, id) AS (SELECT j.key, c.id FROM json_each($digests) j CROSS JOIN contents c ON c.digest = unhex(j.value)),
      up (n, digest) AS (
        SELECT a.n, c.subject FROM asked a CROSS JOIN contents c ON c.id = a.id WHERE c.subject IS NOT NULL
        UNION SELECT u.n, p.digest FROM up u CROSS JOIN contents c ON c.digest = u.digest
          CROSS JOIN children r ON r.child = c.id CROSS JOIN contents p ON p.id = r.parent
        UNION SELECT u.n, c.subject FROM up u CROSS JOIN contents c ON c.digest = u.digest WHERE c.subject IS NOT NULL
        LIMIT ${mostEdges})
    SELECT a.n, s.block FROM asked a CROSS JOIN contents c ON c.id = a.id CROSS JOIN selections s ON s.digest = c.digest
    UNION ALL
    SELECT a.n, s.block FROM asked a CROSS JOIN tags t ON t.content = a.id CROSS JOIN names i ON i.id = t.image
      CROSS JOIN selections s ON s.image = i.name AND s.tag = t.tag
    UNION ALL
    SELECT u.n, s.block FROM up u CROSS JOIN selections s ON s.digest = u.digest`);

  return {
    oldestBatch(after, limit): Batch {
      const [used, id] = after === undefined ? [-1, 0] : (JSON.parse(after) as [number, number]);
      for (let atMost = limit; ; atMost = Math.ceil(atMost / 4)) {
        const found = roots.all(used, id, atMost);
        const below = edges.all(JSON.stringify(found.map((root) => root.id)), mostEdges);
        // One root alone is given as it is: what is missing below it becomes a root of its own.
        if (below.length < mostEdges || atMost === 1) return batchOf(found, below, found.length < atMost);
      }
    },
    namesOfAll(digests) {
      const found = digests.map(() => ({
        images: [] as string[],
        tags: [] as string[],
        selectedBy: [] as string[],
      }));
      const keys = JSON.stringify(digests.map((digest) => digestKey(digest).toString('hex')));
      for (const { n, image, tag } of names.all({ digests: keys })) {
        if (tag === null) found[n]?.images.push(image);
        else found[n]?.tags.push(`${image}:${tag}`);
      }
      for (const { n, block } of selecting.all({ digests: keys })) {
        if (!found[n]?.selectedBy.includes(block)) found[n]?.selectedBy.push(block);
      }
      return found;
    },
  };
}

function batchOf(rows: readonly RootRow[], edges: readonly EdgeRow[], isLast: boolean): Batch {
  const all = new Map<number, Gathered>();
  const roots = rows.map(({ id, digest, size, used }): Root => {
    const position = JSON.stringify([used, id]) as Position;
    const root = {
      digest: keyDigest(digest),
      size: size ?? undefined,
      used,
      parents: 0,
      children: [],
      position,
    };
    all.set(id, root);
    return root;
  });
  const below: Gathered[] = [];
  for (const { id, digest, size, used, parents } of edges) {
    if (all.has(id)) continue;
    const one = { digest: keyDigest(digest), size, used, parents, children: [] };
    all.set(id, one);
    below.push(one);
  }
  for (const { parent, id } of edges) {
    const child = all.get(id);
    if (child) all.get(parent)?.children.push(child.digest);
  }
  return { roots, below, isLast };
}
