/**
 * One event as a sender tells it, before anything of it is believed: texts that may be anything, and no registry, since the
 * configuration says which one a sender speaks for.
 */
import { isJsonObject } from '../../oci/parse-json.ts';

export type SentEvent =
  | {
      readonly kind: 'change';
      readonly change: 'updated' | 'deleted';
      /** What the sender calls this event; the same again is the same event. Undefined: its format has no such thing. */
      readonly id: string | undefined;
      readonly repository: string;
      /** Neither tag nor digest: the whole repository. */
      readonly tag: string | undefined;
      readonly digest: string | undefined;
      /** The User-Agent of the client that made the change, if the sender tells it. */
      readonly agent?: string | undefined;
    }
  /** It changes no image. `why`: nothing of what the sender wrote. */
  | { readonly kind: 'ignored'; readonly why: string };

/** A header of the request by its name in lower case. */
export type HeaderOf = (name: string) => string | undefined;

/** Reads a parsed body; never throws, whatever it is. One body may hold several events. */
export type EventReader = (body: unknown, header: HeaderOf) => readonly SentEvent[];

/** What stands for something that has not the form of an event. */
export const noEvent: SentEvent = { kind: 'ignored', why: 'it is no event of this format' };

/** An event that is about no image that changes. */
export const noChange: SentEvent = { kind: 'ignored', why: 'no image changes with it' };

/** The member of an object, if it is a text with something in it. */
export function textOf(value: unknown, name: string): string | undefined {
  const member = memberOf(value, name);
  return typeof member === 'string' && member !== '' ? member : undefined;
}

/** The member of an object; undefined where there is no object, or no such member. */
export function memberOf(value: unknown, name: string): unknown {
  return isJsonObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

/** What a list holds; anything else alone. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
