/** Digests that somebody is busy with, counted. */
import type { Digest } from '../oci/digest.ts';

export class Holds {
  readonly #counts = new Map<Digest, number>();

  /** Gives what ends the hold; calling it again does nothing. */
  take(digest: Digest): () => void {
    this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#counts.get(digest) ?? 1) - 1;
      if (left === 0) this.#counts.delete(digest);
      else this.#counts.set(digest, left);
    };
  }

  has(digest: Digest): boolean {
    return this.#counts.has(digest);
  }
}
