/**
 * The step of `migrations.ts` for placements. Triggers keep four things true, so that no statement can forget them:
 *
 *   placements ........ content that is stored from now on is wanted in each bucket of the configuration (`stores`)
 *   contents.placed ... 0: in no such bucket. 1: in one. 2: in one, and neither its file nor a file of what it lists is here
 *   totals.kept_bytes . what eviction can never free
 *   placement_counts .. what a scrape reads
 *
 * `contents.out`: eviction has nothing to do with the content. It is pinned (1), hosted and in no bucket (2), or away already.
 */
const isPlaced = (digest: string) =>
  `EXISTS (SELECT 1 FROM placements p JOIN stores s ON s.name = p.store WHERE p.digest = ${digest} AND p.state = 'placed')`;

const wantNew = `INSERT INTO placements (digest, store, state, size, since, due)
    SELECT new.digest, name, 'wanted', new.size, new.used, new.used FROM stores
    WHERE new.size IS NOT NULL AND NOT EXISTS (SELECT 1 FROM placements WHERE digest = new.digest AND store = name);`;

const gained = 'UPDATE contents SET placed = 1 WHERE digest = new.digest AND placed = 0;';
const lost = (row: 'old' | 'new') =>
  `UPDATE contents SET placed = 0 WHERE digest = ${row}.digest AND placed > 0 AND NOT ${isPlaced(`${row}.digest`)};`;
const counted = (row: 'old' | 'new', sign: '+' | '-') => `
    INSERT INTO placement_counts VALUES (${row}.store, ${row}.state, ${sign}1, ${sign}${row}.size)
      ON CONFLICT DO UPDATE SET contents = contents + excluded.contents, bytes = bytes + excluded.bytes;`;
const isKept = (row: 'old' | 'new') => `(${row}.pinned = 2 AND ${row}.placed = 0)`;
const isGained = "new.state = 'placed' AND new.store IN (SELECT name FROM stores)";

/** See the head of the file. */
export const placementSchema = `
  CREATE TABLE stores (name TEXT PRIMARY KEY) WITHOUT ROWID;  -- of the configuration

  CREATE TABLE placements (
    digest BLOB NOT NULL,                 -- as in 'contents'; it need not be there
    store TEXT NOT NULL,
    state TEXT NOT NULL,
    size INTEGER NOT NULL,                -- bytes
    since INTEGER NOT NULL,               -- when it came into this state; all times: epoch ms
    due INTEGER,                          -- of the next try; NULL: there is nothing to do
    urgency INTEGER NOT NULL DEFAULT 0,   -- 0: it has just come. 1: repair. 2: it was here before the bucket
    tries INTEGER NOT NULL DEFAULT 0,
    reason TEXT,                          -- of the last try that failed
    PRIMARY KEY (digest, store)
  ) WITHOUT ROWID;
  CREATE INDEX placements_due ON placements (store, urgency, due) WHERE due IS NOT NULL;

  CREATE TABLE placement_counts (
    store TEXT NOT NULL, state TEXT NOT NULL, contents INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (store, state)
  ) WITHOUT ROWID;

  ALTER TABLE totals ADD COLUMN kept_bytes INTEGER NOT NULL DEFAULT 0;  -- hosted, and in no bucket
  UPDATE totals SET kept_bytes = hosted_bytes;
  ALTER TABLE contents ADD COLUMN placed INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE contents ADD COLUMN out INTEGER
    GENERATED ALWAYS AS (CASE pinned WHEN 0 THEN placed = 2 WHEN 2 THEN placed <> 1 ELSE 1 END) VIRTUAL;
  DROP INDEX contents_evictable;
  CREATE INDEX contents_evictable ON contents (used) WHERE parents = 0 AND out = 0;

  CREATE TRIGGER contents_wanted AFTER INSERT ON contents WHEN EXISTS (SELECT 1 FROM stores) BEGIN
    ${wantNew}
    UPDATE contents SET placed = 1 WHERE id = new.id AND ${isPlaced('new.digest')};
  END;
  CREATE TRIGGER contents_back AFTER UPDATE OF size ON contents
    WHEN old.size IS NULL AND new.size IS NOT NULL AND EXISTS (SELECT 1 FROM stores)
  BEGIN
    ${wantNew}
    UPDATE contents SET placed = 1 WHERE placed = 2 AND id IN (
      WITH RECURSIVE up (id) AS (SELECT new.id UNION SELECT r.parent FROM up CROSS JOIN children r ON r.child = up.id)
      SELECT id FROM up);
  END;
  CREATE TRIGGER kept_changed AFTER UPDATE OF pinned, size, placed ON contents WHEN ${isKept('old')} OR ${isKept('new')} BEGIN
    UPDATE totals SET kept_bytes = kept_bytes
      + iif(${isKept('new')}, coalesce(new.size, 0), 0) - iif(${isKept('old')}, coalesce(old.size, 0), 0);
  END;
  CREATE TRIGGER kept_removed AFTER DELETE ON contents WHEN ${isKept('old')} AND old.size IS NOT NULL BEGIN
    UPDATE totals SET kept_bytes = kept_bytes - old.size;
  END;
  CREATE TRIGGER links_skipped AFTER INSERT ON links WHEN EXISTS (SELECT 1 FROM stores) BEGIN
    UPDATE placements SET state = 'wanted', due = 0
    WHERE digest = (SELECT digest FROM contents WHERE id = new.content) AND state = 'skipped';
  END;

  CREATE TRIGGER placements_added AFTER INSERT ON placements BEGIN ${counted('new', '+')} END;
  CREATE TRIGGER placements_removed AFTER DELETE ON placements BEGIN ${counted('old', '-')} END;
  CREATE TRIGGER placements_changed AFTER UPDATE OF state, size ON placements BEGIN
    ${counted('old', '-')} ${counted('new', '+')}
  END;
  CREATE TRIGGER placements_new AFTER INSERT ON placements WHEN ${isGained} BEGIN ${gained} END;
  CREATE TRIGGER placements_gained AFTER UPDATE OF state ON placements WHEN ${isGained} BEGIN ${gained} END;
  CREATE TRIGGER placements_lost AFTER UPDATE OF state ON placements
    WHEN old.state = 'placed' AND new.state <> 'placed' BEGIN ${lost('new')} END;
  CREATE TRIGGER placements_gone AFTER DELETE ON placements WHEN old.state = 'placed' BEGIN ${lost('old')} END;
`;

/** The stores are others now: what each content's placements are worth. */
export const placedAnew = `UPDATE contents SET placed = ${isPlaced('contents.digest')} WHERE placed <> ${isPlaced('contents.digest')}`;
