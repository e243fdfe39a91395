/**
 * Who gave bytes of the blob under way, and what becomes of them when the whole turns out wrong:
 *
 *   one gave all ............... blamed: counted against it, not asked again by this transfer, asked last by later ones
 *   several gave parts ......... nobody knows who lied: none of them is trusted first again
 *   an earlier run's bytes ..... may have been lost in a power cut: nobody is blamed
 */
import type { Digest } from '../../oci/digest.ts';
import { type Endpoint, endpointKey } from '../../upstream/endpoint.ts';
import type { TransferDeps } from '../transfer-deps.ts';

export class Givers {
  /** endpointKeys that this transfer does not ask again, as long as anybody reads who was there. */
  readonly excluded = new Set<string>();
  readonly #deps: Pick<TransferDeps, 'distrust' | 'report' | 'log'>;
  readonly #digest: Digest;
  readonly #given = new Map<string, Endpoint>();
  #hasLeftover: boolean;

  constructor(deps: Pick<TransferDeps, 'distrust' | 'report' | 'log'>, digest: Digest, hasLeftover: boolean) {
    this.#deps = deps;
    this.#digest = digest;
    this.#hasLeftover = hasLeftover;
  }

  get any(): boolean {
    return this.#given.size > 0;
  }

  /** The first one's host. */
  get host(): string | undefined {
    return this.#given.values().next().value?.host;
  }

  /** endpointKeys to ask last. */
  get distrusted(): ReadonlySet<string> {
    return this.#deps.distrust.of(this.#digest);
  }

  /** For one reader who goes on alone, and has had some of the bytes or none. */
  forOne(hasHad: boolean): Givers {
    const own = new Givers(this.#deps, this.#digest, hasHad && this.#hasLeftover);
    if (hasHad) for (const endpoint of this.#given.values()) own.add(endpoint);
    return own;
  }

  add(endpoint: Endpoint): void {
    this.#given.set(endpointKey(endpoint), endpoint);
  }

  /** Nobody reads any more: the next one may ask all of them again, though the blamed ones last. */
  readmit(): void {
    this.excluded.clear();
  }

  /** All bytes are here and they are wrong; with a size that is only assumed, it may be that which is wrong. */
  blame(isSizeAssumed = false): void {
    const keys = [...this.#given.keys()];
    this.#deps.log.error({ digest: this.#digest, endpoints: keys }, 'wrong digest, fetching again');
    if (!this.#hasLeftover) {
      this.#deps.distrust.add(this.#digest, keys);
      const [only, ...others] = this.#given.values();
      if (only && others.length === 0 && !isSizeAssumed) {
        this.#deps.report(only, 'invalid', `gave wrong bytes for ${this.#digest}`);
        this.excluded.add(endpointKey(only));
      }
    }
    this.#hasLeftover = false;
    this.#given.clear();
  }
}
