/** Takes one content out of an image: it is forgotten where nothing else names it. */
import type { Digest } from '../../oci/digest.ts';
import type { IndexRows } from './index-rows.ts';
import type { Unlinked } from './inventory.ts';

/** Call it within a transaction, after the tags of the image that go as well are gone. Throws what SQLite throws. */
export function unlinkContent(rows: IndexRows, image: string, digest: Digest): Unlinked {
  const images = rows.imagesOf(digest);
  const size = rows.content(digest)?.size;
  rows.unlink(image, digest);
  // A tag may have come before its link: of another image, or as a fact.
  const isGone = images.every((other) => other === image) && !rows.isTagged(digest);
  if (isGone) rows.dropContent(digest);
  return { digest, size, images, isGone };
}
