/**
 * What stands in <main>, made once for all viewers that look at the same page: fifty of them cost about as much as one. The script
 * asks for it after each change.
 */
import type { Clock } from '../lib/clock.ts';

/** ms for which a part is given again. */
const life = 1000;
const maxParts = 64;
const encoder = new TextEncoder();

/** Calls `make` once a second for each `key`, however many ask. Gives its text as UTF-8. */
export function createSharedParts(
  clock: Clock,
): (key: string, make: () => Promise<string>) => Promise<Uint8Array<ArrayBuffer>> {
  const parts = new Map<string, { readonly at: number; readonly made: Promise<Uint8Array<ArrayBuffer>> }>();
  return (key, make) => {
    const now = clock.monotonic();
    const known = parts.get(key);
    if (known && now - known.at < life) return known.made;
    for (const [old, { at }] of parts) if (now - at >= life || parts.size >= maxParts) parts.delete(old);
    const made = make().then((text) => encoder.encode(text));
    parts.set(key, { at: now, made });
    made.catch(() => parts.delete(key));
    return made;
  };
}
