/**
 * A registry that said 429 is left alone until the time that it named (`Retry-After`), by all work and not by one tag alone:
 *
 *   a pause of a few seconds .... work waits where it is, and goes on with what the pause has interrupted
 *   a longer one ................ the job waits until then, and runs again
 */
import { pause } from '../lib/flow/pause.ts';
import type { ImageName } from '../routing/target.ts';
import type { SyncDeps } from './sync-deps.ts';

/** Epoch ms at which the first host of the image may be asked again; undefined where one of them has asked for no pause. */
export function pausedUntil(
  { upstream: inForce }: Pick<SyncDeps, 'upstream'>,
  { registry, repository }: ImageName,
): number | undefined {
  const upstream = inForce();
  const hosts = new Set(upstream.endpoints({ registry, repository }).map(({ host }) => host));
  const pauses = new Map(
    upstream
      .health()
      .flatMap(({ host, coolingUntil }) =>
        hosts.has(host) && coolingUntil !== undefined ? [[host, coolingUntil] as const] : [],
      ),
  );
  return pauses.size === 0 || pauses.size < hosts.size ? undefined : Math.min(...pauses.values());
}

/** ms: a pause that work waits for where it is. */
const short = 5000;

/**
 * Waits until a short pause of the image's registry is over, or the signal is aborted. Gives whether there was one, and the registry may
 * be asked again.
 */
export async function sitOut(
  deps: Pick<SyncDeps, 'upstream' | 'clock'>,
  image: ImageName,
  signal: AbortSignal,
): Promise<boolean> {
  const { clock } = deps;
  const since = clock.monotonic();
  let until = pausedUntil(deps, image);
  const wasPaused = until !== undefined;
  while (until !== undefined && !signal.aborted) {
    const left = until - clock.now();
    if (clock.monotonic() + left - since > short) return false;
    await pause(clock, left, signal);
    until = pausedUntil(deps, image);
  }
  return wasPaused && !signal.aborted;
}
