/**
 * Checks an event that comes from the outbox in the database. Replicas sign what they send, so a row that is damaged, or of a version
 * that says more, is left out.
 */
import { type EventKind, eventKinds } from '../../config/event-sink.ts';
import { parseDigest } from '../../oci/digest.ts';
import type { OutboxEvent } from '../index/outbox/outbox-event.ts';

type Check = (value: unknown) => boolean;

/** Characters of a text, and texts of a list. */
const longest = { text: 8192, list: 1000 };

const isText: Check = (value) => typeof value === 'string' && value.length <= longest.text;
const isFlag: Check = (value) => typeof value === 'boolean';
const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isDigest: Check = (value) => typeof value === 'string' && parseDigest(value) !== undefined;
const isList: Check = (value) => Array.isArray(value) && value.length <= longest.list && value.every(isText);
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const isCause = shape({
  actor: isText,
  address: isText,
  host: isText,
  isTls: isFlag,
  method: isText,
  userAgent: isText,
});

const events: Readonly<Record<EventKind, Check>> = {
  push: shape({
    image: isText,
    digest: isDigest,
    mediaType: isText,
    size: isNumber,
    tag: maybe(isText),
    cause: isCause,
  }),
  tag: shape({ image: isText, tag: isText, digest: isDigest, previous: isDigest, cause: maybe(isCause) }),
  delete: shape({ image: isText, tag: maybe(isText), digest: maybe(isDigest), cause: isCause }),
  synced: shape({
    sync: isText,
    state: isText,
    images: isList,
    done: isNumber,
    partial: isNumber,
    failed: isNumber,
    bytes: isNumber,
    seconds: isNumber,
  }),
  damaged: shape({ digest: isDigest, images: isList, isHosted: isFlag, reason: isText }),
  quota: shape({ quota: (value) => value === null || isText(value), images: isList, bytes: isNumber }),
};

/** `text`: JSON. Undefined for what is no event of this version. */
export function readEvent(text: string): OutboxEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const kind = eventKinds.find((one) => one === (value as { kind?: unknown } | null)?.kind);
  return kind && events[kind](value) ? (value as OutboxEvent) : undefined;
}

function shape(members: Readonly<Record<string, Check>>): Check {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(members).every(([name, check]) => check((value as Record<string, unknown>)[name]));
}
