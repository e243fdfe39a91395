/**
 * The step of `migrations.ts` for facts. One row for each name that this replica and the log of facts agree on, or will: what its
 * latest fact is, not what it says, which stands in the rows of the index. Only a fact that waits to be sent, or that a hosted one
 * hides, is there as a whole.
 */
export const factSchema = `
  CREATE TABLE facts (
    image INTEGER NOT NULL REFERENCES names,
    kind INTEGER NOT NULL,                -- place in 'factKinds' (shared/facts.ts)
    key BLOB NOT NULL,                    -- of a link: the digest as in 'contents'; else text
    stamp INTEGER NOT NULL,
    origin INTEGER NOT NULL REFERENCES names,
    gone INTEGER NOT NULL,                -- 1: the name is gone
    waits INTEGER NOT NULL,               -- 1: the log has not got it yet
    round INTEGER NOT NULL,               -- of the last reading of the whole log that met it
    value TEXT,                           -- JSON
    PRIMARY KEY (image, kind, key)
  ) WITHOUT ROWID;
  CREATE INDEX facts_order ON facts (waits, stamp, gone);
  ALTER TABLE links ADD COLUMN shared_size INTEGER;  -- bytes of a hosted content that another replica told of
`;
