/** An inbox over any job store: it looks at every job each time. For tests that need no file. */
import type { InboxBounds, JobInbox, Notice, Taken } from '../../src/jobs/job-inbox.ts';
import type { JobStore } from '../../src/jobs/job-store.ts';

/** As safe as its store, but not in one transaction. */
export function createMemoryInbox(store: JobStore): JobInbox {
  /** Fingerprints in the order in which they came, with their times. */
  const known = new Map<string, number>();

  async function fits({ kind, key, cause }: Notice['jobs'][0], most: number): Promise<boolean> {
    const all = await store.list({ limit: Number.MAX_SAFE_INTEGER });
    const joins = all.some(
      (one) => one.kind === kind && one.key === key && (one.state === 'pending' || one.state === 'failed'),
    );
    return joins || all.filter((one) => one.state === 'pending' && one.cause === cause).length < most;
  }

  async function take({ fingerprint, jobs }: Notice, bounds: InboxBounds, now: number): Promise<Taken> {
    if (fingerprint !== undefined) {
      if (known.has(fingerprint)) return 'known';
      known.set(fingerprint, now);
    }
    for (const [at, job] of jobs.entries()) {
      if (at < jobs.length - 1 && !(await fits(job, bounds.waiting * (at + 1)))) continue;
      await store.add(job, now).catch((error: unknown) => {
        if (fingerprint !== undefined) known.delete(fingerprint);
        throw error;
      });
      return at === 0 ? 'added' : 'gathered';
    }
    throw new Error('the last one is always added');
  }

  return {
    async take(notices, bounds, now) {
      for (const [fingerprint, taken] of known) {
        if (known.size > bounds.remembered || taken < now - bounds.age) known.delete(fingerprint);
      }
      const results: Taken[] = [];
      for (const notice of notices) results.push(await take(notice, bounds, now));
      return results;
    },
  };
}
