/**
 * What a complete listing means for the tags that a block has brought (`Selections`), and which tags may go. Pure.
 *
 *   selected ...................................... selected, whatever was before
 *   brought, and not selected any more ............ gone: since then, in one listing more
 *   matches the block, here, not listed ........... the same: it need not have been the block that brought it
 *   hosted ........................................ none of the block's
 *
 * Events may ask for many listings in a moment, so a listing for an event makes nothing gone, and counts none that is. Nor does one that
 * another Entrepot gives while it cannot ask its registry.
 *
 * A listing that selects nothing changes nothing: an empty answer is what a broken registry gives. What it lacks is told.
 */
import type { Gone, Selection, SelectionChange } from '../../cache/index/selections/selections.ts';
import type { SyncBlock, SyncRemoval } from '../../config/sync-config.ts';
import type { Digest } from '../../oci/digest.ts';

/** What one complete listing of an image shows. */
export interface Seen {
  /** Tags that the block selects, with what they mean; undefined: not known at this time. */
  readonly selected: ReadonlyMap<string, Digest | undefined>;
  /** Tags here that match the block and are not listed, with what they mean here. */
  readonly unlisted: ReadonlyMap<string, Digest>;
  /** Tags here that are hosted. */
  readonly hosted: ReadonlySet<string>;
  /** It was asked for by an event, or it is an old one. */
  readonly losesNothing: boolean;
}

/** Listings in a row without a tag, before it may go. */
const enoughListings = 2;
/** A share never means fewer tags. */
const leastByShare = 20;

/** What one complete listing changes. */
export interface SeenChange extends SelectionChange {
  /** Tags here that are not listed, of a listing that selects nothing, with what they mean here: they stay. */
  readonly kept: ReadonlyMap<string, Digest>;
}

const none: ReadonlyMap<string, Digest> = new Map();

/** How the selections of the block change; those that are gone are among `put`. `now`: epoch ms. */
export function changeBy(known: readonly Selection[], seen: Seen, now: number): SeenChange {
  const { selected, unlisted, hosted, losesNothing } = seen;
  if (selected.size === 0) return { put: [], drop: [], kept: unlisted };
  const before = new Map(known.map((one) => [one.tag, one]));
  const put: Selection[] = [];
  for (const [tag, told] of selected) {
    const one = before.get(tag);
    const digest = told ?? one?.digest;
    if (digest && !hosted.has(tag) && (one?.digest !== digest || one.gone)) {
      put.push({ tag, digest, gone: undefined });
    }
  }
  const brought = [...before].map(([tag, { digest }]) => [tag, digest] as const);
  for (const [tag, digest] of losesNothing ? [] : new Map([...unlisted, ...brought])) {
    if (selected.has(tag) || hosted.has(tag)) continue;
    put.push({ tag, digest, gone: onceMore(before.get(tag)?.gone, now) });
  }
  return { put, drop: known.flatMap(({ tag }) => (hosted.has(tag) ? [tag] : [])), kept: none };
}

/** After one complete listing more without the tag. */
export function onceMore(gone: Gone | undefined, now: number): Gone {
  const { since = now, listings = 0 } = gone ?? {};
  return { since, listings: listings + 1 };
}

/** From when on a tag may go, epoch ms; undefined: not by this block. */
export function goesFrom({ since }: Gone, { removal }: Pick<SyncBlock, 'removal'>): number | undefined {
  return removal && since + removal.grace;
}

/** Whether the block lets the tag go now. */
export function letsGo(gone: Gone | undefined, block: Pick<SyncBlock, 'removal'>, now: number): boolean {
  if (!gone || gone.listings < enoughListings) return false;
  const from = goesFrom(gone, block);
  return from !== undefined && from <= now;
}

/** Tags that one run may remove, of a block with so many selections. */
export function mostOf({ most }: SyncRemoval, selections: number): number {
  return 'count' in most ? most.count : Math.max(leastByShare, Math.floor(selections * most.share));
}
