/** A registry that said 429 is left alone until the time that it named (`Retry-After`), by all work and not by one tag alone. */
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
