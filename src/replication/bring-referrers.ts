/**
 * Brings what is attached to an image here: the referrers of each of its manifests, as the API lists them (or the fallback tag, where
 * the registry has no API). It costs one list for each manifest of the image, and what is new. The lists are kept, so that clients get
 * them without the registry.
 */
import { reasonOf } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import { readManifest } from '../oci/manifest.ts';
import { mediaTypes } from '../oci/media-types.ts';
import { emptyReferrers } from '../pull/list-referrers.ts';
import { verdictText } from '../pull/verdict-text.ts';
import { closureOf } from './closure.ts';
import type { BringOptions, RepositoryWork } from './planned-tag.ts';
import type { SyncDeps } from './sync-deps.ts';
import { wantedReferrers } from './wanted-referrers.ts';

export interface BroughtReferrers {
  /** Fetched. */
  readonly bytes: number;
  /** What could not be had, in sentences. */
  readonly failures: readonly string[];
}

/** Resolves where a registry fails, too. `root`: a manifest that is here. */
export async function bringReferrers(
  deps: SyncDeps,
  work: RepositoryWork,
  root: Digest,
  options: BringOptions,
): Promise<BroughtReferrers> {
  const { block, image, signal } = work;
  const { manifests } = await closureOf(deps.admin, image.name, { root, platforms: block.platforms });
  let bytes = 0;
  const failures: string[] = [];
  for (const subject of manifests) {
    if (signal.aborted) {
      failures.push(`the referrers of ${subject} were not listed: ${reasonOf(signal.reason)}`);
      break;
    }
    const brought = await referrersOf(deps, work, subject, options);
    bytes += brought.bytes;
    failures.push(...brought.failures);
  }
  return { bytes, failures };
}

/** The same for one manifest alone. */
export async function referrersOf(
  deps: SyncDeps,
  { block, image, signal, pace }: RepositoryWork,
  subject: Digest,
  options: BringOptions,
): Promise<BroughtReferrers> {
  const { registry, repository, name } = image;
  await deps.pull.expire({ kind: 'referrers', image, subject });
  const asked = { signal, peers: false } as const;
  const listed = await deps.upstream().listReferrers({ registry, repository }, subject, asked);
  if (!listed.ok && listed.verdict.kind !== 'notFound') {
    const why = verdictText(listed.verdict, listed.trail);
    return { bytes: 0, failures: [`the referrers of ${subject} could not be listed: ${why}`] };
  }
  const list = listed.ok ? listed.value : emptyReferrers;
  await deps.cache.setList(name, 'referrers', subject, list);
  let bytes = 0;
  const failures: string[] = [];
  const index = readManifest(list, mediaTypes.ociIndex);
  const children = 'problem' in index ? [] : index.children;
  const wanted = await wantedReferrers(deps.pull, image, children, block.referrers);
  failures.push(...wanted.failures);
  for (const digest of wanted.digests) {
    const how = { platforms: [], signal, pace, ...options };
    const attached = await deps.warm({ registry, repository, digest }, how);
    bytes += attached.fetched;
    failures.push(...attached.failures);
  }
  return { bytes, failures };
}
