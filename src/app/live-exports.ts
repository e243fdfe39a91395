/** Exports with the configuration in force. What a `[[sync]]` block selects is its plan; offline, what it has brought. */

import type { Exports } from '../airgap/export/export-request.ts';
import { createExports, type ExportsDeps } from '../airgap/export/exports.ts';
import type { WantedImage } from '../airgap/export/wanted-images.ts';
import type { OpenCache } from '../cache/open-cache.ts';
import { isAttached } from '../oci/attached-tags.ts';
import { parseDigest } from '../oci/digest.ts';
import { parseReference, parseTag } from '../oci/reference.ts';
import { namedBlocks, type Syncs } from '../replication/syncs.ts';
import type { LiveRoutes } from './live-routes.ts';

export interface LiveExportsDeps extends Pick<ExportsDeps, 'pull' | 'warm' | 'isListed'> {
  readonly routes: LiveRoutes;
  readonly cache: ExportsDeps['cache'] & Pick<OpenCache, 'admin' | 'selections'>;
  readonly syncs: Pick<Syncs, 'planSync'>;
}

/** Throws EntrepotError USAGE in `export` for a name that no block has. */
export function createLiveExports({ routes, cache, syncs, ...rest }: LiveExportsDeps): Exports {
  const blockOf = (name: string) => routes.current.settings.syncs.find((block) => block.name === name);
  const isOffline = () => routes.current.settings.upstream.offline;

  /** Tags and digests that the blocks have brought. */
  async function brought(names: readonly string[]) {
    const images: WantedImage[] = [];
    for (const { name, platforms } of namedBlocks(routes.current.settings.syncs, names)) {
      for await (const { image } of cache.admin.eachImage()) {
        const selected = await cache.selections.of(name, image);
        images.push(...selected.flatMap(({ tag }) => wanted(image, tag, platforms)));
      }
    }
    return { images, failures: [] };
  }

  /** What the blocks would bring now. */
  async function planned(names: readonly string[], signal: AbortSignal) {
    const images: WantedImage[] = [];
    const failures: string[] = [];
    for (const { name, problem, repositories } of await syncs.planSync(names, { signal })) {
      if (problem !== null) failures.push(`sync ${name}: ${problem}`);
      for (const { image, problem: why, tags } of repositories) {
        if (why !== null) failures.push(`${image}: ${why}`);
        for (const { tag, action, reason } of tags) {
          if (action === 'unknown') failures.push(`${image}:${tag}: ${reason}`);
          else if (action !== 'gone' && action !== 'remove') {
            images.push(...wanted(image, tag, blockOf(name)?.platforms ?? []));
          }
        }
      }
    }
    return { images, failures };
  }

  return createExports({
    ...rest,
    cache,
    admin: cache.admin,
    selectSynced: (names, signal) => (isOffline() ? brought(names) : planned(names, signal)),
  });
}

/** `tag`: may be a digest. Tags of signatures come along with their images. */
function wanted(image: string, tag: string, platforms: readonly string[]): readonly WantedImage[] {
  const name = parseReference(image);
  if (!name.ok || isAttached(tag)) return [];
  const { registry, repository } = name.value;
  const digest = parseDigest(tag);
  if (digest) return [{ reference: { registry, repository, digest }, platforms }];
  const parsed = parseTag(tag);
  return parsed ? [{ reference: { registry, repository, tag: parsed }, platforms }] : [];
}
