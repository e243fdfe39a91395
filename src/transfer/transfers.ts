/**
 * All transfers under way. A request for a cold blob joins the transfer that its own image has started. It joins that of another
 * image only after its own endpoints have said that they have the blob, and if that transfer may be shared (`Transfer.admits`).
 * Otherwise it starts its own: another image's endpoints decide nothing for it (docs/decisions/0019).
 */
import { writev } from 'node:fs';
import type { PartialFile } from '../cache/incoming/partial-file.ts';
import type { ByteStream } from '../lib/bytes/byte-stream.ts';
import type { Pace } from '../lib/flow/pace.ts';
import type { Digest } from '../oci/digest.ts';
import type { Endpoint } from '../upstream/endpoint.ts';
import type { Trail } from '../upstream/outcome.ts';
import type { Verdict } from '../upstream/upstream.ts';
import type { ByteSource } from './fetch/byte-source.ts';
import { createContributorMemory } from './fetch/contributor-memory.ts';
import { createDistrustMemory } from './fetch/distrust.ts';
import type { Opening } from './fetch/running-fetches.ts';
import { MemoryBudget } from './file/memory-budget.ts';
import { defaultLimits, type TransferLimits } from './limits.ts';
import { fillTransfer } from './read/filler.ts';
import { RelayMemory } from './read/relay-memory.ts';
import { RunningTransfers } from './running-transfers.ts';
import { Transfer } from './transfer.ts';
import type { TransferDeps, TransfersDeps } from './transfer-deps.ts';
import type { TransferNow } from './transfer-now.ts';

export interface Transfers {
  /** Whether the blob is on its way for another image only, and this image could join if its own endpoints had it. */
  couldJoin(source: ByteSource, digest: Digest): boolean;
  /** Whether the whole blob is present and verified, and only on its way into the store. */
  isVerified(digest: Digest): boolean;
  /** Bytes of the blob, if a transfer that this image has started is under way and its size is known. */
  announcedSizeTo(source: ByteSource, digest: Digest): number | undefined;
  /** Resolves when a blob that was read to its end is in the store, or will not be. */
  settled(digest: Digest): Promise<void>;
  /** Joins or starts the blob's transfer; resolves when it is known whether the bytes from `start` on can be had. */
  open(request: TransferRequest): Promise<OpenedTransfer>;
  /** Tidies the incoming folder and logs what can be resumed. Once, before the first `open`. */
  sweep(isStored: (digest: Digest) => boolean | Promise<boolean>): Promise<void>;
  /** Changes the settings of all transfers, those under way as well. */
  configure(settings: TransferSettings): void;
  /** Transfers under way, as they are now. */
  list(): readonly TransferNow[];
  readonly count: number;
  /** Those of them that a client uses, and not only a job. */
  readonly countForClients: number;
  /** Stops all transfers; the next run resumes what is on disk. */
  close(): Promise<void>;
}

export interface TransferSettings {
  /** When the last reader has left: fill on always, never, or when at least this share (0..1) is present. */
  readonly fill: 'always' | 'never' | number;
  /** Bytes of all transfers together that may be in memory and not yet on disk. */
  readonly writeBehind: number;
}

export interface TransferRequest {
  readonly digest: Digest;
  readonly source: ByteSource;
  /** From a manifest's descriptor, if one names the blob. It binds the answers to this image, and no others. */
  readonly size?: number | undefined;
  /** Bytes of the blob according to the image's own endpoints, where they were asked whether they have it. */
  readonly confirmed?: number | undefined;
  /** The image may serve the blob, so it may read a verified transfer of another image. */
  readonly isLinked?: boolean | undefined;
  /** The first bytes that will be read; the rest of the blob may be read as well. */
  readonly start: number;
  readonly end?: number | undefined;
  /** No client waits for it. */
  readonly isForJob?: boolean | undefined;
  /** It is to be stored, also where another replica keeps it (`cluster.keep`). */
  readonly mustKeep?: boolean | undefined;
  /** Of a job: keeps the transfer to a rate for as long as no client uses it. */
  readonly pace?: Pace | undefined;
  /** endpointKey of the endpoint to ask first. */
  readonly prefer?: string | undefined;
}

export type OpenedTransfer =
  | {
      readonly ok: true;
      /** `verified`: the whole blob is present, and is only on its way into the store. */
      readonly how: 'started' | 'joined' | 'verified';
      /** The size of the whole blob that the client may be told. */
      readonly size: number | undefined;
      readonly endpoint: Endpoint | undefined;
      readonly trail: Trail;
      /** Bytes from `start` to before `end`, or to the blob's end. */
      reader(start: number, end?: number): ByteStream;
      /** As `fillTransfer`. */
      fill(signal: AbortSignal, tell: (present: number) => void): Promise<boolean>;
      /** Call it once all readers are closed. */
      close(): void;
    }
  | { readonly ok: false; readonly verdict: Verdict; readonly trail: Trail };

/** ms after which an untouched partial download is removed at start. */
const maxAge = 7 * 24 * 60 * 60 * 1000;

