/** Replicas of an index that exchange facts by one log: the index in memory, without the rest of the cache. */
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { type CacheIndex, createCacheIndex } from '../../src/cache/index/cache-index.ts';
import { createSharing } from '../../src/cache/index/facts/sharing.ts';
import { openIndex, setAsideIndex } from '../../src/cache/index/open-index.ts';
import { createSelfRepairingIndex } from '../../src/cache/index/self-repairing-index.ts';
import { createFactExchange, type FactExchange } from '../../src/cache/shared/fact-exchange.ts';
import type { FactLog } from '../../src/cache/shared/facts.ts';
import { createSharedFacts } from '../../src/cache/shared/shared-facts.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { LineFields } from '../../src/telemetry/log.ts';
import { eventually } from './eventually.ts';

export interface FactReplica extends Pick<CacheIndex, 'catalogue' | 'inventory'> {
  readonly index: CacheIndex;
  readonly exchange: FactExchange;
  readonly lines: LineFields[];
  /** `image digest`: what facts of others took out of images here. */
  readonly unlinked: readonly string[];
  /** Nothing waits, and the log had nothing new after this call. */
  settled(): Promise<void>;
  stop(): Promise<void>;
}

export interface ReplicaOptions {
  /** The file of the index. Default: in memory. */
  readonly path?: string;
  readonly clock?: Clock;
  readonly origin?: string;
}

export async function startReplica(
  t: Pick<TestContext, 'after'>,
  log: FactLog,
  { path = ':memory:', clock = systemClock, origin = randomUUID() }: ReplicaOptions = {},
): Promise<FactReplica> {
  const rows = openIndex(path, clock.now()).index;
  const repairing = createSelfRepairingIndex(
    { index: rows, setAside: undefined },
    {
      setAside: () => setAsideIndex(path, clock.now()),
      open: () => openIndex(path, clock.now()),
      makeRoom: () => false,
    },
  );
  const sharing = createSharing(clock, rows.lastStamp(), origin);
  const index = createCacheIndex(repairing, () => [], sharing);
  index.interruptReplicas();
  const { facts: book } = index;
  if (!book) throw new Error('facts are shared');
  const lines: LineFields[] = [];
  const write = (fields: LineFields) => void lines.push(fields);
  const unlinked: string[] = [];
  const facts = createSharedFacts(book, {
    contents: {
      left: (image, some) => void unlinked.push(...some.map(({ digest }) => `${image} ${digest}`)),
    },
    quotas: { exclusively: (work) => work(), recharge() {} },
    pins: { async reread() {} },
    capacity: { check() {} },
  });
  const exchange = createFactExchange({
    log,
    facts,
    clock,
    lines: { info: write, warn: write, error: write },
  });
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= exchange.stop().then(index.close);
    return stopping;
  };
  t.after(stop);
  return {
    index,
    catalogue: index.catalogue,
    inventory: index.inventory,
    exchange,
    lines,
    unlinked,
    stop,
    async settled() {
      await eventually('all facts are exchanged', async () => {
        if (book.countWaiting() > 0) return false;
        const { seq } = (await book.position()) ?? { seq: -1 };
        // The log may be away for a moment.
        const more = await log.after(seq, 1).catch(() => undefined);
        return seq >= 0 && more?.length === 0;
      });
    },
  };
}

/** All that a catalogue says of these images. */
export async function contentsOf(
  { catalogue, index }: Pick<FactReplica, 'catalogue' | 'index'>,
  images: readonly string[],
): Promise<unknown> {
  const said = [];
  for (const image of images) {
    const tags = await catalogue.tags(image);
    const links = (await catalogue.linkedBy(image)).toSorted();
    said.push({
      image,
      tags: await Promise.all(tags.map(async (tag) => [tag, await catalogue.tag(image, tag)])),
      links: await Promise.all(
        links.map(async (digest) => [digest, await catalogue.originOf(image, digest)]),
      ),
      lists: [(await catalogue.list(image, 'tags', ''))?.bytes.toString()],
      states: await index.replicas.ofImage(image),
      selections: await index.selections.of('team', image),
    });
  }
  return { said, pins: (await catalogue.pins()).toSorted() };
}
