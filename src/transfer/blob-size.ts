/**
 * How many bytes the blob has, and how much that is worth:
 *
 *   the image's manifest told it .... binds the transfers of this image alone, and is told to no other image
 *   an endpoint told it ............. holds until the bytes turn out wrong
 *   an earlier run, a body's end .... holds until an endpoint tells another size
 */
import { hash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';

export type SizeJudgement =
  | { readonly ok: true; readonly changed: boolean }
  | { readonly ok: false; readonly problem: string };

export class BlobSize {
  /** Bytes, if anything has told them, or a body came to its end. */
  value: number | undefined;
  readonly #digest: Digest;
  readonly #isDeclared: boolean;
  #basis: 'manifest' | 'endpoint' | 'earlierRun' | 'bodyEnd';

  constructor(digest: Digest, declared: number | undefined, leftover: number | undefined) {
    this.#digest = digest;
    this.#isDeclared = declared !== undefined;
    this.value = declared ?? leftover;
    this.#basis = this.#isDeclared ? 'manifest' : 'earlierRun';
  }

  /** Bytes that endpoints have told, in this run or an earlier one: what any reader may be promised. */
  get told(): number | undefined {
    return this.#basis === 'endpoint' || this.#basis === 'earlierRun' ? this.value : undefined;
  }

  /** Whether an endpoint has told the size in this run. */
  get isConfirmed(): boolean {
    return this.#basis === 'endpoint' && this.value !== undefined;
  }

  /** Whether only a manifest has told the size. What contradicts it speaks against no endpoint: the manifest may be wrong. */
  get isAssumed(): boolean {
    return this.#basis === 'manifest';
  }

  /** Takes what an endpoint tells, or says what is wrong with it. `changed`: what was told before is void. */
  judge(told: number | undefined): SizeJudgement {
    const known = this.value;
    if (told === undefined) return { ok: true, changed: false };
    // A client that is promised no bytes has its answer before any digest could be held against it.
    if (told === 0 && !isOfNothing(this.#digest)) return { ok: false, problem: 'has no bytes' };
    const isSure = this.#isDeclared || this.#basis === 'endpoint';
    if (isSure && known !== undefined && told !== known) {
      return { ok: false, problem: `has ${told} bytes where ${known} were expected` };
    }
    this.value = told;
    this.#basis = 'endpoint';
    return { ok: true, changed: told !== (known ?? told) };
  }

  /** A body of unknown size came to its end there. */
  found(end: number): void {
    if (this.value !== undefined) return;
    this.value = end;
    this.#basis = 'bodyEnd';
  }

  /** The bytes that came with it were wrong: the next endpoint may have more, or fewer, and need not say so. */
  doubt(): void {
    if (!this.#isDeclared) this.value = undefined;
    this.#basis = this.#isDeclared ? 'manifest' : 'bodyEnd';
  }
}

export function isOfNothing(digest: Digest): boolean {
  return hash(digestAlgorithm(digest), '', 'hex') === digestHex(digest);
}
