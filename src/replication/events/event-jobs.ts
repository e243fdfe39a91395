/**
 * Which jobs a change asks for, from the finest to the coarsest; each covers the one before it:
 *
 *   replicate  REGISTRY/REPOSITORY:TAG or @DIGEST
 *   replicate  REGISTRY/REPOSITORY
 *   registry   NAME of the sender: all of its registry that is here (registry-job.ts)
 */
import { createHash } from 'node:crypto';
import type { EventSender } from '../../config/event-senders.ts';
import { jobPriorities, type NewJob } from '../../jobs/job.ts';
import type { Notice } from '../../jobs/job-inbox.ts';
import { type ImageChange, replicateJob } from '../image-change.ts';

export interface ToldChange {
  readonly change: ImageChange;
  /** What the sender calls its event. */
  readonly id: string | undefined;
}

export const registryKind = 'registry';

/** Notices that one body may make: each is a row, and clients wait meanwhile. */
const mostOfOne = 100;

/** One notice for each change. Of too many, those of one key become one, and then their jobs begin a step coarser. */
export function eventNotices(changes: readonly ToldChange[], { name }: EventSender): readonly Notice[] {
  const told = changes.map(({ change, id }) => ({ change, id, jobs: jobsOf(change, name) }));
  if (told.length <= mostOfOne)
    return told.map((one) => ({ fingerprint: fingerprintOf(one), jobs: one.jobs }));
  const [fine, coarse, coarsest] = [0, 1, 2].map((step) => different(told, step));
  return [fine, coarse].find((some) => some && some.length <= mostOfOne) ?? coarsest ?? [];
}

type Jobs = readonly [NewJob, NewJob, NewJob];

function jobsOf(change: ImageChange, name: string): Jobs {
  const { at } = change;
  const whole: ImageChange = { ...change, tag: null, digest: null, change: 'updated' };
  // The cause tells how many jobs of a sender wait.
  const when = { notBefore: at, cause: `event:${name}` };
  const { backfill } = jobPriorities;
  return [
    { ...replicateJob(change), ...when },
    { ...replicateJob(whole), ...when },
    { kind: registryKind, key: name, arguments: null, priority: backfill, ...when },
  ];
}

/**
 * The same for the same event, however often it comes; another one where anything that counts differs, so that an id which a sender uses
 * twice loses nothing. Of fixed length, since an id may be as long as a body.
 */
function fingerprintOf({ id, change }: ToldChange): string | undefined {
  if (id === undefined) return undefined;
  const { at: _, ...rest } = change;
  return createHash('sha256')
    .update(JSON.stringify([id, rest]))
    .digest('base64url');
}

/** One for each different key of the jobs of this step. None has a fingerprint: it stands for several events. */
function different(notices: readonly { readonly jobs: Jobs }[], step: number): readonly Notice[] {
  const byKey = new Map<string, Notice>();
  for (const { jobs } of notices) {
    const [first, ...rest] = jobs.slice(step);
    if (first) byKey.set(first.key, { fingerprint: undefined, jobs: [first, ...rest] });
  }
  return [...byKey.values()];
}
