/**
 * Contents that were here until their file turned out to be missing or wrong: found by a reader, by the look through all
 * content after a start, or by a scrub. They wait here for the scrub to bring them back, unless a reader does so before.
 * Their links, tags and lists of children wait in the index.
 */
import { type Digest, digestHex } from '../../oci/digest.ts';

export interface DamagedContent {
  readonly digest: Digest;
  /** Ends the sentence "it was dropped: ...". */
  readonly reason: string;
  readonly isManifest: boolean;
  /** Its file is still there, but cannot be opened: it may be readable again one day. */
  readonly keepsFile?: boolean;
  /** Its names stay whatever comes of it. */
  readonly isHosted?: boolean;
}

export interface DamagedContents {
  /** False where there are too many already: then there is no use in keeping its names. */
  add(loss: DamagedContent): boolean;
  /** The content is stored again. */
  back(digest: Digest): void;
  /** A content that is not back yet and has a digest that begins with the byte `first`. It is forgotten here. */
  take(first: number, isWanted: (digest: Digest) => boolean): DamagedContent | undefined;
}

/** A disk that has lost more than this is replaced, not repaired. */
const most = 10_000;

/** Keeps them in memory. */
export function createDamagedContents(): DamagedContents {
  const losses = new Map<Digest, DamagedContent>();
  return {
    add(loss) {
      if (losses.size >= most && !losses.has(loss.digest)) return false;
      losses.set(loss.digest, loss);
      return true;
    },
    back: (digest) => void losses.delete(digest),
    take(first, isWanted) {
      const prefix = first.toString(16).padStart(2, '0');
      for (const loss of losses.values()) {
        const { digest } = loss;
        if (!digestHex(digest).startsWith(prefix)) continue;
        if (!isWanted(digest)) continue;
        losses.delete(digest);
        return loss;
      }
      return undefined;
    },
  };
}
