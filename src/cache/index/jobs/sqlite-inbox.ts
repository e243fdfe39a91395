/** The inbox over the rows of SQLite. As safe as the jobs: from a killed process at once, from a power cut with the next checkpoint. */
import type { JobInbox } from '../../../jobs/job-inbox.ts';
import type { IndexRows } from '../index-rows.ts';

/** Rejects as the interface says. */
export function createSqliteInbox(rows: IndexRows): JobInbox {
  return { take: async (notices, bounds, now) => rows.takeNotices(notices, bounds, now) };
}
