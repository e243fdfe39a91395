/** All transfers under way, one per blob. Whoever wants a cold blob comes here and joins the one there is, or starts it. */
import { writev } from 'node:fs';
import type { ByteStream } from '../lib/byte-stream.ts';
import type { Digest } from '../oci/digest.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { Trail } from '../upstream/outcome.ts';
import type { Verdict } from '../upstream/upstream.ts';
import type { ByteSource } from './byte-source.ts';
import { createDistrustMemory } from './distrust.ts';
import { dropIncoming, sweepIncoming } from './incoming-files.ts';
import { defaultLimits, type TransferLimits } from './limits.ts';
import { MemoryBudget } from './memory-budget.ts';
import { Transfer } from './transfer.ts';
import type { TransferDeps, TransfersDeps } from './transfer-deps.ts';

export interface Transfers {
  /** Whether the blob is on its way for this image: then the image may join without asking its endpoints first. */
  has(image: string, digest: Digest): boolean;
  /** Whether anybody fetches the blob now. */
  isUnderWay(digest: Digest): boolean;
  /** Resolves when a blob that was read to its end is in the store, or will not be. */
  settled(digest: Digest): Promise<void>;
  /** Joins or starts the blob's transfer; resolves when it is known whether the bytes from `start` on can be had. */
  open(request: TransferRequest): Promise<OpenedTransfer>;
  /** Tidies the incoming folder and says what can be resumed. Once, before the first `open`. */
  sweep(isStored: (digest: Digest) => boolean): void;
  /** For all transfers, those under way as well. */
  configure(settings: TransferSettings): void;
  /** Transfers under way. */
  readonly count: number;
  /** Stops all; what is on disk is resumed by the next run. */
  close(): Promise<void>;
}

export interface TransferSettings {
  /** When the last reader has left: fill on always, never, or when at least this share (0..1) is here. */
  readonly fill: 'always' | 'never' | number;
  /** Bytes in memory that are not yet on disk: all transfers together. */
  readonly writeBehind: number;
}

export interface TransferRequest {
  readonly digest: Digest;
  readonly source: ByteSource;
  /** From a manifest's descriptor, where one names the blob. */
  readonly size?: number | undefined;
  /** The first bytes that will be read; the rest of the blob may be read as well. */
  readonly start: number;
  readonly end?: number | undefined;
  /** endpointKey of the one to ask first. */
  readonly prefer?: string | undefined;
}

export type OpenedTransfer =
  | {
      readonly ok: true;
      /** `verified`: the whole blob is here, and is only on its way into the store. */
      readonly how: 'started' | 'joined' | 'verified';
      readonly size: number | undefined;
      readonly endpoint: Endpoint | undefined;
      readonly trail: Trail;
      /** Bytes from `start` to before `end`, or to the blob's end. */
      reader(start: number, end?: number): ByteStream;
      /** Once all readers are closed. */
      close(): void;
    }
  | { readonly ok: false; readonly verdict: Verdict; readonly trail: Trail };

/** What was left alone for so long is not resumed any more. */
const leftoverMaxAge = 7 * 24 * 60 * 60 * 1000;

export function createTransfers(
  deps: TransfersDeps,
  settings: TransferSettings,
  options: { limits?: Partial<TransferLimits> } = {},
): Transfers {
  const limits: TransferLimits = { ...defaultLimits, ...options.limits };
  const budget = new MemoryBudget(settings.writeBehind);
  let { fill } = settings;
  const running = new Map<Digest, Transfer>();

  function leave(digest: Digest, path: string, bytes: number, left: number): void {
    if (bytes > 0) deps.leftovers.add(digest, { bytes, left, remove: () => dropIncoming(path) });
    else deps.leftovers.forget(digest);
  }

  const shared: TransferDeps = {
    writev,
    ...deps,
    limits,
    budget,
    distrust: createDistrustMemory(),
    fill: () => fill,
    ended(transfer) {
      const { digest, file } = transfer;
      if (running.get(digest) !== transfer) return;
      running.delete(digest);
      leave(digest, file.path, file.leftBytes, deps.clock.now());
    },
  };

  return {
    has: (image, digest) => running.get(digest)?.hasSource(image) ?? false,
    isUnderWay: (digest) => running.has(digest),
    settled: async (digest) => running.get(digest)?.settled,
    get count() {
      return running.size;
    },

    async open(request) {
      const { digest, start, end, prefer } = request;
      const found = running.get(digest);
      // What is passed on without being kept takes nobody in: there may be room by now, or another size.
      const under = found?.relaying ? undefined : found;
      const transfer = under ?? new Transfer(shared, digest, request.size);
      if (!under) {
        running.set(digest, transfer);
        deps.leftovers.hold(digest);
      }
      transfer.addSource(request.source);
      transfer.enter();
      let opening: Awaited<ReturnType<Transfer['begin']>>;
      try {
        opening = await transfer.begin(start, end, prefer);
      } catch (error) {
        transfer.leave();
        throw error;
      }
      if (!opening.ok) {
        transfer.leave();
        return opening;
      }
      deps.metrics.transferRead(under ? 'joined' : 'started');
      let open = true;
      const { promised } = transfer;
      return {
        ok: true,
        how: under ? (under.verified ? 'verified' : 'joined') : 'started',
        size: promised,
        endpoint: opening.endpoint,
        trail: opening.trail,
        reader: (from, to) => transfer.reader(from, to, promised),
        close() {
          if (open) transfer.leave();
          open = false;
        },
      };
    },

    sweep(isStored) {
      const { resumable, removed } = sweepIncoming(deps.incoming, isStored, deps.clock.now(), leftoverMaxAge);
      for (const { digest, path, bytes, modified } of resumable) leave(digest, path, bytes, modified);
      if (resumable.length + removed === 0) return;
      const bytes = resumable.reduce((sum, one) => sum + one.bytes, 0);
      deps.log.info({ resumable: resumable.length, bytes, removed }, 'looked through the incoming folder');
    },

    configure(next) {
      ({ fill } = next);
      budget.resize(next.writeBehind);
    },

    async close() {
      await Promise.all([...running.values()].map((transfer) => transfer.abandon()));
      running.clear();
    },
  };
}
