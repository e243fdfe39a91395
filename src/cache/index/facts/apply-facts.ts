/**
 * Applies facts of other replicas to the rows. Only a fact that is later than what is known of its name counts, so one may come twice
 * and late. Nothing that is applied is told again.
 */
import type { Digest } from '../../../oci/digest.ts';
import {
  type Change,
  type Fact,
  isLater,
  type LinkChange,
  type LinkValue,
  type ListChange,
  type PinChange,
  type TagChange,
  type TagValue,
} from '../../shared/facts.ts';
import { stampOf } from '../../shared/hybrid-clock.ts';
import { isHosted } from '../catalogue.ts';
import type { IndexRows } from '../index-rows.ts';
import type { Unlinked } from '../inventory.ts';
import { unlinkContent } from '../unlink-content.ts';
import { setReplica, setSelection } from './apply-states.ts';
import { linkOf, tagValue } from './fact-recorder.ts';
import { hideValue, revealValue } from './hidden-facts.ts';

/** What changed for the parts of the cache that are above the index. */
export interface AppliedFacts {
  /** Facts that changed something. */
  applied: number;
  readonly unlinked: { readonly image: string; readonly content: Unlinked }[];
  /** Of stored content that more images link now. */
  readonly linked: {
    readonly digest: Digest;
    readonly size: number;
    readonly before: readonly string[];
    readonly after: readonly string[];
  }[];
  pins: boolean;
}

export interface ApplyOptions {
  /** Of the reading of the log (`fact-position.ts`). */
  readonly round: number;
  /** Epoch ms. */
  readonly now: number;
}

const pinsKey = 'added-pins';

/** Nothing yet. */
export function noneApplied(): AppliedFacts {
  return { applied: 0, unlinked: [], linked: [], pins: false };
}

/** Call it within a transaction. Throws what SQLite throws. */
export function applyFacts(rows: IndexRows, facts: readonly Fact[], options: ApplyOptions): AppliedFacts {
  const sum = noneApplied();
  for (const fact of facts) {
    if (!meets(rows, fact, options.round)) continue;
    const { kind, image, key, stamp, origin, value } = fact;
    rows.putFact(
      { kind, image, key },
      {
        stamp,
        origin,
        isGone: value === undefined,
        waits: false,
        round: options.round,
        value: undefined,
      },
    );
    materialize(rows, fact, options.now, sum);
    sum.applied += 1;
  }
  return sum;
}

/** Whether the fact counts. One that is known already is met. */
function meets(rows: IndexRows, fact: Fact, round: number): boolean {
  const { kind, image, key } = fact;
  const known = rows.knownFact(fact);
  if (!known) return !staysHosted(rows, fact) && isLater(fact, { stamp: stampOfRow(rows, fact), origin: '' });
  if (isLater(fact, known)) return true;
  if (known.stamp === fact.stamp && known.origin === fact.origin && known.round !== round)
    rows.putFact({ kind, image, key }, { ...known, round });
  return false;
}

/**
 * What was pushed while facts were not shared may be later than what took it away elsewhere, and has no other home: `settlement.ts` tells
 * it again.
 */
function staysHosted(rows: IndexRows, { kind, image, key, value }: Fact): boolean {
  return kind === 'hostedLink' && !value && isHosted(rows.originOf(image, key as Digest) ?? '');
}

/** What was here before facts were shared counts by the time of its rows. */
function stampOfRow(rows: IndexRows, { kind, image, key }: Fact): number {
  switch (kind) {
    case 'tag':
    case 'hostedTag': {
      const tag = rows.tag(image, key);
      const isSame = tag && isHosted(tag.endpoint) === (kind === 'hostedTag');
      return isSame ? stampOf(tag.checkedAt) : 0;
    }
    default:
      return 0;
  }
}

/** Makes the rows say what the latest fact of the name says. The name itself is known by now. */
export function materialize(rows: IndexRows, change: Change, now: number, sum: AppliedFacts): void {
  const target = { rows, now, sum };
  switch (change.kind) {
    case 'tag':
      heardTag(target, change);
      break;
    case 'hostedTag':
      hostedTag(target, change);
      break;
    case 'link':
      heardLink(target, change);
      break;
    case 'hostedLink':
      hostedLink(target, change);
      break;
    case 'list':
      setList(target, change);
      break;
    case 'pin':
      setPin(target, change);
      break;
    case 'replica':
      setReplica(rows, change);
      break;
    case 'selection':
      setSelection(rows, change);
  }
}

