/** `entrepot pin [WHAT...]`, `entrepot unpin WHAT...`: what is never evicted. Both print the pins that stand afterwards. */
import type { LoadOptions } from '../../config/load.ts';
import { withAdministration } from '../administration.ts';
import type { Result } from '../output/result.ts';

/** Adds pins; without an argument, lists them. */
export function pin(what: readonly string[], options: LoadOptions): Promise<Result> {
  return change('pin', what, options);
}

/** Removes pins that commands made. Throws EntrepotError USAGE for another. */
export function unpin(what: readonly string[], options: LoadOptions): Promise<Result> {
  return change('unpin', what, options);
}

async function change(how: 'pin' | 'unpin', what: readonly string[], options: LoadOptions): Promise<Result> {
  const unmatched: string[] = [];
  const pins = await withAdministration(options, async (administration) => {
    for (const one of what) {
      if (how === 'unpin') await administration.unpin(one);
      else if (!(await administration.pin(one)).matches) unmatched.push(one);
    }
    return administration.pins();
  });
  const isEmpty = pins.configured.length + pins.added.length === 0;
  const lines = [
    ...(isEmpty ? ['nothing is pinned\n'] : how === 'unpin' ? ['still pinned:\n'] : []),
    ...pins.configured.map((one) => `${one} (entrepot.toml)\n`),
    ...pins.added.map((one) => `${one}\n`),
    ...unmatched.map(
      (one) => `note: nothing that is cached matches ${one}: what is cached later and matches stays\n`,
    ),
  ];
  return {
    exitCode: 0,
    json: how === 'pin' ? { ...pins, unmatched } : pins,
    text: lines.join(''),
  };
}
