/** How fast transfers get bytes: between two looks at them, or since they began. */
import type { Clock } from '../../lib/clock.ts';
import type { TransferNow } from '../../transfer/transfer-now.ts';

/** Bytes per second of each transfer, in their order; undefined at its begin. */
export type TransferRates = (transfers: readonly TransferNow[]) => readonly (number | undefined)[];

interface Look {
  /** Epoch ms. */
  readonly at: number;
  readonly present: number;
  readonly rate: number | undefined;
}

/** ms. Looks that follow each other faster get the same figure. */
const shortest = 900;
/** ms. A look that is older says nothing of now. */
const longest = 10_000;

/** Remembers the last look at each transfer that is under way. */
export function createTransferRates(clock: Pick<Clock, 'now'>): TransferRates {
  let looks = new Map<string, Look>();

  function lookAt({ present, began }: TransferNow, before: Look | undefined): Look {
    const at = clock.now();
    const since = before && at - before.at;
    if (before && since !== undefined && since < shortest) return before;
    // Bytes that were wrong are thrown away, so there may be fewer than before.
    const isRecent =
      before !== undefined && since !== undefined && since <= longest && present >= before.present;
    const [ms, bytes] = isRecent ? [since, present - before.present] : [at - began, present];
    return { at, present, rate: ms < shortest ? undefined : Math.round((bytes * 1000) / ms) };
  }

  return (transfers) => {
    const next = new Map<string, Look>();
    const rates = transfers.map((transfer) => {
      const key = `${transfer.digest} ${transfer.images[0]} ${transfer.began}`;
      const look = lookAt(transfer, looks.get(key));
      next.set(key, look);
      return look.rate;
    });
    looks = next;
    return rates;
  };
}
