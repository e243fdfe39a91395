/**
 * Brings quotas back within their limits. Content of one quota is sparse in the order of eviction. So a search resumes where the last
 * one of the same quota stopped. If a full pass could not free enough, there is no search until the usage of the quota has grown.
 */
import type { Position } from '../index/eviction-order.ts';
import type { Progress, Search } from './eviction.ts';
import type { Quota } from './quotas.ts';

export interface QuotaSearches {
  /** Evicts for a quota that is exceeded. True: the search did not begin at the start, so another one may free more. */
  keep(quota: Quota): Promise<boolean>;
  /** Limits or pins have changed: what was in vain before may not be now. */
  forget(): void;
}

/** A quota that is full is emptied a little further, so that not every blob starts a search. */
const slack = 0.05;

/** `search` evicts until it has freed enough, or there is no more. */
export function createQuotaSearches(
  search: (wanted: Omit<Search, 'freed'>) => Promise<{ progress: Progress; state: Search }>,
): QuotaSearches {
  const searches = new Map<Quota, { after: Position | undefined; hopeless: number }>();
  return {
    async keep(quota) {
      const past = searches.get(quota);
      if (past && quota.bytes <= past.hopeless) return false;
      const needed = quota.bytes - quota.maxSize * (1 - slack);
      const { progress, state } = await search({ quota, needed, after: past?.after });
      if (progress === 'enough') {
        searches.set(quota, { after: state.after, hopeless: 0 });
        return false;
      }
      if (past?.after) {
        searches.delete(quota);
        return true;
      }
      searches.set(quota, { after: undefined, hopeless: quota.bytes });
      return false;
    },
    forget: () => searches.clear(),
  };
}
