/** The states that the metrics show, as the app reads them (`state-metrics.ts`). */

export interface WatchedStates {
  readonly transfersInFlight?: () => number;
  /** `upstream.offline` is set. */
  readonly isOffline?: () => boolean;
  readonly cache?: () => CacheState;
  readonly cluster?: (() => ClusterState) | undefined;
  readonly facts?: (() => FactsState) | undefined;
  readonly uploads?: () => { readonly uploads: number; readonly bytes: number };
  readonly disk?: () => DiskState;
  readonly hosts?: () => readonly HostState[];
  readonly jobs?: () => Promise<JobsState>;
  readonly eventSinks?: () => Promise<readonly EventSinkState[]>;
  readonly replicas?: () => Promise<ReplicasState>;
  readonly placements?: () => Promise<readonly PlacementsState[]>;
  /** Undefined if no cluster is watched. */
  readonly policies?: (() => readonly PolicyKindState[]) | undefined;
}

/** One kind of objects of the cluster (`kubernetes/object-table.ts`). */
export interface PolicyKindState {
  readonly kind: string;
  readonly state: 'unknown' | 'listed' | 'absent' | 'forbidden' | 'unreachable';
  /** Why they cannot be read. */
  readonly reason: string | undefined;
  /** Objects that are known. */
  readonly objects: number;
}

export interface ClusterState {
  /** Replicas, this one included. */
  readonly members: number;
  /** Of 256: those that this replica owns. */
  readonly shards: number;
}

export interface FactsState {
  /** The database can be used. */
  readonly isConnected: boolean;
  /** Epoch ms of its last answer. */
  readonly lastContact: number | undefined;
  /** Facts that are not in the database yet. */
  readonly waiting: number;
  /** Seconds since the database had nothing that is not known here. */
  readonly behind: number | undefined;
}

/** Bytes, except for the two counts. */
export interface CacheState {
  readonly bytes: number;
  readonly contents: number;
  readonly manifests: number;
  /** Of `bytes` and `contents`, what was pushed or imported. */
  readonly hosted: { readonly bytes: number; readonly contents: number };
  /** Reserved for transfers in flight, and taken by partial downloads. */
  readonly reserved: number;
  /** Undefined for no limit. */
  readonly maxSize: number | undefined;
  readonly quotas: readonly { readonly match: string; readonly bytes: number; readonly maxSize: number }[];
}

/** The file system of the data folder, in bytes. */
export interface DiskState {
  readonly free: number;
  readonly size: number;
  /** `cache.min_free`. */
  readonly minFree: number;
}

export interface HostState {
  readonly host: string;
  readonly isOpen: boolean;
  /** Seconds until a host that answered 429 is asked again; 0 if it is asked now. */
  readonly cooling: number;
  /** Requests that the host allows, and those that are left, as its headers last said. */
  readonly limit: number | undefined;
  readonly remaining: number | undefined;
}

export interface EventSinkState {
  readonly sink: string;
  /** Events. */
  readonly waiting: number;
  readonly dead: number;
  /** Seconds that the oldest event has waited; 0 if none waits. */
  readonly oldest: number;
  /** It has answered 410. */
  readonly isGone: boolean;
}

export interface JobsState {
  readonly counts: readonly { readonly kind: string; readonly state: string; readonly jobs: number }[];
  /** Epoch ms at which the oldest of the failed jobs failed. */
  readonly oldestFailure: number | undefined;
}

export interface ReplicasState {
  readonly counts: readonly { readonly state: string; readonly tags: number }[];
  /** Epoch ms since which the tag that failed first has not been done. */
  readonly oldestFailure: number | undefined;
}

/** Contents of one bucket in one state. */
export interface PlacementsState {
  readonly store: string;
  readonly state: string;
  readonly contents: number;
  readonly bytes: number;
}
