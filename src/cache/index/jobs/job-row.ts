/** One job as SQLite has it; that of PostgreSQL has the same form. */
import type { Job, JobId, JobState, Json } from '../../../jobs/job.ts';

export interface JobRow {
  readonly id: number;
  readonly kind: string;
  readonly key: string;
  readonly arguments: string;
  readonly state: JobState;
  readonly priority: number;
  readonly notBefore: number;
  readonly cause: string;
  readonly created: number;
  readonly attempts: number;
  readonly failures: number;
  readonly reason: string | null;
  readonly progress: string | null;
  readonly started: number | null;
  readonly ended: number | null;
}

/** Of the table `jobs`, for `JobRow`. */
export const jobColumns = `id, kind, key, arguments, state, priority, not_before AS notBefore, cause, created, attempts, failures, reason,
  progress, started, ended`;

/** Throws for JSON that is damaged. */
export function asJob({ arguments: args, reason, progress, started, ended, ...row }: JobRow): Job {
  return {
    ...row,
    id: row.id as JobId,
    arguments: JSON.parse(args) as Json,
    reason: reason ?? undefined,
    progress: progress === null ? undefined : (JSON.parse(progress) as Json),
    started: started ?? undefined,
    ended: ended ?? undefined,
  };
}

/** JSON, or null for what is not there. */
export function asText(value: Json | undefined): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
