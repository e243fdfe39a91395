/**
 * Checks a fact that comes from the log. A replica believes the database as far as its meaning goes, but a row may be damaged, or of a
 * version that says more: what does not follow the grammar is left out, and never reaches the index.
 */
import { parseDigest } from '../../oci/digest.ts';
import { hostOf, isDomain, maxNameLength, parseRepository, parseTag } from '../../oci/reference.ts';
import { isHosted } from '../index/catalogue.ts';
import type {
  Change,
  Fact,
  FactKind,
  LinkValue,
  ListValue,
  LoggedFact,
  PinValue,
  TagValue,
} from './facts.ts';
import { stampOf } from './hybrid-clock.ts';
import { readReplicaValue, readSelectionValue, stateOf } from './state-facts.ts';

/** Bytes of a list that is shared. Larger ones each replica asks for itself. */
export const largestList = 1024 * 1024;
const longest = { endpoint: 1024, mediaType: 255, pattern: 1024, key: 1024 };
/** Stamps that come after it must still be numbers that differ. */
const lastStamp = stampOf(Date.UTC(2200, 0));
const listKey = /^(?:tags|referrers) [^\0\n]*$/;

/** Undefined for what cannot be a fact of this version. */
export function readFact(logged: LoggedFact): Fact | undefined {
  const { stamp, origin } = logged;
  if (!isCount(stamp) || stamp > lastStamp || typeof origin !== 'string' || !isText(origin, 200))
    return undefined;
  const change = readChange(logged);
  return change && { ...change, stamp, origin };
}

function readChange({ kind, image, key, value }: LoggedFact): Change | undefined {
  if (kind !== 'pin' && !isImageName(image)) return undefined;
  const named = <Kind extends FactKind, Value>(its: Kind, read: (value: object) => Value | undefined) => {
    if (value === null || value === undefined) return { kind: its, image, key, value: undefined };
    const found = typeof value === 'object' ? read(value) : undefined;
    return found === undefined ? undefined : { kind: its, image, key, value: found };
  };
  /** What an endpoint said is never hosted, and what is hosted came from no endpoint. */
  const ofKind = <Value>(value: Value | undefined, originOf: (value: Value) => string) =>
    value && isHosted(originOf(value)) === kind.startsWith('hosted') ? value : undefined;
  switch (kind) {
    case 'tag':
    case 'hostedTag':
      return parseTag(key) === undefined
        ? undefined
        : named(kind, (value) => ofKind(readTag(value), ({ endpoint }) => endpoint));
    case 'link':
    case 'hostedLink':
      return parseDigest(key) === undefined
        ? undefined
        : named(kind, (value) => ofKind(readLink(value), ({ origin }) => origin));
    case 'list':
      return isText(key, longest.key) && listKey.test(key) ? named(kind, readList) : undefined;
    case 'replica':
      return stateOf(key) ? named(kind, readReplicaValue) : undefined;
    case 'selection':
      return stateOf(key) ? named(kind, readSelectionValue) : undefined;
    case 'pin':
      return image === '' && isText(key, longest.pattern) ? named(kind, (): PinValue => ({})) : undefined;
    default:
      return undefined;
  }
}

function readTag(value: object): TagValue | undefined {
  const { digest, endpoint, checkedAt } = value as Record<string, unknown>;
  const parsed = typeof digest === 'string' ? parseDigest(digest) : undefined;
  if (!parsed || !isText(endpoint, longest.endpoint) || !isCount(checkedAt)) return undefined;
  return { digest: parsed, endpoint, checkedAt };
}

function readLink(value: object): LinkValue | undefined {
  const { origin, mediaType, size, subject } = value as Record<string, unknown>;
  if (!isText(origin, longest.endpoint)) return undefined;
  if (mediaType !== undefined && !isText(mediaType, longest.mediaType)) return undefined;
  if (size !== undefined && !isCount(size)) return undefined;
  const attachedTo = typeof subject === 'string' ? parseDigest(subject) : undefined;
  if (subject !== undefined && !attachedTo) return undefined;
  return {
    origin,
    ...(mediaType !== undefined && { mediaType }),
    ...(size !== undefined && { size }),
    ...(attachedTo && { subject: attachedTo }),
  };
}

function readList(value: object): ListValue | undefined {
  const { bytes, checkedAt } = value as Record<string, unknown>;
  if (typeof bytes !== 'string' || bytes.length > (largestList * 4) / 3 + 4 || !isCount(checkedAt))
    return undefined;
  return /^[A-Za-z0-9+/]*={0,2}$/.test(bytes) ? { bytes, checkedAt } : undefined;
}

function isImageName(text: unknown): text is string {
  if (typeof text !== 'string' || text.length > maxNameLength) return false;
  const registry = hostOf(text);
  const isRegistry = isDomain(registry) || parseRepository(registry) !== undefined;
  return isRegistry && parseRepository(text.slice(registry.length + 1)) !== undefined;
}

function isText(value: unknown, most: number): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= most && !/[\0-\x1f]/.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
