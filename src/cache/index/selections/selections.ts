/**
 * The Selections: which tags each `[[sync]]` block has brought and selects, and since when it does not select one any more. The
 * removal of tags goes by them, and so do the pins of blocks.
 *
 * A selection may be of a tag that is not here (any more), and of a digest that is selected by itself: then `tag` is the digest. Every
 * method rejects when the index cannot be read or written. What a damaged index loses comes back with the next run of the block: until
 * then nothing of it is removed.
 */
import type { Digest } from '../../../oci/digest.ts';

export interface Selection {
  readonly tag: string;
  /** What the tag means, as the registry said last. */
  readonly digest: Digest;
  /** Not selected any more; undefined: it is selected. */
  readonly gone: Gone | undefined;
}

export interface Gone {
  /** Epoch ms of the first listing without it. */
  readonly since: number;
  /** Complete listings in a row without it. */
  readonly listings: number;
}

export interface SelectionChange {
  readonly put: readonly Selection[];
  /** Tags whose selections are forgotten. */
  readonly drop: readonly string[];
}

export interface Selections {
  /** What the block has selected of the image, sorted by tag. */
  of(block: string, image: string): Promise<readonly Selection[]>;
  /** Images of which the block has selections. */
  images(block: string): Promise<readonly string[]>;
  /** What each block says of the tag, by block. */
  ofTag(image: string, tag: string): Promise<readonly (Selection & { readonly block: string })[]>;
  /** Selections of the block, gone ones as well. */
  count(block: string): Promise<number>;
  /** In one transaction. Where a selection goes, or means another digest from now on, eviction looks at all pins anew. */
  change(block: string, image: string, change: SelectionChange): Promise<void>;
  /** Forgets the selections of all blocks but these. */
  keepOnly(blocks: readonly string[]): Promise<void>;
}
