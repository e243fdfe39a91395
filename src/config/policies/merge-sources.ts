/** The lists of mirrors of all objects, joined by source. The result does not depend on names of objects, and on their order only in its origins. */
import { mergeOrder } from './merge-order.ts';
import type { MirrorList, ObjectOrigin, Placed } from './policy-object.ts';

/** A source with all its mirrors. */
export interface MergedSource {
  /** Its first mention. */
  readonly source: Placed;
  /** In order, each once, with the place of its first mention. */
  readonly mirrors: readonly Placed[];
  /** The first `NeverContactSource`; undefined: the source may be contacted. */
  readonly never: ObjectOrigin | undefined;
}

/** Sorted by source. A list without a mirror other than its source does not count, nor does its mirrorSourcePolicy. */
export function mergeSources(lists: readonly MirrorList[]): readonly MergedSource[] {
  const effective = lists.filter(({ source, mirrors }) => mirrors.some(({ text }) => text !== source.text));
  const bySource = Map.groupBy(effective, ({ source }) => source.text);
  return [...bySource.values()].map(merge).sort((one, other) => compare(one.source.text, other.source.text));
}

function merge(lists: readonly MirrorList[]): MergedSource {
  const [first] = lists;
  if (!first) throw new TypeError('a group has at least one element');
  const { source } = first;
  const mentions = new Map(
    [source, ...lists.flatMap(({ mirrors }) => mirrors)].toReversed().map((one) => [one.text, one]),
  );
  const order = mergeOrder(
    source.text,
    lists.map(({ mirrors }) => mirrors.map(({ text }) => text)),
  );
  return {
    source,
    mirrors: order.flatMap((name) => mentions.get(name) ?? []),
    never: lists.find(({ policy }) => policy?.text === 'NeverContactSource')?.policy?.origin,
  };
}

/** Sources are ASCII, so code units are in the order of bytes. */
function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
