/** The fetches under way for one blob: which will bring a byte, where each has to stop, where one more would help. */

import type { Endpoint } from '../../upstream/endpoint.ts';
import type { Trail } from '../../upstream/outcome.ts';
import type { Verdict } from '../../upstream/upstream.ts';
import type { FileWriter } from '../file/file-writer.ts';
import type { SparseFile } from '../file/sparse-file.ts';
import type { TransferLimits } from '../limits.ts';
import type { TransferDeps } from '../transfer-deps.ts';
import type { Fetcher } from './fetcher.ts';
import { type FetchUnderWay, fetchEnd, nextPiece, type Plan, planFetch } from './plan.ts';

/** Whether the bytes that a reader begins with can be had. */
export type Opening =
  | { readonly ok: true; readonly endpoint: Endpoint | undefined; readonly trail: Trail }
  | { readonly ok: false; readonly verdict: Verdict; readonly trail: Trail };

export interface Fetch {
  readonly fetcher: Fetcher;
  writer: FileWriter | undefined;
  /** Settled by the first headers, or when there will be none. */
  readonly opening: Promise<Opening>;
  settle(opening: Opening): void;
  /** Nobody can say: a bug, or a configuration that makes no name of the image. */
  fail(error: unknown): void;
}

export class Fetches {
  /** False once an endpoint ignored a range: what is on its way is waited for then, and runs to the end. */
  ranges = true;
  readonly #file: SparseFile;
  readonly #limits: TransferLimits;
  readonly #blocks: TransferDeps['blocks'];
  readonly #running = new Map<Fetcher, Fetch>();

  constructor(file: SparseFile, { limits, blocks }: Pick<TransferDeps, 'limits' | 'blocks'>) {
    this.#file = file;
    this.#limits = limits;
    this.#blocks = blocks;
  }

  get count(): number {
    return this.#running.size;
  }

  get(fetcher: Fetcher): Fetch | undefined {
    return this.#running.get(fetcher);
  }

  add(fetcher: Fetcher): Fetch {
    const { promise, resolve, reject } = Promise.withResolvers<Opening>();
    // Not everybody who starts a fetch waits for its headers.
    promise.catch(() => {});
    const fetch: Fetch = { fetcher, writer: undefined, opening: promise, settle: resolve, fail: reject };
    this.#running.set(fetcher, fetch);
    return fetch;
  }

  /** The fetch is over; what it brought goes to the disk. */
  remove(fetcher: Fetcher): Fetch | undefined {
    const fetch = this.#running.get(fetcher);
    this.#running.delete(fetcher);
    if (fetch) this.#retire(fetch);
    return fetch;
  }

  /** Ends all at once; whoever waits for headers is told `opening`. */
  stopAll(opening: Opening): void {
    for (const fetch of [...this.#running.values()]) {
      fetch.fetcher.stop();
      this.remove(fetch.fetcher);
      fetch.settle(opening);
    }
  }

  /** All bytes go; those that are on their way still come, into a fresh file. */
  restart(): void {
    for (const fetch of this.#running.values()) fetch.writer = undefined;
    this.#file.restart();
    for (const { fetcher } of this.#running.values()) fetcher.resume();
  }

  /**
   * Takes a fetcher's bytes; false asks it to pause. Those that are here already stay as they are: readers have had them, and the
   * digest may be past them.
   */
  append(fetch: Fetch, offset: number, chunk: Buffer): boolean {
    const { present } = this.#file;
    const end = offset + chunk.length;
    let room = true;
    for (let at = present.firstHole(offset); at < end; ) {
      const to = Math.min(end, present.nextRange(at)?.start ?? end);
      this.#blocks.retain(chunk);
      room = this.#write(fetch, at, chunk.subarray(at - offset, to - offset));
      at = present.firstHole(to);
    }
    this.#blocks.release(chunk);
    return room;
  }

  #write(fetch: Fetch, offset: number, chunk: Buffer): boolean {
    // It went back to an earlier byte, or on after a gap.
    if (fetch.writer && fetch.writer.end !== offset) this.#retire(fetch);
    fetch.writer ??= this.#file.writer(offset, () => fetch.fetcher.resume());
    return this.#file.append(fetch.writer, offset, chunk);
  }

  plan(wanted: number): Plan {
    const farthest = this.ranges ? this.#limits.joinDistance : Number.POSITIVE_INFINITY;
    // Where one stops takes a look at all the others: only of those that may bring it.
    const near: Fetcher[] = [];
    for (const fetcher of this.#running.keys()) {
      const distance = wanted - fetcher.position;
      if (distance >= 0 && distance <= farthest) near.push(fetcher);
    }
    return planFetch(this.#situation(near), wanted, this.#limits.joinDistance);
  }

  nextPiece(): number | undefined {
    return nextPiece(this.#situation(this.#running.keys()), this.#limits.piece);
  }

  /** The fetch that will bring the byte at `offset` where there is no `except`: the nearest before it. */
  arriving(offset: number, except?: Fetcher): Fetch | undefined {
    return [...this.#running.values()]
      .filter(({ fetcher }) => fetcher !== except && fetcher.position <= offset)
      .sort((a, b) => b.fetcher.position - a.fetcher.position)
      .find(({ fetcher }) => offset < (this.stopAt(fetcher, except) ?? Number.POSITIVE_INFINITY));
  }

  /** Where the fetcher has to stop as things are now; undefined where only the blob's unknown end stops it. */
  stopAt(fetcher: Fetcher, except?: Fetcher): number | undefined {
    const others: Fetcher[] = [];
    for (const other of this.#running.keys()) if (other !== fetcher && other !== except) others.push(other);
    const passOver = this.ranges ? this.#limits.passOver : Number.POSITIVE_INFINITY;
    const situation = { present: this.#file.present, fetches: others, size: this.#file.size };
    return fetchEnd(situation, fetcher.position, this.ranges ? fetcher.wish : undefined, passOver);
  }

  #situation(fetchers: Iterable<Fetcher>) {
    const fetches: FetchUnderWay[] = [];
    for (const fetcher of fetchers) {
      fetches.push({ start: fetcher.start, position: fetcher.position, end: this.stopAt(fetcher) });
    }
    return { present: this.#file.present, fetches, size: this.#file.size, ranges: this.ranges };
  }

  #retire(fetch: Fetch): void {
    if (fetch.writer) void this.#file.retire(fetch.writer);
    fetch.writer = undefined;
  }
}
