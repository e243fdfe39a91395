/** The cluster as the rest of the program sees it: which replicas to ask first, and which requests come from one of them. */
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { Digest } from '../oci/digest.ts';
import type { Reference, Repository } from '../oci/reference.ts';
import { createMembers, type Members, type MembersDeps } from './members.ts';
import { createRanking, membersBefore, ranked, scoreOf } from './ownership.ts';
import { type Peer, peerAt } from './peer.ts';
import { createPeerProof, type PeerProof, type PeerProofDeps } from './peer-proof.ts';
import { type Shard, shardCount, shardOf } from './shards.ts';
import { homeAmong, homeMark } from './upload-home.ts';

export interface Cluster extends Pick<Members, 'all' | 'self' | 'start' | 'stop'> {
  readonly proof: PeerProof;
  /** The peers to ask for a reference, best first; none where this replica is the owner, or stands in for it. */
  toAsk(reference: Reference): readonly Peer[];
  /** All other members, in the order in which they would own the reference. */
  others(reference: Reference): readonly Peer[];
  /** Whether this replica never waits for `id` about this reference: then it may tell `id` that it is at work. */
  outranks(id: string, reference: Reference): boolean;
  /** What the ids of uploads that begin here end with. */
  readonly homeMark: string;
  /** Another member that began the upload; undefined where it is none, or this one. */
  homeOf(uploadId: string): Peer | undefined;
  /** Whether this replica stores a blob: `cluster.keep`. */
  keeps(digest: Digest): boolean;
  /** Shards of which this replica is the first of all members. */
  readonly ownedShards: number;
}

export interface ClusterDeps extends MembersDeps, Pick<PeerProofDeps, 'secret' | 'onRefused'> {
  /** Of the peer's breaker. */
  readonly stateOf: (id: string) => 'closed' | 'half-open' | 'open';
}

/** Peers that are asked one after the other: a second one, so that all go to the same when the first has died. */
const mostAsked = 2;

/** `secure`: members from DNS are reached over TLS. */
export function createCluster(
  deps: ClusterDeps,
  config: ClusterConfig,
  options: { readonly secure: boolean },
): Cluster {
  const members = createMembers(
    {
      ...deps,
      onChange(all) {
        rank = createRanking(all);
        deps.onChange(all);
      },
    },
    config,
    options,
  );
  let rank = createRanking(members.all);
  const proof = createPeerProof({ ...deps, self: () => members.self, members: () => members.all });

  /** The replicas that come before this one, best first. */
  function before(shard: Shard): readonly Peer[] {
    return membersBefore(rank(shard), members.self.id);
  }

  /** One that has failed is left out. One that may be probed is asked beside the next, and does not count. */
  function toAsk(reference: Reference): readonly Peer[] {
    const asked: Peer[] = [];
    let sound = 0;
    for (const peer of before(shardOf(reference))) {
      const state = deps.stateOf(peer.id);
      if (state !== 'open') asked.push(peer);
      if (state === 'closed') sound += 1;
      if (sound === mostAsked) break;
    }
    return asked;
  }

  return {
    get all() {
      return members.all;
    },
    get self() {
      return members.self;
    },
    start: members.start,
    stop: members.stop,
    proof,
    toAsk,
    others: (reference) => rank(shardOf(reference)).filter(({ id }) => id !== members.self.id),
    outranks(id, reference) {
      const shard = shardOf(reference);
      return scoreOf(shard, members.self.id) > scoreOf(shard, id);
    },
    get homeMark() {
      return homeMark(members.self);
    },
    homeOf(uploadId) {
      const home = homeAmong(members.all, uploadId);
      return home?.id === members.self.id ? undefined : home;
    },
    keeps: (digest) =>
      config.keep === 'all' || toAsk({ registry: '', repository: '' as Repository, digest }).length === 0,
    get ownedShards() {
      return Array.from({ length: shardCount }, (_, shard) => before(shard)).filter(
        ({ length }) => length === 0,
      ).length;
    },
  };
}

/** The peers that a replica asks for a reference if all are well; undefined where only DNS knows the members. */
export function plannedPeers(
  { peers, self, dns }: ClusterConfig,
  reference: Reference,
): readonly Peer[] | undefined {
  if (dns !== undefined || self === undefined) return undefined;
  const order = ranked(shardOf(reference), peers.map(peerAt));
  return membersBefore(order, peerAt(self).id).slice(0, mostAsked);
}
