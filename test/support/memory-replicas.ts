/** A replica store over a plain map: it looks at everything each time. For tests that need no file. */
import {
  type Replica,
  type ReplicaRepository,
  type ReplicaStore,
  replicaStates,
} from '../../src/cache/index/replicas/replica-store.ts';

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const worse = (a: Replica, b: Replica) => replicaStates.indexOf(b.state) - replicaStates.indexOf(a.state);
const isFailing = ({ state }: Replica) => state === 'partial' || state === 'failed';

/** Every promise resolves at once. */
export function createMemoryReplicas(): ReplicaStore {
  const rows = new Map<string, Replica>();
  const key = (image: string, tag: string) => JSON.stringify([image, tag]);
  const sorted = () =>
    [...rows.values()].toSorted((a, b) => byBytes(a.image, b.image) || byBytes(a.tag, b.tag));
  const least = (values: readonly (number | undefined)[]) => {
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  };

  function repository(image: string, its: readonly Replica[]): ReplicaRepository {
    const [worst] = its.toSorted(worse);
    const tags = its.filter(({ tag }) => tag !== '');
    return {
      image,
      state: worst?.state ?? 'done',
      tags: tags.length,
      done: tags.filter(({ state }) => state === 'done').length,
      bytes: its.reduce((sum, { bytes }) => sum + bytes, 0),
      failedAt: least(its.map(({ failedAt }) => failedAt)),
      nextAttempt: least(its.map(({ nextAttempt }) => nextAttempt)),
      verifiedAt: least(its.map(({ verifiedAt }) => verifiedAt)),
      reason: worst?.reason,
    };
  }

  return {
    find: async (image, tag) => rows.get(key(image, tag)),
    async put(replicas) {
      for (const one of replicas) rows.set(key(one.image, one.tag), one);
    },
    ofImage: async (image) => sorted().filter((one) => one.image === image),
    async remove(image, tags) {
      for (const tag of tags) rows.delete(key(image, tag));
    },
    async list(after, limit) {
      const isAfter = (one: Replica) =>
        !after || (byBytes(one.image, after.image) || byBytes(one.tag, after.tag)) > 0;
      return sorted().filter(isAfter).slice(0, limit);
    },
    async repositories(after, limit) {
      const groups = Map.groupBy(sorted(), ({ image }) => image);
      const later = [...groups].filter(([image]) => byBytes(image, after) > 0);
      return later.slice(0, limit).map(([image, its]) => repository(image, its));
    },
    async postpone(which, nextAttempt) {
      const isMeant = (one: Replica) =>
        'sync' in which ? one.sync === which.sync : one.image === which.image && one.tag === which.tag;
      for (const one of sorted().filter((row) => isMeant(row) && isFailing(row)))
        rows.set(key(one.image, one.tag), { ...one, nextAttempt });
    },
    async counts() {
      const groups = Map.groupBy(rows.values(), ({ state }) => state);
      return [...groups].map(([state, its]) => ({ state, tags: its.length }));
    },
    oldestFailure: async () => least([...rows.values()].map(({ failedAt }) => failedAt)),
    async forget(which) {
      const gone = sorted().filter((one) =>
        'syncs' in which
          ? !which.syncs.includes(one.sync)
          : one.sync === which.sync && !which.images.includes(one.image),
      );
      for (const one of gone) rows.delete(key(one.image, one.tag));
      return gone.length;
    },
  };
}
