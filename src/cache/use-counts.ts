/** How many users each digest has at the moment: open readers, or writers that are not done. */
import type { Digest } from '../oci/digest.ts';

/** Counts uses by digest. Nothing is kept for a digest without a use. */
export class UseCounts {
  readonly #counts = new Map<Digest, number>();

  /** Begins a use and gives the function that ends it; calling that again does nothing. */
  take(digest: Digest): () => void {
    this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      const left = (this.#counts.get(digest) ?? 1) - 1;
      if (left === 0) this.#counts.delete(digest);
      else this.#counts.set(digest, left);
    };
  }

  /** The same for several digests at once. */
  takeAll(digests: readonly Digest[]): () => void {
    const ends = digests.map((digest) => this.take(digest));
    return () => {
      for (const end of ends) end();
    };
  }

  has(digest: Digest): boolean {
    return this.#counts.has(digest);
  }
}
