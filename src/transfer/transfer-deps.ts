/** What transfers are made of: parts from outside (`TransfersDeps`), and parts that they share among themselves (`TransferDeps`). */
import type { Cache, Reservation } from '../cache/cache.ts';
import type { BufferPool } from '../lib/bytes/buffer-pool.ts';
import type { Hasher } from '../lib/bytes/hasher.ts';
import type { ReadBlocks } from '../lib/bytes/read-blocks.ts';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import type { Log } from '../telemetry/log.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { ContributorMemory } from './fetch/contributor-memory.ts';
import type { DistrustMemory } from './fetch/distrust.ts';
import type { WriteVector } from './file/file-writer.ts';
import type { MemoryBudget } from './file/memory-budget.ts';
import type { SparseFile } from './file/sparse-file.ts';
import type { TransferLimits } from './limits.ts';
import type { RelayMemory } from './read/relay-memory.ts';

export interface TransferMetrics {
  /** Body bytes that came from an upstream host. */
  received(host: string, bytes: number): void;
  transferRead(how: 'started' | 'joined'): void;
  /** `relayed`: passed on without being kept, since the cache had no capacity or the disk failed; `failed`: the next request resumes it. */
  transferEnded(how: 'stored' | 'relayed' | 'failed'): void;
}

/** Parts from outside; `createTransfers` adds the rest. */
export interface TransfersDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly hasher: Hasher;
  /** The blocks that the upstream's sockets read into. */
  readonly blocks: Pick<ReadBlocks, 'retain' | 'release' | 'lend' | 'takeBack'>;
  /** Buffers for readers that are behind. */
  readonly buffers: BufferPool;
  /** The folder of the growing files. */
  readonly incoming: Cache['incoming'];
  /**
   * Partial downloads in `incoming` that no running transfer owns. They count towards `max_size` and are evicted oldest
   * first.
   */
  readonly partialDownloads: Cache['partialDownloads'];
  /** Takes a verified file into the store; the file is gone from `incoming` when it resolves. Rejects when it cannot be stored. */
  readonly commit: (digest: Digest, size: number, file: string) => Promise<void>;
  /** Whether a blob is stored, and not only passed on. Default: every one is. */
  readonly keeps?: ((digest: Digest) => boolean) | undefined;
  /** As `Cache.reserve`; the answer may take its time. */
  readonly reserve: (
    ...asked: Parameters<Cache['reserve']>
  ) => Reservation | undefined | Promise<Reservation | undefined>;
  readonly writeFailed: Cache['writeFailed'];
  readonly report: (endpoint: Endpoint, fault: 'invalid' | 'unreachable', reason: string) => void;
  /** ms without progress after which this host has stalled. */
  readonly stallTimeoutOf: (host: string) => number;
  /** How many fetchers may work on one blob from this host. */
  readonly fetchersFor: (host: string) => number;
  readonly metrics: TransferMetrics;
  /** Tests put a faulty disk here. */
  readonly writev?: WriteVector;
}

export interface TransferDeps extends Required<TransfersDeps> {
  readonly limits: TransferLimits;
  readonly budget: MemoryBudget;
  readonly relayMemory: RelayMemory;
  readonly distrust: DistrustMemory;
  readonly contributorMemory: ContributorMemory;
  /** `transfer.fill` as it is now. */
  readonly fill: () => 'always' | 'never' | number;
  /** Takes the transfer off the list of those that requests can join: the next request for its blob starts a new one. */
  readonly unlist: (transfer: { readonly digest: Digest; readonly file: SparseFile }) => void;
}
