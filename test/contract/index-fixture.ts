/** Contents for the contract suites of the index. */
import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { Catalogue, NewLink } from '../../src/cache/index/catalogue.ts';
import type { EvictionOrder, Position } from '../../src/cache/index/eviction-order.ts';
import type { HostedBlob, Inventory } from '../../src/cache/index/inventory.ts';
import type { Listing } from '../../src/cache/index/listing.ts';
import type { Selections } from '../../src/cache/index/selections/selections.ts';
import { type Digest, parseDigest } from '../../src/oci/digest.ts';
import { mediaTypes } from '../../src/oci/media-types.ts';

export interface Seams {
  readonly catalogue: Catalogue;
  readonly inventory: Inventory;
  readonly order: EvictionOrder;
  readonly listing: Listing;
  readonly selections: Selections;
}

/** Opens an empty index, and closes it after the test. */
export type OpenIndex<Needed extends keyof Seams = keyof Seams> = (
  t: TestContext,
) => Promise<Pick<Seams, Needed>>;

const layerType = 'application/vnd.oci.image.layer.v1.tar';

/** The SHA-256 of a name, so that tests can tell contents apart. */
export function named(name: string): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(name).digest('hex')}`)!;
}

/** All slices of it. */
export async function unlistedHosted(inventory: Inventory, before: number): Promise<readonly HostedBlob[]> {
  const all: HostedBlob[] = [];
  for (let after: Position | undefined; ; ) {
    const { blobs, next } = await inventory.unlistedHosted(before, after);
    all.push(...blobs);
    if (next === undefined) return all;
    after = next;
  }
}

export interface Added {
  /** Last use, epoch ms. Default: 1. */
  readonly used?: number;
  readonly links?: readonly NewLink[];
}

export function addBlob(inventory: Inventory, name: string, size: number, added: Added = {}): Promise<void> {
  return inventory.add({ digest: named(name), size }, added.links ?? [], added.used ?? 1);
}

/** Adds a manifest of 10 bytes that lists contents by their names; the length of a name is the size that it gives. */
export function addManifest(
  inventory: Inventory,
  name: string,
  children: readonly string[],
  { used = 1, links = [] }: Added = {},
): Promise<void> {
  const listed = children.map((child) => ({
    digest: named(child),
    size: child.length,
    mediaType: layerType,
  }));
  const manifest = { mediaType: mediaTypes.ociManifest, children: listed };
  return inventory.add({ digest: named(name), size: 10, manifest }, links, used);
}
