import type { Administration } from '../admin/administration.ts';
import type { Exports } from '../airgap/export/export-request.ts';
import type { Imports } from '../airgap/import/imports.ts';
import type { Backups } from '../backup/backups.ts';
import type { Syncs } from '../replication/syncs.ts';

/** What the commands do to a data folder. */
export type Commands = Administration & Syncs & Exports & Imports & Backups;