interface Target {
  readonly rows: IndexRows;
  readonly now: number;
  readonly sum: AppliedFacts;
}

function heardTag(target: Target, { image, key, value }: TagChange): void {
  const { rows } = target;
  if (!isHosted(rows.tag(image, key)?.endpoint ?? '')) setTag(target, image, key, value);
  else if (value) hideValue(rows, { kind: 'tag', image, key }, value);
}

function hostedTag(target: Target, { image, key, value }: TagChange): void {
  const { rows } = target;
  const before = rows.tag(image, key);
  const name = { kind: 'tag', image, key } as const;
  if (before && !isHosted(before.endpoint)) {
    if (!value) return;
    hideValue(rows, name, tagValue(before));
  }
  setTag(target, image, key, value ?? revealValue<TagValue>(rows, name));
}

function setTag({ rows, now }: Target, image: string, tag: string, value: TagValue | undefined): void {
  // A clock that is ahead must not keep a tag from being revalidated.
  if (value) rows.setTag(image, tag, { ...value, checkedAt: Math.min(value.checkedAt, now) }, 0);
  else rows.dropTag(image, tag);
}

function heardLink(target: Target, { image, key, value }: LinkChange): void {
  const { rows } = target;
  const digest = key as Digest;
  const before = rows.originOf(image, digest);
  if (!isHosted(before ?? '')) setLink(target, image, digest, value, before);
  else if (value) hideValue(rows, { kind: 'link', image, key }, value);
}

function hostedLink(target: Target, { image, key, value }: LinkChange): void {
  const { rows } = target;
  const digest = key as Digest;
  const before = linkOf(rows, image, digest);
  const name = { kind: 'link', image, key } as const;
  if (before && !isHosted(before.origin)) {
    if (!value) return;
    hideValue(rows, name, before);
  }
  setLink(target, image, digest, value ?? revealValue<LinkValue>(rows, name), before?.origin);
}

function setLink(
  { rows, now, sum }: Target,
  image: string,
  digest: Digest,
  value: LinkValue | undefined,
  before: string | undefined,
): void {
  if (!value) {
    if (before !== undefined) sum.unlinked.push({ image, content: unlinkContent(rows, image, digest) });
    return;
  }
  const size = rows.content(digest)?.size;
  const images = size === undefined ? [] : rows.imagesOf(digest);
  // A hosted link stays hosted whatever is said of it, so it goes first.
  if (before !== undefined && isHosted(before) && !isHosted(value.origin)) rows.unlink(image, digest);
  rows.link(image, digest, value.origin, now, value.mediaType);
  if (value.size !== undefined) rows.setSharedSize(image, digest, value.size);
  if (value.subject) rows.setSharedSubject(digest, value.subject);
  if (size !== undefined && before === undefined)
    sum.linked.push({ digest, size, before: images, after: [...images, image] });
}

function setList({ rows, now }: Target, { image, key, value }: ListChange): void {
  const [kind = '', ...rest] = key.split(' ');
  const its = rest.join(' ');
  if (value) {
    const bytes = Buffer.from(value.bytes, 'base64');
    rows.setList(image, kind, its, { bytes, checkedAt: Math.min(value.checkedAt, now) });
  } else {
    rows.dropList(image, kind, its);
  }
}

function setPin({ rows, sum }: Target, { key, value }: PinChange): void {
  const pins = JSON.parse(rows.meta(pinsKey) ?? '[]') as readonly string[];
  const others = pins.filter((other) => other !== key);
  rows.setMeta(pinsKey, JSON.stringify(value ? [...others, key] : others));
  sum.pins = true;
}

/** Of what the whole log does not have: it is gone, but not told again. */
export function forgetFact(
  rows: IndexRows,
  name: Pick<Fact, 'kind' | 'image' | 'key'>,
  now: number,
  sum: AppliedFacts,
): void {
  rows.removeFact(name);
  materialize(rows, { ...name, value: undefined } as Change, now, sum);
}
