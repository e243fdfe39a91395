/** What plans and runs of `[[sync]]` blocks are made from. */
import type { Cache } from '../cache/cache.ts';
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { Selections } from '../cache/index/selections/selections.ts';
import type { SyncBlock } from '../config/sync-config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Pull } from '../pull/pull.ts';
import type { WarmOptions, WarmReference, WarmReport } from '../pull/warm-image.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { BringOptions } from './planned-tag.ts';
import type { ReplicaBook } from './replicas/replica-book.ts';

export interface SyncDeps {
  /** Of the configuration in force. */
  readonly upstream: () => Pick<
    Upstream,
    'listTags' | 'listReferrers' | 'listRepositories' | 'headManifest' | 'endpoints' | 'health' | 'isOffline'
  >;
  readonly pull: Pick<Pull, 'manifest' | 'blob' | 'expire'>;
  readonly warm: (reference: WarmReference, options: WarmOptions) => Promise<WarmReport>;
  readonly cache: Pick<Cache, 'tag' | 'tags' | 'setTag' | 'dropTag' | 'setList'>;
  readonly admin: Pick<CacheAdmin, 'children' | 'serves' | 'eachImage' | 'isPinned'>;
  readonly selections: Selections;
  /** Of the configuration in force. */
  readonly blocks: () => readonly SyncBlock[];
  /** Whether the configuration names this registry. */
  readonly isListed: (registry: string) => boolean;
  /** Whether a `[[push]]` rule keeps this image from every endpoint. */
  readonly isLocal: (image: string) => boolean;
  /** Where the state of each tag is written down. */
  readonly replicas: ReplicaBook;
  readonly clock: Clock;
}

/** Of one run. */
export interface SyncOptions extends BringOptions {
  readonly signal: AbortSignal;
  /** A person has looked at what goes: `max_delete` does not hold. */
  readonly allowsDelete: boolean;
  /** A person wants it now: the window of the block does not hold. */
  readonly ignoresWindow: boolean;
}
