/** The states of replicas over the rows of SQLite. A power cut may take the last seconds: the next look writes them again. */
import { setImmediate as turn } from 'node:timers/promises';
import { replicaChange } from '../../shared/state-facts.ts';
import { type FactRecorder, noFacts } from '../facts/fact-recorder.ts';
import type { FactName } from '../facts/fact-rows.ts';
import type { IndexRows } from '../index-rows.ts';
import { interrupted, type Replica, type ReplicaPosition, type ReplicaStore } from './replica-store.ts';

/** Rejects as the interface says. */
export function createSqliteReplicas(rows: IndexRows, facts: FactRecorder = noFacts): ReplicaStore {
  function* syncs(): Generator<string> {
    for (let one = rows.nextReplicaSync(''); one !== undefined; one = rows.nextReplicaSync(one)) yield one;
  }

  function* imagesOf(sync: string): Generator<string> {
    let image = rows.nextReplicaImage(sync, '');
    for (; image !== undefined; image = rows.nextReplicaImage(sync, image)) yield image;
  }

  function put(replicas: readonly Replica[]): void {
    rows.transaction(() => {
      rows.putReplicas(replicas);
      for (const one of replicas) facts.changed(replicaChange(one, one));
    });
  }

  /** Gives how many went. */
  function remove(work: () => readonly ReplicaPosition[]): number {
    return rows.transaction(() => {
      const gone = work();
      for (const one of gone) facts.changed(replicaChange(one, undefined));
      return gone.length;
    });
  }

  function postpone(...which: Parameters<IndexRows['postponeReplicas']>): void {
    rows.transaction(() => {
      for (const one of rows.postponeReplicas(...which)) facts.changed(replicaChange(one, one));
    });
  }

  return {
    find: async (position) => rows.replica(position),
    put: async (replicas) => put(replicas),
    ofImage: async (image) => rows.replicasOf(image),
    async remove(image, tags, sync) {
      remove(() => rows.removeReplicas(image, tags, sync));
    },
    list: async (after, limit) => rows.listReplicas(after, limit),
    repositories: async (after, limit) => rows.replicaRepositories(after, limit),
    async postpone(which, nextAttempt) {
      if ('tag' in which) return postpone(which, nextAttempt);
      for (const image of imagesOf(which.sync)) {
        postpone({ sync: which.sync, image }, nextAttempt);
        await turn();
      }
    },
    counts: async () => rows.replicaCounts(),
    oldestFailure: async () => rows.oldestReplicaFailure(),
    async forget(which) {
      let count = 0;
      for (const sync of 'sync' in which ? [which.sync] : syncs()) {
        if ('syncs' in which && which.syncs.includes(sync)) continue;
        const kept = new Set('sync' in which ? which.images : []);
        for (const image of imagesOf(sync)) {
          if (kept.has(image)) continue;
          count += remove(() => rows.forgetReplicas(sync, image));
          await turn();
        }
      }
      return count;
    },
  };
}

/** Tags that run are pending where `isOver`: their process is gone. Throws what SQLite throws. */
export function interruptReplicas(
  rows: IndexRows,
  facts: FactRecorder,
  isOver: (name: FactName) => boolean,
): void {
  rows.transaction(() => {
    for (const one of rows.runningReplicas()) {
      if (!isOver(replicaChange(one, one))) continue;
      const row = { ...one, state: 'pending', reason: interrupted } as const;
      rows.putReplicas([row]);
      facts.changed(replicaChange(row, row));
    }
  });
}
