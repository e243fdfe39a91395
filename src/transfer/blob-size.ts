/**
 * How many bytes the blob has, and how much that is worth. A manifest's word holds. What an endpoint told holds until its bytes
 * turn out wrong; what an earlier run was told, until anybody tells otherwise.
 */
import { hash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';

export type SizeJudgement =
  | { readonly ok: true; readonly changed: boolean }
  | { readonly ok: false; readonly problem: string };

export class BlobSize {
  /** Bytes, where anybody has told. */
  value: number | undefined;
  readonly #digest: Digest;
  readonly #isDeclared: boolean;
  #isSure: boolean;

  constructor(digest: Digest, declared: number | undefined, leftover: number | undefined) {
    this.#digest = digest;
    this.value = declared ?? leftover;
    this.#isDeclared = declared !== undefined;
    this.#isSure = this.#isDeclared;
  }

  /** Takes what an endpoint tells, or says what is wrong with it. `changed`: what was told before is void. */
  judge(told: number | undefined): SizeJudgement {
    const known = this.value;
    if (told === undefined) return { ok: true, changed: false };
    // A client that is promised no bytes has its answer before any digest could be held against it.
    if (told === 0 && !this.#isOfNothing()) return { ok: false, problem: 'has no bytes' };
    if (told !== known && this.#isSure) {
      return { ok: false, problem: `has ${told} bytes where ${known} were expected` };
    }
    this.value = told;
    this.#isSure = true;
    return { ok: true, changed: known !== undefined && told !== known };
  }

  /** The bytes that came with it were wrong: the next one may have more, or fewer, and need not say so. */
  doubt(): void {
    if (!this.#isDeclared) this.value = undefined;
    this.#isSure = this.#isDeclared;
  }

  #isOfNothing(): boolean {
    return hash(digestAlgorithm(this.#digest), '', 'hex') === digestHex(this.#digest);
  }
}