/** `limits` replaces single figures of `defaultLimits`, for tests. */
export function createTransfers(
  deps: TransfersDeps,
  settings: TransferSettings,
  options: { limits?: Partial<TransferLimits> } = {},
): Transfers {
  const limits: TransferLimits = { ...defaultLimits, ...options.limits };
  const budget = new MemoryBudget(settings.writeBehind, limits.writeBatch);
  let { fill } = settings;
  const running = new RunningTransfers();

  /** The bytes stay on disk for the next transfer. `left`: epoch ms. */
  function leave(file: PartialFile, bytes: number, left: number): void {
    deps.partialDownloads.add(file.path, { bytes, left, remove: () => file.drop() });
  }

  /** A transfer that is relayed takes no new readers: by now there may be capacity, or another size. */
  function ownOf(source: ByteSource, digest: Digest): Transfer | undefined {
    return running.of(digest).find((transfer) => transfer.sources.belongTo(source) && !transfer.isRelaying);
  }

  function find({ digest, source, confirmed, isLinked = false }: TransferRequest): Transfer | undefined {
    const mayRead = (transfer: Transfer) =>
      (isLinked && transfer.isVerified) || (confirmed !== undefined && transfer.admits(source, confirmed));
    return ownOf(source, digest) ?? running.of(digest).find(mayRead);
  }

  function start({ digest, source, size }: TransferRequest): Transfer {
    const transfer = new Transfer(shared, digest, source, size);
    running.add(transfer, deps.clock.now());
    deps.partialDownloads.hold(transfer.file.path);
    return transfer;
  }

  const shared: TransferDeps = {
    writev,
    keeps: undefined,
    ...deps,
    limits,
    budget,
    relayMemory: new RelayMemory(),
    distrust: createDistrustMemory(),
    contributorMemory: createContributorMemory(),
    fill: () => fill,
    unlist(transfer) {
      const { file } = transfer;
      // A file that was removed counts nowhere: its path may be that of a successor.
      const isLeft = running.delete(transfer) && file.leftBytes > 0;
      if (isLeft) leave(file.partial, file.leftBytes, deps.clock.now());
    },
  };

  return {
    couldJoin(source, digest) {
      return !ownOf(source, digest) && running.of(digest).some((transfer) => transfer.isFor(source));
    },
    isVerified: (digest) => running.of(digest).some((transfer) => transfer.isVerified),
    announcedSizeTo: (source, digest) => ownOf(source, digest)?.announcedSize,
    async settled(digest) {
      await Promise.all(running.of(digest).map((transfer) => transfer.settled()));
    },
    list: () => running.list(),
    get count() {
      return running.all.length;
    },
    get countForClients() {
      return running.all.filter(({ throttle }) => throttle.hasClients).length;
    },

    async open(request) {
      let found = find(request);
      // What it has given up is fetched again, once it has ended: its successor gets the same file.
      for (; request.mustKeep && found?.commit.isPassedOn; found = find(request)) await found.settled();
      const transfer = found ?? start(request);
      // The image's own endpoints may be asked from now on.
      if (!transfer.isVerified) transfer.sources.add(request.source);
      transfer.enter();
      transfer.throttle.enter(request);
      const leave = (): void => {
        transfer.throttle.leave(request);
        transfer.leave();
      };
      let opening: Awaited<ReturnType<Transfer['begin']>>;
      try {
        opening = await transfer.begin(request.start, request.end, request.prefer);
      } catch (error) {
        leave();
        throw error;
      }
      if (!opening.ok) {
        leave();
        return opening;
      }
      deps.metrics.transferRead(found ? 'joined' : 'started');
      const how = found ? (found.isVerified ? 'verified' : 'joined') : 'started';
      const announced = transfer.announcedSize ?? request.size;
      return openedTransfer(transfer, opening, { how, announced, leave });
    },

    async sweep(isStored) {
      const { resumable, removed } = await deps.incoming.sweep(isStored, deps.clock.now(), maxAge);
      for (const { file, bytes, modified } of resumable) leave(file, bytes, modified);
      if (resumable.length + removed === 0) return;
      const bytes = resumable.reduce((sum, one) => sum + one.bytes, 0);
      const swept = { event: 'transfer.swept', resumable: resumable.length, bytes, removed };
      deps.log.info(swept, 'looked through the incoming folder');
    },

    configure(next) {
      ({ fill } = next);
      budget.resize(next.writeBehind);
    },

    async close() {
      await Promise.all(running.all.map((transfer) => transfer.abandon()));
    },
  };
}

/** `leave` is called once, at the end of the use. */
function openedTransfer(
  transfer: Transfer,
  { endpoint, trail }: Opening & { readonly ok: true },
  use: {
    readonly how: 'started' | 'joined' | 'verified';
    readonly announced: number | undefined;
    readonly leave: () => void;
  },
): OpenedTransfer {
  const { how, announced, leave } = use;
  let isOpen = true;
  return {
    ok: true,
    how,
    size: announced,
    endpoint,
    trail,
    reader: (from, to) => transfer.reader(from, to, announced),
    fill: (signal, tell) => fillTransfer(transfer, signal, tell),
    close() {
      if (isOpen) leave();
      isOpen = false;
    },
  };
}
