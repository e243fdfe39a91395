/**
 * Which jobs a change asks for, from the finest to the coarsest; each covers the one before it:
 *
 *   replicate  REGISTRY/REPOSITORY:TAG or @DIGEST
 *   replicate  REGISTRY/REPOSITORY
 *   registry   NAME of the sender: all of its registry that is here (registry-job.ts)
 */
import type { EventSender } from '../../config/event-senders.ts';
import { jobPriorities, type NewJob } from '../../jobs/job.ts';
import type { Notice } from '../../jobs/job-inbox.ts';
import { type ImageChange, replicateJob } from '../image-change.ts';

export interface ToldChange {
  readonly change: ImageChange;
  readonly fingerprint: string | undefined;
}

export const registryKind = 'registry';

/** Notices that one body may make: each is a row, and clients wait meanwhile. */
const mostOfOne = 100;

/** One notice for each change. Of too many, those of one key become one, and then their jobs begin a step coarser. */
export function eventNotices(changes: readonly ToldChange[], { name }: EventSender): readonly Notice[] {
  const notices = changes.map(({ change, fingerprint }) => ({ fingerprint, jobs: jobsOf(change, name) }));
  if (notices.length <= mostOfOne) return notices;
  const [fine, coarse, coarsest] = [0, 1, 2].map((step) => different(notices, step));
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

/** One for each different key of the jobs of this step. None has a fingerprint: it stands for several events. */
function different(notices: readonly { readonly jobs: Jobs }[], step: number): readonly Notice[] {
  const byKey = new Map<string, Notice>();
  for (const { jobs } of notices) {
    const [first, ...rest] = jobs.slice(step);
    if (first) byKey.set(first.key, { fingerprint: undefined, jobs: [first, ...rest] });
  }
  return [...byKey.values()];
}
