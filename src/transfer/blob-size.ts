/**
 * How many bytes the blob has, and how much that is worth. A manifest's word holds. What an endpoint told holds until its bytes
 * turn out wrong; what an earlier run was told, or where a body of unknown size came to its end, until anybody tells otherwise.
 */
import { hash } from 'node:crypto';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';

export type SizeJudgement =
  | { readonly ok: true; readonly changed: boolean }
  | { readonly ok: false; readonly problem: string };

export class BlobSize {
  /** Bytes, where anybody has told, or a body came to its end. */
  value: number | undefined;
  readonly #digest: Digest;
  #basis: 'manifest' | 'endpoint' | 'earlierRun' | 'bodyEnd';

  constructor(digest: Digest, declared: number | undefined, leftover: number | undefined) {
    this.#digest = digest;
    this.value = declared ?? leftover;
    this.#basis = declared === undefined ? 'earlierRun' : 'manifest';
  }

  /** Bytes, where anybody has told. */
  get told(): number | undefined {
    return this.#basis === 'bodyEnd' ? undefined : this.value;
  }

  /** Takes what an endpoint tells, or says what is wrong with it. `changed`: what was told before is void. */
  judge(told: number | undefined): SizeJudgement {
    const known = this.value;
    if (told === undefined) return { ok: true, changed: false };
    // A client that is promised no bytes has its answer before any digest could be held against it.
    if (told === 0 && !isOfNothing(this.#digest)) return { ok: false, problem: 'has no bytes' };
    const isSure = known !== undefined && (this.#basis === 'manifest' || this.#basis === 'endpoint');
    if (isSure && told !== known) {
      return { ok: false, problem: `has ${told} bytes where ${known} were expected` };
    }
    this.value = told;
    if (!isSure) this.#basis = 'endpoint';
    return { ok: true, changed: told !== (known ?? told) };
  }

  /** A body of unknown size came to its end there. */
  found(end: number): void {
    if (this.value !== undefined) return;
    this.value = end;
    this.#basis = 'bodyEnd';
  }

  /** The bytes that came with it were wrong: the next one may have more, or fewer, and need not say so. */
  doubt(): void {
    if (this.#basis !== 'manifest') this.value = undefined;
  }
}

export function isOfNothing(digest: Digest): boolean {
  return hash(digestAlgorithm(digest), '', 'hex') === digestHex(digest);
}
