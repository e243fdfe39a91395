/** How long a tag is taken at its word: by the first rule that matches `registry/repository:tag`, else by the general value. */
import type { ServerConfig } from '../config/config.ts';
import { namePattern } from '../lib/name-patterns.ts';

/** Milliseconds for which the tag need not be asked about again. */
export type Freshness = (image: string, tag: string) => number;

/**
 * Whether what was confirmed at `checkedAt` (epoch ms) need not be asked about again. A time later than now comes from a clock
 * that was ahead: such a confirmation counts as old.
 */
export function isFresh(checkedAt: number, now: number, ms: number): boolean {
  return checkedAt <= now && now - checkedAt < ms;
}

/** The first rule that matches wins. */
export function createFreshness(config: Pick<ServerConfig['freshness'], 'tag' | 'rules'>): Freshness {
  const rules = config.rules.map(({ match, tag }) => ({ matches: namePattern([match]), ms: tag }));
  if (rules.length === 0) return () => config.tag;
  return (image, tag) => rules.find(({ matches }) => matches?.(`${image}:${tag}`))?.ms ?? config.tag;
}
