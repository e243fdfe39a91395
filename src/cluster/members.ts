/**
 * The replicas of the cluster: those that the configuration lists, or the addresses of a DNS name, which is looked up again and again.
 *
 *   DNS gives addresses ............ they are the members
 *   DNS has no answer, or no name .. the last known members stay
 *   this replica is not among them . it is a member all the same: DNS names a replica only once it is ready
 */
import { isIPv6 } from 'node:net';
import type { ClusterConfig } from '../config/cluster-config.ts';
import type { Clock, Timer } from '../lib/clock.ts';
import { reasonOf } from '../lib/thrown.ts';
import { type Peer, peerAt } from './peer.ts';

export interface Members {
  readonly self: Peer;
  /** This replica included, in the order of their ids. */
  readonly all: readonly Peer[];
  /** Begins to look the name up. Resolves after the first answer, however it ends. */
  start(): Promise<void>;
  stop(): void;
}

export interface MembersDeps {
  readonly clock: Clock;
  /** The addresses of a name. Rejects as `dns.lookup` does. */
  readonly addressesOf: (hostname: string) => Promise<readonly string[]>;
  /** Addresses of this machine. */
  readonly ownAddresses: () => readonly string[];
  readonly onChange: (members: readonly Peer[]) => void;
  /** The name could not be looked up; called for the first failure in a row. */
  readonly onFailure: (reason: string) => void;
}

/** ms. */
const lookupEvery = 5000;

/** The members of one configuration. `secure`: members from DNS are reached over TLS. */
export function createMembers(
  deps: MembersDeps,
  config: ClusterConfig,
  { secure }: { readonly secure: boolean },
): Members {
  const { clock, onChange, onFailure } = deps;
  const { peers, dns, self: given } = config;
  let self = given === undefined ? undefined : peerAt(given);
  let all: readonly Peer[] = sorted([...peers.map(peerAt), ...(self ? [self] : [])]);
  let timer: Timer | undefined;
  let isStopped = false;
  let isFailing = false;

  function found(addresses: readonly string[], { hostname, port }: URL): readonly Peer[] {
    const scheme = secure ? 'https' : 'http';
    return addresses.map((address) => ({
      ...peerAt(`${scheme}://${isIPv6(address) ? `[${address}]` : address}:${port}`),
      name: `${hostname}:${port}`,
    }));
  }

  async function lookUp(name: URL): Promise<void> {
    try {
      const members = found(await deps.addressesOf(name.hostname), name);
      if (isStopped) return;
      isFailing = false;
      if (members.length > 0) take(members, name);
    } catch (error) {
      if (!isFailing) onFailure(reasonOf(error));
      isFailing = true;
    } finally {
      if (!isStopped) timer = clock.after(lookupEvery, () => void lookUp(name));
    }
  }

  function take(members: readonly Peer[], name: URL): void {
    const own = found(deps.ownAddresses(), name).map(({ id }) => id);
    self ??= members.find(({ id }) => own.includes(id));
    const next = sorted(self ? [...members, self] : members);
    if (next.map(({ id }) => id).join() === all.map(({ id }) => id).join()) return;
    all = next;
    onChange(all);
  }

  return {
    get self() {
      return self ?? nowhere;
    },
    get all() {
      return all;
    },
    start: async () => (dns === undefined ? undefined : lookUp(new URL(`dns://${dns}`))),
    stop() {
      isStopped = true;
      timer?.cancel();
    },
  };
}

/** This replica, as long as no address of the name is its own: it owns nothing, and asks the others. */
const nowhere: Peer = { id: '', origin: '', name: '' };

function sorted(members: readonly Peer[]): readonly Peer[] {
  const byId = new Map(members.map((member) => [member.id, member]));
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}
