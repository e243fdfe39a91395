/**
 * The endpoints that gave bytes of the blob under way, and what follows for them when the whole turns out wrong:
 *
 *   one gave all ............... blamed: counted against it, not asked again by this transfer, asked last by later ones
 *   several gave parts ......... it is not known which one lied: none of them is trusted first again
 *   an earlier process's bytes . may have been lost in a power cut: no endpoint is blamed
 */
import type { Digest } from '../../oci/digest.ts';
import { type Endpoint, endpointKey } from '../../upstream/endpoint.ts';
import type { TransferDeps } from '../transfer-deps.ts';
import { type KnownContributors, noContributors } from './contributor-memory.ts';

export type ContributorsDeps = Pick<TransferDeps, 'distrust' | 'report' | 'log'>;

/** One per transfer, and one per relayed reader. */
export class Contributors {
  /** endpointKeys that are not asked again while readers of the wrong bytes are there. */
  readonly excluded = new Set<string>();
  readonly #deps: ContributorsDeps;
  readonly #digest: Digest;
  readonly #endpoints = new Map<string, Endpoint>();
  /** Of the bytes that were present before. */
  #earlier: KnownContributors;

  constructor(deps: ContributorsDeps, digest: Digest, earlier: KnownContributors) {
    this.#deps = deps;
    this.#digest = digest;
    this.#earlier = earlier;
  }

  /** Of all bytes that are present. */
  get known(): KnownContributors {
    return this.#earlier && new Map([...this.#earlier, ...this.#endpoints]);
  }

  /** Whether any endpoint has given bytes to this transfer. */
  get any(): boolean {
    return this.#endpoints.size > 0;
  }

  /** Those that have given bytes to this transfer, the first one first. */
  get hosts(): readonly string[] {
    return [...new Set([...this.#endpoints.values()].map(({ host }) => host))];
  }

  /** The first contributor's host. */
  get host(): string | undefined {
    return this.#endpoints.values().next().value?.host;
  }

  /** endpointKeys to ask last. */
  get distrusted(): ReadonlySet<string> {
    return this.#deps.distrust.of(this.#digest);
  }

  /**
   * A copy for one reader that goes on alone. `hasBytes`: the reader has received some of the bytes, so the copy starts with the
   * endpoints that gave them.
   */
  forReader(hasBytes: boolean): Contributors {
    return new Contributors(this.#deps, this.#digest, hasBytes ? this.known : noContributors);
  }

  add(endpoint: Endpoint): void {
    this.#endpoints.set(endpointKey(endpoint), endpoint);
  }

  /** All readers of the wrong bytes have left: the excluded endpoints may be asked again, though last. */
  readmit(): void {
    this.excluded.clear();
  }

  /** All bytes are here and they are wrong. With an assumed size, it may be the size that is wrong: no endpoint is excluded. */
  blame(isSizeAssumed = false): void {
    const { known } = this;
    const endpoints = [...(known ?? this.#endpoints).keys()];
    this.#deps.log.error(
      { event: 'transfer.wrongDigest', digest: this.#digest, endpoints },
      'wrong digest, fetching again',
    );
    if (known) {
      this.#deps.distrust.add(this.#digest, endpoints);
      const [only, ...others] = known.values();
      if (only && others.length === 0 && !isSizeAssumed) {
        this.#deps.report(only, 'invalid', `gave wrong bytes for ${this.#digest}`);
        this.excluded.add(endpointKey(only));
      }
    }
    this.restart([]);
  }

  /** All bytes are thrown away. `underWay`: the endpoints of the bodies that go on, into a fresh file. */
  restart(underWay: Iterable<Endpoint>): void {
    this.#earlier = noContributors;
    this.#endpoints.clear();
    for (const endpoint of underWay) this.add(endpoint);
  }
}
