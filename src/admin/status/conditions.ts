/**
 * Judges the states of the server, in the form of Kubernetes. `True` is good, also for a part that is not configured. The times of
 * changes begin with the process: a condition that was never looked at changed at the start.
 */
import { formatRoundedSize, formatSize } from '../../config/toml/units.ts';
import type { Clock } from '../../lib/clock.ts';
import type {
  CacheState,
  ClusterState,
  DiskState,
  FactsState,
  HostState,
  PlacementsState,
  PolicyKindState,
  ReplicasState,
} from '../../telemetry/states.ts';
import { bucketOfHost } from '../../upstream/buckets.ts';
import { type Condition, type ConditionType, conditionTypes } from './status.ts';

export interface JudgedStates {
  readonly isStopping: boolean;
  /** Why nothing can be cached. */
  readonly problem: string | undefined;
  readonly isOffline: boolean;
  readonly cache: CacheState;
  readonly disk: DiskState;
  readonly hosts: readonly HostState[];
  /** Names of hosts that are replicas of the cluster. */
  readonly peers: ReadonlySet<string>;
  /** The configuration has `[[sync]]` blocks. */
  readonly hasSyncs: boolean;
  readonly replicas: ReplicasState;
  readonly cluster: ClusterState | undefined;
  readonly facts: FactsState | undefined;
  readonly placements: readonly PlacementsState[];
  /** The configuration that was read last is in force. */
  readonly configIsGood: boolean;
  /** Kinds of objects of the cluster; none if no cluster is watched. */
  readonly policies: readonly PolicyKindState[];
}

type Verdict = Omit<Condition, 'type' | 'lastTransitionTime'>;
export type Judge = (states: JudgedStates) => readonly Condition[];

/** Names that a message lists. */
const maxNamed = 5;
const skippedWords = 'skipped after failures in a row';

/** Remembers when each condition changed. */
export function createConditions(clock: Pick<Clock, 'now'>): Judge {
  const start = new Date(clock.now()).toISOString();
  const last = new Map<ConditionType, { readonly status: Condition['status']; readonly since: string }>();
  return (states) =>
    conditionTypes.map((type) => {
      const verdict = judges[type](states);
      const before = last.get(type);
      const isSame = before === undefined || before.status === verdict.status;
      const since = isSame ? (before?.since ?? start) : new Date(clock.now()).toISOString();
      last.set(type, { status: verdict.status, since });
      return { type, ...verdict, lastTransitionTime: since };
    });
}

const judges: Readonly<Record<ConditionType, (states: JudgedStates) => Verdict>> = {
  Ready({ isStopping, problem }) {
    if (isStopping) return bad('Stopping', 'the server stops, and takes no new connections');
    return problem === undefined ? good('Serving', 'clients are served') : bad('DataUnusable', problem);
  },
  Cache({ problem, disk: { free, minFree }, cache: { bytes, maxSize } }) {
    if (problem !== undefined) return bad('DataUnusable', problem);
    if (free < minFree)
      return bad(
        'DiskFull',
        `the disk has ${formatRoundedSize(free)} free, less than the ${formatSize(minFree)} of cache.min_free`,
      );
    return good(
      'Writable',
      `${formatRoundedSize(bytes)} stored${maxSize === undefined ? '' : ` of ${formatSize(maxSize)}`}`,
    );
  },
  Upstreams({ isOffline, hosts, peers }) {
    if (isOffline)
      return { status: 'Unknown', reason: 'Offline', message: 'upstream.offline is set: no host is asked' };
    const own = hosts.filter(({ host }) => !peers.has(host) && bucketOfHost(host) === undefined);
    const skipped = skippedOf(own);
    if (skipped.length > 0) return bad('HostsSkipped', `${skippedWords}: ${named(skipped)}`);
    const cooling = own.flatMap(({ host, cooling: seconds }) => (seconds > 0 ? [host] : []));
    if (cooling.length > 0) return bad('RateLimited', `they limit our requests: ${named(cooling)}`);
    return good('AllAnswer', 'no host is skipped');
  },
  Sync({ hasSyncs, replicas: { counts } }) {
    if (!hasSyncs) return good('NotConfigured', 'there is no [[sync]] block');
    const failed = counts.filter(({ state }) => state === 'failed' || state === 'partial');
    const tags = failed.reduce((sum, one) => sum + one.tags, 0);
    if (tags === 0) return good('NoFailures', 'no tag that a [[sync]] block wants has failed');
    return bad('TagsFailed', `${tags} tags that [[sync]] blocks want are not here as a whole`);
  },
  Facts({ facts }) {
    if (!facts) return good('NotConfigured', 'there is no [facts]');
    return facts.isConnected
      ? good('Connected', `${facts.waiting} facts wait to be told`)
      : bad('Disconnected', 'the database of [facts] cannot be used now');
  },
  Cluster({ cluster, hosts, peers }) {
    if (!cluster) return good('NotConfigured', 'there is no [cluster]');
    const skipped = skippedOf(hosts).filter((host) => peers.has(host));
    if (skipped.length > 0) return bad('PeersSkipped', `${skippedWords}: ${named(skipped)}`);
    return good('PeersAnswer', `${cluster.members} replicas are known`);
  },
  Buckets({ hosts, placements }) {
    const skipped = skippedOf(hosts).flatMap((host) => bucketOfHost(host) ?? []);
    if (skipped.length > 0) return bad('BucketsSkipped', `${skippedWords}: ${named(skipped)}`);
    if (placements.length === 0)
      return good('NothingPlaced', 'no content is in a bucket, or on its way to one');
    const doubted = placements.filter(({ state, contents }) => state === 'doubted' && contents > 0);
    if (doubted.length === 0) return good('NothingDoubted', 'no object of a bucket gave wrong bytes');
    const stores = named([...new Set(doubted.map(({ store }) => store))]);
    return bad('ContentsDoubted', `objects gave wrong bytes, and are to be looked at: ${stores}`);
  },
  Configuration({ configIsGood, policies }) {
    if (!configIsGood) {
      return bad(
        'Refused',
        'the configuration that was read last cannot be used; the one before it stays in force',
      );
    }
    const forbidden = policies.find(({ state }) => state === 'forbidden');
    if (forbidden) return bad('PoliciesForbidden', notRead(forbidden));
    const unread = policies.find(({ state }) => state === 'unreachable' || state === 'unknown');
    if (unread) return { status: 'Unknown', reason: 'PoliciesUnreachable', message: notRead(unread) };
    return good('InForce', 'the configuration that was read last is in force');
  },
};

function notRead({ kind, reason }: PolicyKindState): string {
  return `objects of the kind ${kind} cannot be read from the cluster, and those known last are in force: ${reason ?? 'no answer'}`;
}

function good(reason: string, message: string): Verdict {
  return { status: 'True', reason, message };
}

function bad(reason: string, message: string): Verdict {
  return { status: 'False', reason, message };
}

function skippedOf(hosts: readonly HostState[]): readonly string[] {
  return hosts.flatMap(({ host, isOpen }) => (isOpen ? [host] : []));
}

function named(names: readonly string[]): string {
  const more = names.length - maxNamed;
  return `${names.slice(0, maxNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
