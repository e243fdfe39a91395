/** The facts of this replica: its index (`FactBook`), and the parts of the cache that hear of what facts of others changed. */
import type { AppliedFacts } from '../index/facts/apply-facts.ts';
import type { FactBook, SettleOptions } from '../index/facts/fact-book.ts';
import type { FactPosition } from '../index/facts/fact-position.ts';

export interface SharedFacts extends Omit<FactBook, 'take' | 'settle'> {
  take(...taken: Parameters<FactBook['take']>): Promise<FactPosition | undefined>;
  settle(options: Omit<SettleOptions, 'around'>): Promise<void>;
}

/** `exclusively` runs what changes links while no sum of a quota changes otherwise. `changed` is called within it. */
export function createSharedFacts(
  book: FactBook,
  exclusively: <T>(work: () => Promise<T>) => Promise<T>,
  changed: (applied: AppliedFacts) => Promise<void>,
): SharedFacts {
  return {
    ...book,
    take: (...taken) =>
      exclusively(async () => {
        const result = await book.take(...taken);
        if (result) await changed(result.applied);
        return result?.position;
      }),
    settle: (options) =>
      book.settle({ ...options, around: (slice) => exclusively(async () => changed(slice())) }),
  };
}
