/** The figures of the engine that tests replace, each with its reason. Sizes in bytes, times in milliseconds. */
const KiB = 1024;
const MiB = 1024 * KiB;

export interface TransferLimits {
  /** A reader waits for a fetch that is at most this far before the wanted byte, else starts one. */
  readonly joinDistance: number;
  /** A fetch does not stop at present ranges up to this size: to fetch them again is cheaper than a new request. */
  readonly refetchThreshold: number;
  /** Bytes that an answer that runs from 0 to the end keeps back until the whole is verified. */
  readonly holdBack: number;
  /** Bytes that go to the disk in one write. */
  readonly writeBatch: number;
  /** Written bytes kept in memory per fetcher, so that a reader a little behind needs no disk. */
  readonly keepWritten: number;
  /** The largest buffer of a reader for bytes that come from the disk: each read costs a turn of the thread pool. */
  readonly readBuffer: number;
  /** What such buffers of all readers of one transfer take, unless even the smallest buffers take more. */
  readonly readBuffers: number;
  /** The running digest follows the written bytes in steps of this size. */
  readonly hashStep: number;
  /** How often the ranges of a growing file are saved. */
  readonly saveEvery: number;
  /** What counts as progress within an endpoint's `stall_timeout`: a server that drips is a stalled one. */
  readonly stallBytes: number;
  /** What one of several fetchers on one blob fetches at a time. */
  readonly piece: number;
  /** After so many wrong digests in one transfer, it is given up. */
  readonly attempts: number;
}

/** The figures in use; tests replace single ones. */
export const defaultLimits: TransferLimits = {
  joinDistance: 2 * MiB,
  refetchThreshold: 512 * KiB,
  holdBack: 256 * KiB,
  writeBatch: 2 * MiB,
  keepWritten: MiB,
  readBuffer: MiB,
  readBuffers: 16 * MiB,
  hashStep: MiB,
  saveEvery: 50,
  stallBytes: 4 * KiB,
  piece: 8 * MiB,
  attempts: 4,
};
