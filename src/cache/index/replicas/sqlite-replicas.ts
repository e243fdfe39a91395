/** The states of replicas over the rows of SQLite. A power cut may take the last seconds: the next look writes them again. */
import { setImmediate as turn } from 'node:timers/promises';
import type { IndexRows } from '../index-rows.ts';
import type { ReplicaStore } from './replica-store.ts';

/** Rejects as the interface says. */
export function createSqliteReplicas(rows: IndexRows): ReplicaStore {
  function* syncs(): Generator<string> {
    for (let one = rows.nextReplicaSync(''); one !== undefined; one = rows.nextReplicaSync(one)) yield one;
  }

  function* imagesOf(sync: string): Generator<string> {
    let image = rows.nextReplicaImage(sync, '');
    for (; image !== undefined; image = rows.nextReplicaImage(sync, image)) yield image;
  }

  return {
    find: async (position) => rows.replica(position),
    put: async (replicas) => rows.putReplicas(replicas),
    ofImage: async (image) => rows.replicasOf(image),
    remove: async (image, tags, sync) => rows.removeReplicas(image, tags, sync),
    list: async (after, limit) => rows.listReplicas(after, limit),
    repositories: async (after, limit) => rows.replicaRepositories(after, limit),
    postpone: async (which, nextAttempt) => rows.postponeReplicas(which, nextAttempt),
    counts: async () => rows.replicaCounts(),
    oldestFailure: async () => rows.oldestReplicaFailure(),
    async forget(which) {
      let count = 0;
      for (const sync of 'sync' in which ? [which.sync] : syncs()) {
        if ('syncs' in which && which.syncs.includes(sync)) continue;
        const kept = new Set('sync' in which ? which.images : []);
        for (const image of imagesOf(sync)) {
          if (kept.has(image)) continue;
          count += rows.forgetReplicas(sync, image);
          await turn();
        }
      }
      return count;
    },
  };
}
