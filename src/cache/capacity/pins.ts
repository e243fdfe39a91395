/**
 * What is never evicted: the patterns of the configuration, those that administrators added while the server ran, and what a
 * `[[sync]]` block with `pin = true` selects. The catalogue keeps the added ones, and what each block selects. Eviction marks the
 * contents that it finds pinned; the marks go when the patterns change.
 */
import { type NamePattern, namePattern } from '../../lib/name-patterns.ts';
import type { Catalogue, Names } from '../index/catalogue.ts';
import type { EvictionOrder } from '../index/eviction-order.ts';

export type PinRule = (names: Names) => boolean;

export interface Pins {
  /** Matches `registry/repository` and `registry/repository:tag`; undefined where nothing is pinned. */
  readonly pattern: NamePattern | undefined;
  readonly configured: readonly string[];
  readonly added: readonly string[];
  /** Whether a content of these names is pinned; undefined where nothing is. */
  readonly rule: PinRule | undefined;
  /**
   * Puts the patterns and the pinning blocks of the configuration in force, with the patterns that the catalogue has. Until the first
   * call nothing is pinned. This and the next two reject when the index cannot be written; then all stays as it was.
   */
  configure(patterns: readonly string[], blocks?: readonly string[]): Promise<void>;
  /** False where the pattern was added before. */
  add(pattern: string): Promise<boolean>;
  /** False where the pattern was not added. */
  remove(pattern: string): Promise<boolean>;
  /** Takes over what the catalogue has: another replica added or removed a pattern. */
  reread(): Promise<void>;
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
  /** Names of `[[sync]]` blocks. */
  readonly blocks: readonly string[];
}

const patternsOf = ({ configured, added }: Patterns) => [...configured, ...added];
/** No pattern has a blank. */
const allOf = (all: Patterns) => [...patternsOf(all), ...all.blocks.map((block) => `[[sync]] ${block}`)];

/** See `Pins.configure`, which is to be called first. */
export function createPins({ catalogue, order }: PinsDeps): Pins {
  let now: Patterns = { configured: [], added: [], blocks: [] };
  let pattern: NamePattern | undefined;
  let rule: PinRule | undefined;
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
    pattern = namePattern(patternsOf(now));
    rule = ruleOf(pattern, now.blocks);
  }

  return {
    get pattern() {
      return pattern;
    },
    get rule() {
      return rule;
    },
    get configured() {
      return now.configured;
    },
    get added() {
      return now.added;
    },
    configure: (configured, blocks = []) =>
      inTurn(async () => change({ configured, added: await catalogue.pins(), blocks })),
    add: (wanted) =>
      inTurn(async () => {
        const { added } = now;
        if (added.includes(wanted)) return false;
        await change({ ...now, added: [...added, wanted] }, () => catalogue.pin(wanted));
        return true;
      }),
    remove: (wanted) =>
      inTurn(async () => {
        const { added } = now;
        if (!added.includes(wanted)) return false;
        const rest = added.filter((other) => other !== wanted);
        await change({ ...now, added: rest }, () => catalogue.unpin(wanted));
        return true;
      }),
    reread: () => inTurn(async () => change({ ...now, added: await catalogue.pins() })),
    rewrite: () =>
      inTurn(async () => {
        for (const one of now.added) await catalogue.pin(one);
        await order.pinsAre(allOf(now));
      }),
  };
}

function ruleOf(pattern: NamePattern | undefined, blocks: readonly string[]): PinRule | undefined {
  if (!pattern && blocks.length === 0) return undefined;
  const matches = pattern ?? (() => false);
  return ({ images, tags, selectedBy }) =>
    images.some(matches) || tags.some(matches) || selectedBy.some((block) => blocks.includes(block));
}
