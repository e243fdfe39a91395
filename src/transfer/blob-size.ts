/**
 * The blob's size and how far it is trusted:
 *
 *   a manifest's descriptor .......... final for the transfers of this image, and announced to no other image
 *   an endpoint's Content-Length or Content-Range ... until a digest mismatch
 *   an earlier run, or the end of a body of unknown size ... a hint that any endpoint overrides
 */
import { hash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';

export type SizeJudgement =
  | { readonly ok: true; readonly changed: boolean }
  | { readonly ok: false; readonly problem: string };

/** One object per blob, shared by its transfer, file and fetches. */
export class BlobSize {
  /** Bytes; undefined while nothing has announced them and no body has come to its end. */
  value: number | undefined;
  readonly #digest: Digest;
  readonly #isDeclared: boolean;
  #basis: 'manifest' | 'endpoint' | 'earlierRun' | 'bodyEnd';

  /** `declared`: by the image's manifest; `earlier`: by an earlier run. */
  constructor(digest: Digest, declared: number | undefined, earlier: number | undefined) {
    this.#digest = digest;
    this.#isDeclared = declared !== undefined;
    this.value = declared ?? earlier;
    this.#basis = this.#isDeclared ? 'manifest' : 'earlierRun';
  }

  /** The size that endpoints have announced, in this run or an earlier one: any reader may be told it. */
  get announced(): number | undefined {
    return this.#basis === 'endpoint' || this.#basis === 'earlierRun' ? this.value : undefined;
  }

  /** Whether an endpoint has announced the size in this run. */
  get isConfirmed(): boolean {
    return this.#basis === 'endpoint' && this.value !== undefined;
  }

  /** Whether the size comes from a manifest alone. What contradicts it speaks against no endpoint: the manifest may be wrong. */
  get isAssumed(): boolean {
    return this.#basis === 'manifest';
  }

  /** Takes what an endpoint announces, or says what is wrong with it. `changed`: the size was another one before. */
  judge(announced: number | undefined): SizeJudgement {
    const known = this.value;
    if (announced === undefined) return { ok: true, changed: false };
    // An answer of no bytes is complete at once, so a wrong digest would be found too late.
    if (announced === 0 && !isOfNothing(this.#digest)) return { ok: false, problem: 'has no bytes' };
    const isSure = this.#isDeclared || this.#basis === 'endpoint';
    if (isSure && known !== undefined && announced !== known) {
      return { ok: false, problem: `has ${announced} bytes where ${known} were expected` };
    }
    this.value = announced;
    this.#basis = 'endpoint';
    return { ok: true, changed: announced !== (known ?? announced) };
  }

  /** A body of unknown size came to its end at this offset. */
  found(end: number): void {
    if (this.value !== undefined) return;
    this.value = end;
    this.#basis = 'bodyEnd';
  }

  /** The bytes that came with this size were wrong: the next endpoint may have more or fewer, and need not announce them. */
  doubt(): void {
    if (!this.#isDeclared) this.value = undefined;
    this.#basis = this.#isDeclared ? 'manifest' : 'bodyEnd';
  }
}

/** Whether the digest is that of no bytes. */
export function isOfNothing(digest: Digest): boolean {
  return hash(digestAlgorithm(digest), '', 'hex') === digestHex(digest);
}
