/**
 * The index, as numbered steps: step n takes a database from `user_version` n-1 to n. A step that was released is
 * never changed.
 *
 * Every string that recurs (images, endpoint keys, media types) is kept once in `names`, every digest once in
 * `contents`, which also holds what is only heard of: a layer that a manifest names, a blob that a repository may
 * serve. Two invariants are left to triggers, so that no statement can forget them: `contents.parents` counts the
 * manifests that list a content, stored or lost, `totals` sums up what is stored (`lists`: bytes of lists).
 */
import { factSchema } from './facts/fact-schema.ts';
import { placementSchema } from './placements/placement-schema.ts';
import { selectionSchema } from './selections/selection-rows.ts';
import { verdictSchema } from './verdicts/verdict-rows.ts';

/** See the head of the file. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

  CREATE TABLE contents (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,          -- one byte for the algorithm, then the raw digest
    size INTEGER,                         -- bytes of the stored file; NULL: heard of, not here
    media_type INTEGER REFERENCES names,  -- of a stored manifest; NULL: a blob
    subject INTEGER REFERENCES contents ON DELETE SET NULL,
    used INTEGER NOT NULL,                -- epoch ms
    parents INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0     -- found to be pinned when it was about to be evicted
  );
  CREATE INDEX contents_evictable ON contents (used) WHERE parents = 0 AND pinned = 0;
  CREATE INDEX contents_pinned ON contents (pinned) WHERE pinned = 1;
  CREATE INDEX contents_subject ON contents (subject) WHERE subject IS NOT NULL;

  CREATE TABLE children (
    parent INTEGER NOT NULL REFERENCES contents ON DELETE CASCADE,
    child INTEGER NOT NULL REFERENCES contents,
    size INTEGER NOT NULL,                -- as the parent says
    media_type INTEGER NOT NULL REFERENCES names,
    platform TEXT,
    PRIMARY KEY (parent, child)
  ) WITHOUT ROWID;
  CREATE INDEX children_child ON children (child);

  CREATE TABLE tags (
    image INTEGER NOT NULL REFERENCES names,
    tag TEXT NOT NULL,
    content INTEGER NOT NULL REFERENCES contents ON DELETE CASCADE,
    endpoint INTEGER NOT NULL REFERENCES names,
    checked INTEGER NOT NULL,             -- epoch ms
    PRIMARY KEY (image, tag)
  ) WITHOUT ROWID;
  CREATE INDEX tags_content ON tags (content);

  CREATE TABLE links (
    image INTEGER NOT NULL REFERENCES names,
    content INTEGER NOT NULL REFERENCES contents ON DELETE CASCADE,
    endpoint INTEGER NOT NULL REFERENCES names,
    PRIMARY KEY (image, content)
  ) WITHOUT ROWID;
  CREATE INDEX links_content ON links (content);

  CREATE TABLE lists (
    image INTEGER NOT NULL REFERENCES names,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    bytes BLOB NOT NULL,
    checked INTEGER NOT NULL,             -- epoch ms
    PRIMARY KEY (image, kind, key)
  );
  CREATE INDEX lists_checked ON lists (checked);

  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  CREATE TABLE totals (bytes INTEGER NOT NULL, contents INTEGER NOT NULL, manifests INTEGER NOT NULL, lists INTEGER NOT NULL);
  INSERT INTO totals VALUES (0, 0, 0, 0);

  CREATE TRIGGER children_added AFTER INSERT ON children BEGIN
    UPDATE contents SET parents = parents + 1 WHERE id = new.child;
  END;
  CREATE TRIGGER children_removed AFTER DELETE ON children BEGIN
    UPDATE contents SET parents = parents - 1 WHERE id = old.child;
  END;

  CREATE TRIGGER lists_added AFTER INSERT ON lists BEGIN
    UPDATE totals SET lists = lists + length(new.bytes);
  END;
  CREATE TRIGGER lists_changed AFTER UPDATE OF bytes ON lists BEGIN
    UPDATE totals SET lists = lists + length(new.bytes) - length(old.bytes);
  END;
  CREATE TRIGGER lists_removed AFTER DELETE ON lists BEGIN
    UPDATE totals SET lists = lists - length(old.bytes);
  END;

  CREATE TRIGGER contents_added AFTER INSERT ON contents WHEN new.size IS NOT NULL BEGIN
    UPDATE totals SET bytes = bytes + new.size, contents = contents + 1, manifests = manifests + (new.media_type IS NOT NULL);
  END;
  CREATE TRIGGER contents_removed AFTER DELETE ON contents WHEN old.size IS NOT NULL BEGIN
    UPDATE totals SET bytes = bytes - old.size, contents = contents - 1, manifests = manifests - (old.media_type IS NOT NULL);
  END;
  CREATE TRIGGER contents_changed AFTER UPDATE OF size, media_type ON contents BEGIN
    UPDATE totals SET bytes = bytes + coalesce(new.size, 0) - coalesce(old.size, 0),
      contents = contents + (new.size IS NOT NULL) - (old.size IS NOT NULL),
      manifests = manifests + (new.media_type IS NOT NULL) - (old.media_type IS NOT NULL);
  END;
  `,
  `
  ALTER TABLE links ADD COLUMN media_type INTEGER REFERENCES names;  -- of a manifest, as the image's own registry says
  ALTER TABLE children ADD COLUMN elsewhere INTEGER NOT NULL DEFAULT 0;  -- 1: its bytes lie at URLs of their own
  `,
  // 'pinned = 2': some image hosts the content (catalogue.ts, 'hostedOrigins'), so no order of eviction holds it.
  `
  ALTER TABLE totals ADD COLUMN hosted_bytes INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE totals ADD COLUMN hosted_contents INTEGER NOT NULL DEFAULT 0;
  CREATE TRIGGER hosted_changed AFTER UPDATE OF pinned, size ON contents WHEN new.pinned = 2 OR old.pinned = 2 BEGIN
    UPDATE totals SET
      hosted_bytes = hosted_bytes + iif(new.pinned = 2, coalesce(new.size, 0), 0) - iif(old.pinned = 2, coalesce(old.size, 0), 0),
      hosted_contents = hosted_contents + (new.pinned = 2 AND new.size IS NOT NULL) - (old.pinned = 2 AND old.size IS NOT NULL);
  END;
  CREATE TRIGGER hosted_removed AFTER DELETE ON contents WHEN old.pinned = 2 AND old.size IS NOT NULL BEGIN
    UPDATE totals SET hosted_bytes = hosted_bytes - old.size, hosted_contents = hosted_contents - 1;
  END;
  CREATE TRIGGER links_hosted AFTER INSERT ON links
    WHEN new.endpoint IN (SELECT id FROM names WHERE name IN ('push', 'bundle'))
  BEGIN
    UPDATE contents SET pinned = 2 WHERE id = new.content;
  END;
  CREATE TRIGGER links_now_hosted AFTER UPDATE OF endpoint ON links
    WHEN new.endpoint IN (SELECT id FROM names WHERE name IN ('push', 'bundle'))
  BEGIN
    UPDATE contents SET pinned = 2 WHERE id = new.content;
  END;
  CREATE TRIGGER links_not_hosted AFTER DELETE ON links
    WHEN old.endpoint IN (SELECT id FROM names WHERE name IN ('push', 'bundle'))
  BEGIN
    UPDATE contents SET pinned = 0 WHERE id = old.content AND pinned = 2 AND NOT EXISTS (
      SELECT 1 FROM links WHERE content = old.content AND endpoint IN (SELECT id FROM names WHERE name IN ('push', 'bundle')));
  END;
  `,
  // Counts and the oldest failure are for each scrape, so they must not cost a look at every job.
  `
  CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    arguments TEXT NOT NULL,              -- JSON
    state TEXT NOT NULL,
    priority INTEGER NOT NULL,
    not_before INTEGER NOT NULL,          -- all times: epoch ms
    cause TEXT NOT NULL,
    created INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,      -- runs in a row with a lease that ended
    reason TEXT,
    progress TEXT,                        -- JSON
    started INTEGER,
    ended INTEGER,
    owner TEXT,                           -- of a running job: what claimed it, and until when
    expires INTEGER
  );
  CREATE UNIQUE INDEX jobs_waiting ON jobs (kind, key) WHERE state IN ('pending', 'failed');
  CREATE UNIQUE INDEX jobs_running ON jobs (kind, key) WHERE state = 'running';
  CREATE INDEX jobs_key ON jobs (kind, key, id);
  CREATE INDEX jobs_due ON jobs (kind, priority, not_before, id) WHERE state = 'pending';
  CREATE INDEX jobs_leases ON jobs (kind, expires) WHERE state = 'running';
  CREATE INDEX jobs_state ON jobs (state, id);
  CREATE INDEX jobs_kind ON jobs (kind, state, id);
  CREATE INDEX jobs_over ON jobs (ended, id) WHERE state IN ('done', 'failed', 'cancelled');
  CREATE INDEX jobs_failed ON jobs (ended) WHERE state = 'failed';

  CREATE TABLE job_counts (kind TEXT NOT NULL, state TEXT NOT NULL, jobs INTEGER NOT NULL, PRIMARY KEY (kind, state)) WITHOUT ROWID;
  CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN
    INSERT INTO job_counts VALUES (new.kind, new.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
  END;
  CREATE TRIGGER jobs_changed AFTER UPDATE OF state ON jobs WHEN new.state <> old.state BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE kind = old.kind AND state = old.state;
    INSERT INTO job_counts VALUES (new.kind, new.state, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
  END;
  CREATE TRIGGER jobs_removed AFTER DELETE ON jobs BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE kind = old.kind AND state = old.state;
  END;
  `,
  // Each of these tells the origin as well, so that a damaged table does not make hosted content ordinary (salvage.ts).
  `
  DROP INDEX links_content;
  CREATE INDEX links_content ON links (content, endpoint);
  DROP INDEX tags_content;
  CREATE INDEX tags_content ON tags (content, endpoint);
  CREATE INDEX contents_hosted ON contents (used) WHERE pinned = 2;
  `,
  // Counts and the oldest failure are for each scrape. 'state': its place in 'replicaStates' (replicas/replica-store.ts).
  `
  CREATE TABLE replicas (
    image TEXT NOT NULL,
    tag TEXT NOT NULL,
    sync TEXT NOT NULL,                   -- the block that wants it; each has a row of its own
    state INTEGER NOT NULL,
    wanted BLOB,                          -- digests as in 'contents'
    here BLOB,
    attempts INTEGER NOT NULL,
    next_attempt INTEGER,                 -- all times: epoch ms
    reason TEXT,
    bytes INTEGER NOT NULL,
    seconds REAL NOT NULL,
    verified INTEGER,
    changed INTEGER,
    done INTEGER,
    failed INTEGER,
    referrers INTEGER,
    PRIMARY KEY (image, tag, sync)
  ) WITHOUT ROWID;
  CREATE INDEX replicas_sync ON replicas (sync, image);
  CREATE INDEX replicas_failed ON replicas (failed) WHERE failed IS NOT NULL;
  CREATE INDEX replicas_running ON replicas (state) WHERE state = 1;

  CREATE TABLE replica_counts (state INTEGER PRIMARY KEY, tags INTEGER NOT NULL);
  CREATE TRIGGER replicas_added AFTER INSERT ON replicas BEGIN
    INSERT INTO replica_counts VALUES (new.state, 1) ON CONFLICT DO UPDATE SET tags = tags + 1;
  END;
  CREATE TRIGGER replicas_changed AFTER UPDATE OF state ON replicas WHEN new.state <> old.state BEGIN
    UPDATE replica_counts SET tags = tags - 1 WHERE state = old.state;
    INSERT INTO replica_counts VALUES (new.state, 1) ON CONFLICT DO UPDATE SET tags = tags + 1;
  END;
  CREATE TRIGGER replicas_removed AFTER DELETE ON replicas BEGIN
    UPDATE replica_counts SET tags = tags - 1 WHERE state = old.state;
  END;
  `,
  // Notices of senders that were taken, so that the same one counts once. The index over jobs bounds what one sender can add.
  `
  CREATE TABLE inbox (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE, taken INTEGER NOT NULL);  -- taken: epoch ms
  CREATE INDEX jobs_cause ON jobs (cause) WHERE state = 'pending';
  `,
  // A lane holds the deliveries of one sink about one image, which go out in their order (outbox/outbox-store.ts).
  `
  CREATE TABLE outbox_events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,                     -- a UUID
    at INTEGER NOT NULL,                  -- all times: epoch ms
    event TEXT NOT NULL                   -- JSON
  );
  CREATE INDEX outbox_events_at ON outbox_events (at);

  CREATE TABLE outbox_deliveries (
    sink TEXT NOT NULL,
    event INTEGER NOT NULL REFERENCES outbox_events,
    lane TEXT NOT NULL,
    state TEXT NOT NULL,                  -- waiting or dead
    since INTEGER NOT NULL,               -- when it came into this state
    tries INTEGER NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    reason TEXT,                          -- of the last try
    PRIMARY KEY (sink, event)
  ) WITHOUT ROWID;
  CREATE INDEX outbox_deliveries_event ON outbox_deliveries (event);
  CREATE INDEX outbox_deliveries_lane ON outbox_deliveries (sink, lane, event) WHERE state = 'waiting';
  CREATE INDEX outbox_deliveries_since ON outbox_deliveries (sink, state, since, event);
  CREATE INDEX outbox_deliveries_state ON outbox_deliveries (state, sink, event);

  CREATE TABLE outbox_lanes (
    sink TEXT NOT NULL,
    lane TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    PRIMARY KEY (sink, lane)
  ) WITHOUT ROWID;
  CREATE INDEX outbox_lanes_due ON outbox_lanes (sink, not_before, lane);

  CREATE TABLE outbox_counts (
    sink TEXT NOT NULL,
    state TEXT NOT NULL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (sink, state)
  ) WITHOUT ROWID;
  CREATE TRIGGER outbox_deliveries_added AFTER INSERT ON outbox_deliveries BEGIN
    INSERT INTO outbox_counts VALUES (new.sink, new.state, 1) ON CONFLICT DO UPDATE SET deliveries = deliveries + 1;
  END;
  CREATE TRIGGER outbox_deliveries_changed AFTER UPDATE OF state ON outbox_deliveries WHEN new.state <> old.state BEGIN
    UPDATE outbox_counts SET deliveries = deliveries - 1 WHERE sink = old.sink AND state = old.state;
    INSERT INTO outbox_counts VALUES (new.sink, new.state, 1) ON CONFLICT DO UPDATE SET deliveries = deliveries + 1;
  END;
  CREATE TRIGGER outbox_deliveries_removed AFTER DELETE ON outbox_deliveries BEGIN
    UPDATE outbox_counts SET deliveries = deliveries - 1 WHERE sink = old.sink AND state = old.state;
  END;
  `,
  selectionSchema,
  placementSchema,
  factSchema,
  // Of a content: when its last link was taken away (placements/placement-rows.ts).
  'CREATE INDEX facts_gone ON facts (key, stamp) WHERE gone = 1;',
  verdictSchema,
  // The subject stays known while its row is not there: it comes and goes by itself.
  `
  ALTER TABLE contents ADD COLUMN attached_to BLOB;  -- digest of the subject; it need not be there
  UPDATE contents SET attached_to = (SELECT digest FROM contents s WHERE s.id = contents.subject) WHERE subject IS NOT NULL;
  DROP INDEX contents_subject;
  ALTER TABLE contents DROP COLUMN subject;
  ALTER TABLE contents RENAME COLUMN attached_to TO subject;
  CREATE INDEX contents_subject ON contents (subject) WHERE subject IS NOT NULL;
  `,
];
