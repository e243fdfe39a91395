/**
 * Which replica owns a shard: the one with the highest score of all (rendezvous hashing). A score depends on the shard and on one
 * replica alone, so a replica that comes or goes moves no shard between the others.
 *
 * A replica waits only for one with a higher score, whatever either of them knows of the rest. So no two can wait for each other.
 */
import { createHash } from 'node:crypto';
import { type Shard, shardCount } from './shards.ts';

/** How much a replica wants a shard: six bytes of a hash. */
export function scoreOf(shard: Shard, id: string): number {
  return createHash('sha256').update(`${shard} ${id}`).digest().readUIntBE(0, 6);
}

/** Best first. `members`: each id once. */
export function ranked<Member extends { readonly id: string }>(
  shard: Shard,
  members: readonly Member[],
): readonly Member[] {
  return members
    .map((member) => ({ member, score: scoreOf(shard, member.id) }))
    .sort((a, b) => b.score - a.score || (a.member.id < b.member.id ? -1 : 1))
    .map(({ member }) => member);
}

/** The order of the members for each shard, reckoned when it is first asked for. */
export function createRanking<Member extends { readonly id: string }>(members: readonly Member[]) {
  const known: (readonly Member[] | undefined)[] = new Array(shardCount);
  return (shard: Shard): readonly Member[] => {
    const order = known[shard] ?? ranked(shard, members);
    known[shard] = order;
    return order;
  };
}

/** Those that come before the member `id`; all where it is none of them. */
export function membersBefore<Member extends { readonly id: string }>(
  order: readonly Member[],
  id: string,
): readonly Member[] {
  const at = order.findIndex((member) => member.id === id);
  return at < 0 ? order : order.slice(0, at);
}
