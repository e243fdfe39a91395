/** The facts of this replica: its index (`FactBook`), and the parts of the cache that hear of what facts of others changed. */
import type { Capacity } from '../capacity/capacity.ts';
import type { Pins } from '../capacity/pins.ts';
import type { Quotas } from '../capacity/quotas.ts';
import type { Contents } from '../contents.ts';
import type { AppliedFacts } from '../index/facts/apply-facts.ts';
import type { FactBook, SettleOptions } from '../index/facts/fact-book.ts';
import type { FactPosition } from '../index/facts/fact-position.ts';

export interface SharedFacts extends Omit<FactBook, 'take' | 'settle'> {
  take(...taken: Parameters<FactBook['take']>): Promise<FactPosition | undefined>;
  settle(options: Omit<SettleOptions, 'around'>): Promise<void>;
}

export interface SharedFactsDeps {
  readonly contents: Pick<Contents, 'left'>;
  readonly quotas: Pick<Quotas, 'exclusively' | 'recharge'>;
  readonly pins: Pick<Pins, 'reread'>;
  readonly capacity: Pick<Capacity, 'check'>;
}

/** What changes links runs while no sum of a quota changes otherwise. */
export function createSharedFacts(book: FactBook, deps: SharedFactsDeps): SharedFacts {
  const { contents, quotas, pins, capacity } = deps;

  async function changed({ linked, unlinked, pins: arePins }: AppliedFacts): Promise<void> {
    for (const change of linked) quotas.recharge(change);
    for (const { image, content } of unlinked) contents.left(image, [content]);
    if (linked.length > 0) capacity.check();
    if (arePins) await pins.reread();
  }

  return {
    ...book,
    take: (...taken) =>
      quotas.exclusively(async () => {
        const result = await book.take(...taken);
        if (result) await changed(result.applied);
        return result?.position;
      }),
    settle: (options) =>
      book.settle({ ...options, around: (slice) => quotas.exclusively(async () => changed(slice())) }),
  };
}
