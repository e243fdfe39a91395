/** Where a transfer gets its bytes: one image's endpoints, tried in order, asked for one blob. */
import type { OpenRange } from '../../lib/bytes/byte-range.ts';
import type { Trail } from '../../upstream/outcome.ts';
import type { Answer, AskOptions, OpenedBlob, Verdict } from '../../upstream/upstream.ts';

export interface ByteSource {
  /** `registry/repository` whose endpoints these are. */
  readonly image: string;
  /** The image's registry and its endpoints' hosts, as they are configured now. Images with the same set trust the same hosts. */
  readonly endpointSet: string;
  /** Asks for the bytes from `start` to before `end`, or to the blob's end. */
  open(range: OpenRange, options: AskOptions): Promise<Answer<OpenedBlob>>;
}

/** The images that read one transfer. The first one started it; the others have the same endpoint set. */
export class ByteSources {
  readonly #first: ByteSource;
  readonly #all: ByteSource[];
  readonly #endpointSet: string;

  constructor(first: ByteSource) {
    this.#first = first;
    this.#all = [first];
    this.#endpointSet = first.endpointSet;
  }

  get images(): readonly string[] {
    return this.#all.map(({ image }) => image);
  }

  add(source: ByteSource): void {
    if (!this.images.includes(source.image)) this.#all.push(source);
  }

  /** Whether this is the image that started the transfer, and its endpoints are still the same. */
  belongTo(source: ByteSource): boolean {
    return source.image === this.#first.image && source.endpointSet === this.#endpointSet;
  }

  /** Whether the other image trusts the hosts that have given the bytes, and no others have been asked since. */
  share(source: ByteSource): boolean {
    return [source, ...this.#all].every(({ endpointSet }) => endpointSet === this.#endpointSet);
  }

  /** Asks one image's endpoints after another's; the first that gives the bytes is the answer, with the whole trail. */
  async open(range: OpenRange, options: AskOptions): Promise<Answer<OpenedBlob>> {
    let trail: Trail = [];
    let verdict: Verdict = { kind: 'unavailable' };
    for (const source of this.#trusted()) {
      const answer = await source.open(range, options);
      trail = [...trail, ...answer.trail];
      if (answer.ok) return { ...answer, trail };
      verdict = answer.verdict;
    }
    return { ok: false, verdict, trail };
  }

  /** A reload may give the images different endpoints: then those with the endpoints of the start are asked, else the first one alone. */
  #trusted(): readonly ByteSource[] {
    const kept = this.#all.filter(({ endpointSet }) => endpointSet === this.#endpointSet);
    const set = kept.length > 0 ? this.#endpointSet : this.#first.endpointSet;
    return this.#all.filter(({ endpointSet }) => endpointSet === set);
  }
}
