/** The verdicts of the index. Each method runs in one turn. */
import type { Database } from 'better-sqlite3';
import { digestKey } from '../digest-key.ts';
import { maxVerdicts, type StoredVerdict, type VerdictKey } from './verdict-store.ts';

export interface VerdictRows {
  verdict(key: VerdictKey): StoredVerdict | undefined;
  putVerdict(key: VerdictKey, verdict: StoredVerdict): void;
}

interface Row {
  readonly accepted: number;
  readonly vouches: number;
  readonly rule: string;
  readonly reason: string;
  readonly until: number;
}

/** A new row gets a new number, so the numbers are in the order of the writes. */
export const verdictSchema = `
  CREATE TABLE verdicts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    rules TEXT NOT NULL,
    scope TEXT NOT NULL,
    digest BLOB NOT NULL,                 -- as in 'contents'; it need not be there
    accepted INTEGER NOT NULL,
    vouches INTEGER NOT NULL,
    rule TEXT NOT NULL,
    reason TEXT NOT NULL,
    until INTEGER NOT NULL,               -- epoch ms
    UNIQUE (rules, scope, digest)
  );
  `;

/** Prepares its statements at once; every method throws what SQLite throws. */
export function createVerdictRows(db: Database): VerdictRows {
  const find = db.prepare<[string, string, Buffer], Row>(
    'SELECT accepted, vouches, rule, reason, until FROM verdicts WHERE rules = ? AND scope = ? AND digest = ?',
  );
  const put = db.prepare<[string, string, Buffer, number, number, string, string, number]>(`
    INSERT OR REPLACE INTO verdicts (rules, scope, digest, accepted, vouches, rule, reason, until)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
  const cut = db.prepare<[number | bigint]>('DELETE FROM verdicts WHERE number <= ?');
  return {
    verdict({ rules, scope, digest }) {
      const row = find.get(rules, scope, digestKey(digest));
      return row && { ...row, accepted: row.accepted === 1, vouches: row.vouches === 1 };
    },
    putVerdict({ rules, scope, digest }, { accepted, vouches, rule, reason, until }) {
      const flags = [Number(accepted), Number(vouches)] as const;
      const { lastInsertRowid } = put.run(rules, scope, digestKey(digest), ...flags, rule, reason, until);
      cut.run(Number(lastInsertRowid) - maxVerdicts);
    },
  };
}
