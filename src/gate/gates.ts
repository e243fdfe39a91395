/**
 * Checks before a manifest is answered. Each gate of the configuration has a check; the first one of each kind that matches an image
 * is asked, and all of those must accept it.
 */
import type { Digest } from '../oci/digest.ts';
import type { Reference } from '../oci/reference.ts';

/** A manifest that is about to be answered. */
export interface GatedImage {
  /** As it was asked for: with a tag, or with a digest. */
  readonly reference: Reference;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

export type GateVerdict = { readonly allowed: true } | GateRefusal;

export interface GateRefusal {
  readonly allowed: false;
  /** Name of the gate. */
  readonly gate: string;
  /** What refuses it, such as `/etc/containers/policy.json: default[0]`. */
  readonly rule: string;
  /** A sentence fragment for people, short. */
  readonly reason: string;
}

export interface Gates {
  /** Shared by all that ask about the same manifest at once. Rejects with bugs only. */
  verdict(image: GatedImage): Promise<GateVerdict>;
}

/** What one check says. */
export type Checked =
  | {
      readonly kind: 'accepted';
      /** Of an index: what it lists is accepted with it. */
      readonly vouches?: boolean;
    }
  | {
      readonly kind: 'refused';
      readonly rule: string;
      readonly reason: string;
      /** Something that would change it may come at any time: it counts for some seconds. */
      readonly isBrief?: boolean;
    }
  /** It cannot be told now: what the check needs did not come. */
  | { readonly kind: 'unknown'; readonly rule: string; readonly reason: string };

/** One gate as the gates see it. */
export interface Check {
  /** What a verdict is about besides the digest: verdicts for the same text are shared. */
  scopeOf(image: GatedImage): string;
  /** Rejects where something was thrown; that is `unknown`. */
  check(image: GatedImage, signal: AbortSignal): Promise<Checked>;
  /** What holds for `unknown`. */
  readonly fail: 'open' | 'closed';
  /** Milliseconds that a refusal counts. */
  readonly keepRefused: number;
}
