/** What an action did, kept for a minute between its answer (303) and the page that shows it. */
import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';

export interface Notices {
  /** Gives the name under which the next page finds it. */
  keep(text: string): string;
  find(name: string | null): string | undefined;
}

const life = 60_000;

/** They are few: the oldest makes room. */
export function createNotices(): Notices {
  const texts = new LRUCache<string, string>({ max: 200, ttl: life });
  return {
    keep(text) {
      const name = randomBytes(12).toString('base64url');
      texts.set(name, text);
      return name;
    },
    find: (name) => (name === null ? undefined : texts.get(name)),
  };
}
