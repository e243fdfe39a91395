import type { AuditAction } from './audit.ts';

/** What is recorded, and where. */
export interface AuditSettings {
  /** Absolute path. Undefined: nothing is written. */
  readonly file: string | undefined;
  readonly actions: readonly AuditAction[];
  /** Pulls of blobs are lines, too. */
  readonly blobs: boolean;
}
