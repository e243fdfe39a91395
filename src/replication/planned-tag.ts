/** What is planned for one tag of a repository, and the work that it is a part of. */
import type { SyncBlock } from '../config/sync-config.ts';
import type { Pace } from '../lib/flow/pace.ts';
import type { Digest } from '../oci/digest.ts';
import type { Tag } from '../oci/reference.ts';
import type { WarmProgress } from '../pull/warm-image.ts';
import type { ImageName } from '../routing/target.ts';

export type TagAction = 'add' | 'move' | 'same' | 'refused' | 'hosted' | 'gone' | 'remove' | 'unknown';

/** Goes out as JSON. */
export interface PlannedTag {
  /** A digest where the block selects by digest. */
  readonly tag: Tag | Digest;
  readonly action: TagAction;
  /** What the registry says now; of `gone`, `remove` and `hosted`, what is here. */
  readonly digest: Digest | null;
  /** What is here. */
  readonly was: Digest | null;
  /** Bytes that are missing, where the manifests that are here tell. */
  readonly bytes: number | null;
  /** Why, in one sentence, where the action alone does not say it. */
  readonly reason: string | null;
  /** endpointKey of the one that said so; null if none was asked. */
  readonly endpoint: string | null;
  /** Of `gone`: the time (ISO 8601) before which it is not removed; null if it stays for another reason. */
  readonly until: string | null;
  /** Of `unknown`: every endpoint says 404. */
  readonly isAbsent?: true;
}

/** One block at work on one repository. */
export interface RepositoryWork {
  readonly block: SyncBlock;
  readonly image: ImageName;
  readonly isImmutable: (tag: string) => boolean;
  readonly signal: AbortSignal;
  /** Of all transfers of the run together. */
  readonly pace?: Pace | undefined;
  /** What is not listed is no step towards a removal: an event asks for it, or the list is an old one. */
  readonly losesNothing?: boolean;
}

/** Whether a name is a tag, and no digest. */
export function isTag(name: Tag | Digest): name is Tag {
  return !name.includes(':');
}

/** How what a tag needs is brought. */
export interface BringOptions {
  readonly onProgress: (progress: WarmProgress) => void;
  /** Awaited before each tag and each blob that is brought; a job lets clients go first. */
  readonly turn: () => Promise<void>;
}
