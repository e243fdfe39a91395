/**
 * What is never evicted: the patterns of the configuration, and those that administrators added while the server ran. The
 * catalogue keeps the latter. Eviction marks the contents that it finds pinned; the marks go when the patterns change.
 */
import { type NamePattern, namePattern } from '../../lib/name-patterns.ts';
import type { Catalogue } from '../index/catalogue.ts';
import type { EvictionOrder } from '../index/eviction-order.ts';

export interface Pins {
  /** Matches `registry/repository` and `registry/repository:tag`; undefined where nothing is pinned. */
  readonly pattern: NamePattern | undefined;
  readonly configured: readonly string[];
  readonly added: readonly string[];
  /**
   * Puts the patterns of the configuration in force, with those that the catalogue has. Until the first call nothing is pinned. This
   * and the next two reject when the index cannot be written; then all stays as it was.
   */
  configure(patterns: readonly string[]): Promise<void>;
  /** False where the pattern was added before. */
  add(pattern: string): Promise<boolean>;
  /** False where the pattern was not added. */
  remove(pattern: string): Promise<boolean>;
  /** Writes all of them to an index that is new. */
  rewrite(): Promise<void>;
}

export interface PinsDeps {
  readonly catalogue: Pick<Catalogue, 'pins' | 'pin' | 'unpin'>;
  readonly order: Pick<EvictionOrder, 'pinsAre'>;
}

interface Patterns {
  readonly configured: readonly string[];
  readonly added: readonly string[];
}

const allOf = ({ configured, added }: Patterns) => [...configured, ...added];

/** See `Pins.configure`, which is to be called first. */
export function createPins({ catalogue, order }: PinsDeps): Pins {
  let now: Patterns = { configured: [], added: [] };
  let pattern: NamePattern | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** One change at a time. */
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const mine = last.then(change);
    last = mine.catch(() => {});
    return mine;
  }

  /** The marks go before the patterns are kept: a mark that is missing does no harm. */
  async function change(next: Patterns, write?: () => Promise<void>): Promise<void> {
    await order.pinsAre(allOf(next));
    try {
      await write?.();
    } catch (error) {
      await order.pinsAre(allOf(now)).catch(() => {});
      throw error;
    }
    now = next;
    pattern = namePattern(allOf(now));
  }

  return {
    get pattern() {
      return pattern;
    },
    get configured() {
      return now.configured;
    },
    get added() {
      return now.added;
    },
    configure: (configured) => inTurn(async () => change({ configured, added: await catalogue.pins() })),
    add: (wanted) =>
      inTurn(async () => {
        const { configured, added } = now;
        if (added.includes(wanted)) return false;
        await change({ configured, added: [...added, wanted] }, () => catalogue.pin(wanted));
        return true;
      }),
    remove: (wanted) =>
      inTurn(async () => {
        const { configured, added } = now;
        if (!added.includes(wanted)) return false;
        const rest = added.filter((other) => other !== wanted);
        await change({ configured, added: rest }, () => catalogue.unpin(wanted));
        return true;
      }),
    rewrite: () =>
      inTurn(async () => {
        for (const one of now.added) await catalogue.pin(one);
        await order.pinsAre(allOf(now));
      }),
  };
}
