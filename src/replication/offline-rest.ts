/** With `upstream.offline` no job asks a registry: it waits, and says so. */
import type { JobOutcome } from '../jobs/job.ts';
import type { Clock } from '../lib/clock.ts';
import type { Upstream } from '../upstream/upstream.ts';

/** ms after which a job that rests looks again: a reload may have ended the mode. */
const lookAgain = 60_000;

/** The outcome of a job that rests; undefined where registries may be asked. */
export function restOffline({
  upstream,
  clock,
}: {
  readonly upstream: () => Pick<Upstream, 'isOffline'>;
  readonly clock: Pick<Clock, 'now'>;
}): JobOutcome | undefined {
  if (!upstream().isOffline) return undefined;
  const reason = 'this server is offline (upstream.offline in entrepot.toml): no registry is asked';
  return { kind: 'later', reason, at: clock.now() + lookAgain };
}
