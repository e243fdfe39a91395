/**
 * Writes the fact of a change in the transaction of the change, so that neither is there without the other. Where facts are not
 * shared, nothing is read or written for them.
 *
 * A change that others need not hear of is no fact: what this replica evicts or loses, and what an endpoint says again within a while.
 */
import type { Digest } from '../../../oci/digest.ts';
import type { CachedList, CachedTag } from '../../cache.ts';
import type { Change, LinkValue, StateChange, TagValue } from '../../shared/facts.ts';
import { timeOf } from '../../shared/hybrid-clock.ts';
import { largestList } from '../../shared/read-fact.ts';
import { isFromClient, isHosted, type Origin } from '../catalogue.ts';
import type { IndexRows } from '../index-rows.ts';
import { roundOf } from './fact-position.ts';
import { hideValue } from './hidden-facts.ts';
import type { Sharing } from './sharing.ts';

export interface FactRecorder {
  /**
   * Call it before the rows change. What others did not know becomes a fact once `after` is called, in the same transaction. `from`: what a
   * client brings is told each time, since another replica may have deleted it meanwhile.
   */
  linking(image: string, digest: Digest, from: Origin): { after(): void };
  /** The same for a tag that is set. */
  tagging(image: string, tag: string): { after(): void };
  /** An endpoint no longer has the tag. It was there. */
  tagDropped(image: string, tag: string): void;
  /** A client, or a command, took the tag away: also from where an endpoint has it. */
  tagRemoved(image: string, tag: string): void;
  /** A client, or a command, took the content out of the image. */
  unlinked(image: string, digest: Digest): void;
  /** Call it before the row changes. */
  listed(image: string, kind: string, key: string, value: CachedList): void;
  listDropped(image: string, kind: string, key: string): void;
  pinned(pattern: string, isPinned: boolean): void;
  /** The state of a tag, or what a block selects, is another one, or nothing is known of it any more. */
  changed(state: StateChange): void;
}

const day = 24 * 60 * 60 * 1000;
/** ms after which a link is told again, so that the log does not forget what is in use. */
const linkLife = 30 * day;
/** ms after which a list that has not changed is told again. */
const listLife = 10 * 60_000;

/** See the head of the file. */
export function createFactRecorder(rows: IndexRows, { origin, clock, waits }: Sharing): FactRecorder {
  function record(change: Change): void {
    const { value, ...name } = change;
    const known = {
      stamp: clock.next(),
      origin,
      isGone: value === undefined,
      waits: true,
      round: roundOf(rows),
    };
    rows.putFact(name, { ...known, value: value && JSON.stringify(value) });
    waits();
  }

  function isGone(kind: Change['kind'], image: string, key: string): boolean {
    return rows.knownFact({ kind, image, key })?.isGone !== false;
  }

  function gone(kind: Change['kind'], image: string, key: string): void {
    record({ kind, image, key, value: undefined } as Change);
  }

  function linked(image: string, digest: Digest, from: Origin, before: LinkValue | undefined): void {
    const now = linkOf(rows, image, digest);
    if (!now) return;
    const hosted = isHosted(now.origin);
    const kind = hosted ? 'hostedLink' : 'link';
    const name = { kind, image, key: digest } as const;
    const known = rows.knownFact(name);
    const isSame = now.origin === before?.origin && now.mediaType === before?.mediaType;
    const isYoung =
      known && !known.isGone && (hosted || timeOf(clock.next()) - timeOf(known.stamp) < linkLife);
    if (isSame && isYoung && !isFromClient(from)) return;
    if (hosted && before && !isHosted(before.origin)) hideValue(rows, { ...name, kind: 'link' }, before);
    record({ ...name, value: now });
  }

  function tagged(image: string, tag: string, before: CachedTag | undefined): void {
    const now = rows.tag(image, tag);
    if (!now) return;
    const isSame = now.digest === before?.digest && now.endpoint === before.endpoint;
    if (isSame && now.checkedAt === before.checkedAt) return;
    const name = { image, key: tag } as const;
    if (isHosted(now.endpoint)) {
      if (before && !isHosted(before.endpoint)) hideValue(rows, { ...name, kind: 'tag' }, tagValue(before));
      record({ ...name, kind: 'hostedTag', value: tagValue(now) });
    } else {
      if (before && isHosted(before.endpoint)) gone('hostedTag', image, tag);
      record({ ...name, kind: 'tag', value: tagValue(now) });
    }
  }

  return {
    linking(image, digest, from) {
      const before = linkOf(rows, image, digest);
      return { after: () => linked(image, digest, from, before) };
    },
    tagging(image, tag) {
      const before = rows.tag(image, tag);
      return { after: () => tagged(image, tag, before) };
    },
    tagDropped(image, tag) {
      if (!rows.tag(image, tag)) gone('tag', image, tag);
    },
    tagRemoved(image, tag) {
      gone('hostedTag', image, tag);
      gone('tag', image, tag);
    },
    unlinked(image, digest) {
      gone('hostedLink', image, digest);
      gone('link', image, digest);
    },
    listed(image, kind, key, { bytes, checkedAt }) {
      const before = rows.list(image, kind, key);
      const name = { kind: 'list', image, key: `${kind} ${key}` } as const;
      const isYoung = before && checkedAt - before.checkedAt < listLife;
      if (isYoung && !isGone('list', image, name.key) && Buffer.compare(before.bytes, bytes) === 0) return;
      if (bytes.length > largestList || checkedAt === 0) return;
      record({ ...name, value: { bytes: Buffer.from(bytes).toString('base64'), checkedAt } });
    },
    listDropped(image, kind, key) {
      if (!isGone('list', image, `${kind} ${key}`)) gone('list', image, `${kind} ${key}`);
    },
    pinned(pattern, isPinned) {
      record({ kind: 'pin', image: '', key: pattern, value: isPinned ? {} : undefined });
    },
    changed: record,
  };
}

/** The link as a fact says it. */
export function linkOf(rows: IndexRows, image: string, digest: Digest): LinkValue | undefined {
  const link = rows.linkRow(image, digest);
  if (!link) return undefined;
  const { origin, mediaType, size, sharedSize, subject } = link;
  const told = size ?? sharedSize;
  return {
    origin,
    ...(mediaType !== undefined && { mediaType }),
    ...(isHosted(origin) && told !== undefined && { size: told }),
    ...(isHosted(origin) && subject && { subject }),
  };
}

/** The tag as a fact says it. */
export function tagValue({ digest, endpoint, checkedAt }: CachedTag): TagValue {
  return { digest, endpoint, checkedAt };
}

const nothing = { after() {} };

/** For an index whose facts are not shared. */
export const noFacts: FactRecorder = {
  linking: () => nothing,
  tagging: () => nothing,
  tagDropped() {},
  tagRemoved() {},
  unlinked() {},
  listed() {},
  listDropped() {},
  pinned() {},
  changed() {},
};
