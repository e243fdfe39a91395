/** What the program is made of besides its configuration. */
import type { ConfigEditorDeps } from '../admin/config-editor.ts';
import type { JobKind } from '../jobs/job.ts';
import type { Clock } from '../lib/clock.ts';
import type { ConfiguredBucket } from '../placement/placement.ts';
import type { Log } from '../telemetry/log.ts';
import type { PolicyKindState } from '../telemetry/states.ts';
import type { WriteVector } from '../transfer/file/file-writer.ts';
import type { ResolveAll } from '../upstream/http/lookups.ts';

export interface AppDeps {
  readonly log: Log;
  /** For credential helper programs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  /** Version of the program, for `User-Agent` and `/metrics`. */
  readonly version?: string;
  /** States of the objects of the cluster, if one is watched. */
  readonly policies?: (() => readonly PolicyKindState[]) | undefined;
  /** Number of log lines that were dropped so far, for `/metrics`. */
  readonly droppedLogLines?: () => number;
  /** How the configuration is read, and how its files are put in force: for the editor of the dashboard. */
  readonly configuration?: ConfigEditorDeps;
  /** Test seams: how names become addresses, a full or broken disk, a restart of the machine. */
  readonly resolve?: ResolveAll;
  readonly writev?: WriteVector;
  readonly freeBytes?: (folder: string) => number;
  readonly boot?: () => string | undefined;
  /** Buckets, nearest first. */
  readonly buckets?: readonly ConfiguredBucket[];
  /** Further kinds of jobs. */
  readonly jobKinds?: readonly JobKind[];
}
