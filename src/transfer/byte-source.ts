/** Where a transfer gets its bytes: one image's endpoints, tried in order, asked for one blob. */
import type { Trail } from '../upstream/outcome.ts';
import type { Answer, AskOptions, OpenedBlob, Verdict } from '../upstream/upstream.ts';

export interface ByteSource {
  /** `registry/repository` whose endpoints these are. */
  readonly image: string;
  /** Asks for the bytes from `start` to before `end`, or to the blob's end. */
  open(
    range: { readonly start: number; readonly end?: number },
    options: AskOptions,
  ): Promise<Answer<OpenedBlob>>;
}

/** Asks one image's endpoints after another's; the first that gives the bytes is the answer, with the whole trail. */
export async function openFirst(
  sources: readonly ByteSource[],
  range: { readonly start: number; readonly end?: number },
  options: AskOptions,
): Promise<Answer<OpenedBlob>> {
  let trail: Trail = [];
  let verdict: Verdict = { kind: 'unavailable' };
  for (const source of sources) {
    const answer = await source.open(range, options);
    trail = [...trail, ...answer.trail];
    if (answer.ok) return { ...answer, trail };
    verdict = answer.verdict;
  }
  return { ok: false, verdict, trail };
}
