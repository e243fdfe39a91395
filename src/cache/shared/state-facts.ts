/** States of replicas and selections of blocks as facts. A key is the name of the block, a blank, and the tag. */
import { type Digest, parseDigest } from '../../oci/digest.ts';
import { parseTag } from '../../oci/reference.ts';
import { type Replica, type ReplicaPosition, replicaStates } from '../index/replicas/replica-store.ts';
import type { Selection } from '../index/selections/selections.ts';
import type { ReplicaChange, ReplicaValue, SelectionChange, SelectionValue } from './facts.ts';

/** Characters of a reason that others are told. */
const longestReason = 4096;
const stateKey = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63}) (.*)$/;

/** Which block and tag a key names; undefined for what is no key. */
export function stateOf(key: string): { readonly block: string; readonly tag: string } | undefined {
  const [, block, tag] = stateKey.exec(key) ?? [];
  if (block === undefined || tag === undefined) return undefined;
  const isOne = tag === '' || parseTag(tag) !== undefined || parseDigest(tag) !== undefined;
  return isOne ? { block, tag } : undefined;
}

/** `value` undefined: there is no row any more. */
export function replicaChange(
  { image, tag, sync }: ReplicaPosition,
  value: Replica | undefined,
): ReplicaChange {
  const name = { kind: 'replica', image, key: `${sync} ${tag}` } as const;
  if (!value) return { ...name, value };
  const { image: _image, tag: _tag, sync: _sync, ...said } = value;
  // The database takes no text with half of a character, or with the character 0.
  const reason = said.reason?.slice(0, longestReason).toWellFormed().replaceAll('\0', '\u{fffd}');
  return { ...name, value: { ...said, reason } };
}

/** The same for a selection. */
export function selectionChange(
  image: string,
  block: string,
  { tag, digest, gone }: Selection,
): SelectionChange {
  return { kind: 'selection', image, key: `${block} ${tag}`, value: { digest, gone } };
}

/** The block selects the tag no more, and nothing of it is remembered. */
export function selectionGone(image: string, block: string, tag: string): SelectionChange {
  return { kind: 'selection', image, key: `${block} ${tag}`, value: undefined };
}

/** Undefined for what says no state. */
export function readReplicaValue(value: object): ReplicaValue | undefined {
  const row = value as Record<string, unknown>;
  const state = replicaStates.find((one) => one === row.state);
  const { attempts, bytes, seconds, reason } = row;
  const times = timesOf(row);
  const [wanted, here] = [row.wanted, row.here].map(digestOf);
  if (!state || !times || wanted === null || here === null) return undefined;
  if (!isCount(attempts) || !isCount(bytes) || !isSeconds(seconds)) return undefined;
  if (reason !== undefined && !(typeof reason === 'string' && reason.length <= longestReason))
    return undefined;
  return { state, wanted, here, attempts, bytes, seconds, reason, ...times };
}

/** Undefined for what is no selection. */
export function readSelectionValue(value: object): SelectionValue | undefined {
  const { digest: text, gone } = value as Record<string, unknown>;
  const digest = digestOf(text);
  if (!digest) return undefined;
  if (gone === undefined) return { digest, gone };
  const { since, listings } = (typeof gone === 'object' && gone ? gone : {}) as Record<string, unknown>;
  return isCount(since) && isCount(listings) ? { digest, gone: { since, listings } } : undefined;
}

const timeKeys = ['nextAttempt', 'verifiedAt', 'changedAt', 'doneAt', 'failedAt', 'referrersAt'] as const;

function timesOf(row: Record<string, unknown>): Pick<ReplicaValue, (typeof timeKeys)[number]> | undefined {
  const times: { -readonly [Key in (typeof timeKeys)[number]]: number | undefined } = {
    nextAttempt: undefined,
    verifiedAt: undefined,
    changedAt: undefined,
    doneAt: undefined,
    failedAt: undefined,
    referrersAt: undefined,
  };
  for (const key of timeKeys) {
    const time = row[key];
    if (time !== undefined && !isCount(time)) return undefined;
    times[key] = time;
  }
  return times;
}

/** Null for what is no digest; undefined where there is none. */
function digestOf(text: unknown): Digest | null | undefined {
  if (text === undefined) return undefined;
  return typeof text === 'string' ? (parseDigest(text) ?? null) : null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSeconds(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
