/**
 * A fact: what one name means, as replicas tell each other. The log has one fact for each name, the latest. Of two facts about one
 * name the one with the later stamp counts (`hybrid-clock.ts`), of equal stamps that of the later origin: so all replicas come to
 * the same, in whatever order facts reach them. A name without a value is gone.
 *
 *   kind         key                  what counts
 *   tag          tag                  where an endpoint said so; its confirmations as well
 *   hostedTag    tag                  where a client or an import put it. While there is one, what an endpoint says does not count
 *   link         digest               an endpoint answered for the content where this image asked
 *   hostedLink   digest               a client or an import brought it to the image
 *   list         kind, blank, key     a list of an upstream
 *   pin          pattern              an administrator pinned it; the image is empty
 *   replica      block, blank, tag    how far the tag has followed its registry (`state-facts.ts`)
 *   selection    block, blank, tag    the block has brought the tag, and selects it or does so no more
 *
 * What clients bring and what endpoints say are two names, since neither is later than the other: an endpoint that confirms its tag
 * does not move a tag that was pushed, however late it does.
 */
import type { Digest } from '../../oci/digest.ts';
import type { Replica, ReplicaPosition } from '../index/replicas/replica-store.ts';
import type { Selection } from '../index/selections/selections.ts';

/** Append only: the index keeps their places. */
export const factKinds = [
  'tag',
  'hostedTag',
  'link',
  'hostedLink',
  'list',
  'pin',
  'replica',
  'selection',
] as const;
export type FactKind = (typeof factKinds)[number];

export interface TagValue {
  readonly digest: Digest;
  /** As in `CachedTag`. */
  readonly endpoint: string;
  /** Epoch ms, by the clock of the replica that asked. */
  readonly checkedAt: number;
}

export interface LinkValue {
  /** As in `NewLink`. */
  readonly origin: string;
  /** Of a manifest. */
  readonly mediaType?: string | undefined;
  /** Bytes. Only of what is hosted. */
  readonly size?: number | undefined;
  /** What a hosted manifest is attached to: a replica that has not its bytes lists it among the referrers. */
  readonly subject?: Digest | undefined;
}

export interface ListValue {
  /** Base64. */
  readonly bytes: string;
  /** Epoch ms. */
  readonly checkedAt: number;
}

export type PinValue = Readonly<Record<string, never>>;
export type ReplicaValue = Omit<Replica, keyof ReplicaPosition>;
export type SelectionValue = Omit<Selection, 'tag'>;

interface Named<Kind extends FactKind, Value> {
  readonly kind: Kind;
  /** `registry/repository`. */
  readonly image: string;
  readonly key: string;
  /** Undefined: gone. */
  readonly value: Value | undefined;
}

export type TagChange = Named<'tag' | 'hostedTag', TagValue>;
export type LinkChange = Named<'link' | 'hostedLink', LinkValue>;
export type ListChange = Named<'list', ListValue>;
export type PinChange = Named<'pin', PinValue>;
export type ReplicaChange = Named<'replica', ReplicaValue>;
export type SelectionChange = Named<'selection', SelectionValue>;
export type StateChange = ReplicaChange | SelectionChange;
export type Change = TagChange | LinkChange | ListChange | PinChange | StateChange;

interface Stamped {
  /** See `hybrid-clock.ts`. */
  readonly stamp: number;
  /** Of the process that said so. */
  readonly origin: string;
}

export type Fact = Change & Stamped;

/** A fact as it comes from the log: nothing in it has been checked yet (`read-fact.ts`). */
export interface LoggedFact extends Stamped {
  /** Its place in the log. */
  readonly seq: number;
  readonly kind: string;
  readonly image: string;
  readonly key: string;
  /** Null: gone. */
  readonly value: unknown;
}

export interface LogState {
  /** `LOG:SERVER`. LOG is another one where the log may lack anything: it was restored. SERVER: another server took over. */
  readonly id: string;
  /** The place of the last fact. */
  readonly newest: number;
  /** No fact up to here whose name is gone is left for sure: such facts have a life. */
  readonly forgotten: number;
}

/** The log never takes these facts: of one, its form is wrong; of several, that of one of them. */
export class FactRefused extends Error {
  override readonly name = 'FactRefused';
}

/** Rejects with `Unavailable` while it cannot be asked, and with any error where it may take the same later. */
export interface FactLog {
  state(): Promise<LogState>;
  /**
   * Adds the facts that are later than what the log has of their names; all or nothing. No two are about one name. Rejects with
   * `FactRefused`, too. Gives, for each,
   * the stamp that the log has for it now: an earlier one where it was too far ahead; undefined where it did not count.
   */
  append(facts: readonly Fact[]): Promise<readonly (number | undefined)[]>;
  /**
   * At most `limit` facts from after the place `seq`, in the order of their places; fewer where they are large, none at the end. A fact
   * that appears later has a later place, whatever runs at the same time.
   */
  after(seq: number, limit: number): Promise<readonly LoggedFact[]>;
  /**
   * Forgets some facts that are older: what is gone with a stamp before `gone`, what endpoints said with one before `heard`. Gives how
   * many; call it until that is 0.
   */
  forget(before: { readonly gone: number; readonly heard: number }): Promise<number>;
  /** Calls `onChange` when there may be more facts, and when a log that was unavailable is there again. Gives the end of it. */
  changed(onChange: () => void): () => void;
}

/** Whether `one` counts where `other` is known. */
export function isLater(one: Stamped, other: Stamped): boolean {
  return one.stamp > other.stamp || (one.stamp === other.stamp && one.origin > other.origin);
}

/** Whether two `LogState.id` are of one log, on whatever server: its places are in one order. */
export function isSameLog(one: string, other: string): boolean {
  return one.split(':')[0] === other.split(':')[0];
}
