/**
 * Jobs of kind `registry`, with the name of a sender as key: any image of its registry may have changed, as events told of too many to
 * keep each. Its repositories that are here are looked at as a whole, and the `[[sync]]` blocks of the registry run.
 */
import type { CacheAdmin } from '../../cache/cache-admin.ts';
import type { EventSender } from '../../config/event-senders.ts';
import type { SyncBlock } from '../../config/sync-config.ts';
import { type JobContext, type JobKind, type JobOutcome, jobPriorities } from '../../jobs/job.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import type { Clock } from '../../lib/clock.ts';
import { namePattern } from '../../lib/name-patterns.ts';
import { hostOf } from '../../oci/reference.ts';
import { replicateJob } from '../image-change.ts';
import { sourceRegistries } from '../source-images.ts';
import { syncKind } from '../sync-job.ts';
import { registryKind } from './event-jobs.ts';

export interface RegistryJobDeps {
  readonly store: Pick<JobStore, 'add'>;
  readonly admin: Pick<CacheAdmin, 'eachImage'>;
  /** Of the configuration in force. */
  readonly senders: () => readonly EventSender[];
  readonly blocks: () => readonly SyncBlock[];
  readonly clock: Pick<Clock, 'now'>;
}

/** The kind; a run adds jobs and asks no registry. */
export function createRegistryJob({ store, admin, senders, blocks, clock }: RegistryJobDeps): JobKind {
  async function run({ job, signal }: JobContext): Promise<JobOutcome> {
    const sender = senders().find(({ name }) => name === job.key);
    if (!sender) {
      const note = `entrepot.toml has no [[events.in]] named ${job.key} any more`;
      return { kind: 'done', report: { note } };
    }
    const { name, registry } = sender;
    const matches = namePattern([sender.match]);
    const when = { notBefore: clock.now(), priority: jobPriorities.backfill, cause: registryKind };
    let added = 0;
    const add = async (wanted: Omit<Parameters<typeof store.add>[0], keyof typeof when>) => {
      await store.add({ ...wanted, ...when }, clock.now());
      added += 1;
    };
    for (const { name: key, source } of blocks())
      if (sourceRegistries(source).includes(registry)) await add({ kind: syncKind, key, arguments: null });
    for await (const { image } of admin.eachImage()) {
      if (signal.aborted) return { kind: 'again', reason: 'it was stopped' };
      if (hostOf(image) !== registry || !matches?.(image)) continue;
      const change = {
        image,
        tag: null,
        digest: null,
        change: 'updated',
        at: job.notBefore,
        sender: name,
      } as const;
      await add(replicateJob(change));
    }
    return { kind: 'done', report: { jobs: added } };
  }
  return { name: registryKind, atOnce: 1, run };
}
