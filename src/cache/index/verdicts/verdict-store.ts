/**
 * Verdicts of gates (`gate/`), so that an image that was checked need not be checked again after a restart, and can be served where
 * the check cannot be made. A damaged index loses them, and the images are checked again. Every method rejects when the index cannot
 * be read or written.
 */
import type { Digest } from '../../../oci/digest.ts';

export interface VerdictKey {
  /** Of the gate with all that its files hold: another configuration has other verdicts. */
  readonly rules: string;
  /** What the verdict is about besides the digest. */
  readonly scope: string;
  readonly digest: Digest;
}

export interface StoredVerdict {
  readonly accepted: boolean;
  /** Of an index: what it lists is accepted with it. */
  readonly vouches: boolean;
  /** What refuses it, and why; empty where nothing does. */
  readonly rule: string;
  readonly reason: string;
  /** Epoch ms. */
  readonly until: number;
}

export interface VerdictStore {
  /** However old it is. */
  find(key: VerdictKey): Promise<StoredVerdict | undefined>;
  /** Replaces an older one. Of all gates the newest verdicts are kept, `maxVerdicts` in number. */
  put(key: VerdictKey, verdict: StoredVerdict): Promise<void>;
}

export const maxVerdicts = 50_000;
