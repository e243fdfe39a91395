/** A replica store over a plain map: it looks at everything each time. For tests that need no file. */
import {
  type Replica,
  type ReplicaPosition,
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
  const key = ({ image, tag, sync }: ReplicaPosition) => JSON.stringify([image, tag, sync]);
  const order = (a: ReplicaPosition, b: ReplicaPosition) =>
    byBytes(a.image, b.image) || byBytes(a.tag, b.tag) || byBytes(a.sync, b.sync);
  const sorted = () => [...rows.values()].toSorted(order);
  const least = (values: readonly (number | undefined)[]) => {
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  };

  function repository(image: string, its: readonly Replica[]): ReplicaRepository {
    const [worst] = its.toSorted(worse);
    const tags = [
      ...Map.groupBy(
        its.filter(({ tag }) => tag !== ''),
        ({ tag }) => tag,
      ).values(),
    ];
    return {
      image,
      state: worst?.state ?? 'done',
      tags: tags.length,
      done: tags.filter((rows) => rows.every(({ state }) => state === 'done')).length,
      bytes: its.reduce((sum, { bytes }) => sum + bytes, 0),
      failedAt: least(its.map(({ failedAt }) => failedAt)),
      nextAttempt: least(its.map(({ nextAttempt }) => nextAttempt)),
      verifiedAt: least(its.map(({ verifiedAt }) => verifiedAt)),
      reason: worst?.reason,
    };
  }

  return {
    find: async (position) => rows.get(key(position)),
    async put(replicas) {
      for (const one of replicas) rows.set(key(one), one);
    },
    ofImage: async (image) => sorted().filter((one) => one.image === image),
    async remove(image, tags, sync) {
      for (const one of sorted())
        if (one.image === image && tags.includes(one.tag) && (sync ?? one.sync) === one.sync)
          rows.delete(key(one));
    },
    async list(after, limit) {
      const isAfter = (one: Replica) => !after || order(one, after) > 0;
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
        rows.set(key(one), { ...one, nextAttempt });
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
      for (const one of gone) rows.delete(key(one));
      return gone.length;
    },
  };
}
