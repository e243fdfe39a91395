/**
 * What a client of the model may rely on, by what it was answered. A *promise* says that something is there, or is not: it begins with
 * an answer, and only if nothing else that concerns the same thing was under way between question and answer; it ends with the
 * next question that concerns it.
 */
import type { Digest } from '../../../src/oci/digest.ts';

/** A link of an image, or a tag of it. */
export interface Thing {
  readonly image: string;
  readonly digest?: Digest | undefined;
  readonly tag?: string | undefined;
}

/** Whether the question may change the thing. */
export type Concerns = (thing: Thing) => boolean;

export interface Question {
  /** The answer has come: from now on the thing is there with this digest, or absent, unless other questions met this one. */
  promise(thing: Thing, is: Digest | undefined): void;
  /** Nothing else that concerns the thing was under way since the question began. */
  isAlone(thing: Thing): boolean;
  end(): void;
}

export type Book = ReturnType<typeof createBook>;

export const linkKey = ({ image, digest, tag }: Thing): string => `${image} ${tag ?? digest}`;

type Promises = ReadonlyMap<string, { readonly thing: Thing; readonly is: Digest | undefined }>;

/** After a kill, go on with the promises in a new one: questions that were under way are never answered. */
export function createBook(known: Promises = new Map()) {
  const promises = new Map(known);
  const under = new Set<{ readonly concerns: Concerns; readonly met: Set<Concerns> }>();

  return {
    promises,
    /** A question that may change what it `concerns` goes out. */
    ask(concerns: Concerns): Question {
      for (const [key, { thing }] of promises) if (concerns(thing)) promises.delete(key);
      const mine = { concerns, met: new Set<Concerns>() };
      for (const other of under) {
        mine.met.add(other.concerns);
        other.met.add(concerns);
      }
      under.add(mine);
      const isAlone = (thing: Thing) => ![...mine.met].some((other) => other(thing));
      return {
        isAlone,
        promise(thing, is) {
          if (isAlone(thing)) promises.set(linkKey(thing), { thing, is });
        },
        end: () => void under.delete(mine),
      };
    },
    /** What holds of a thing now; undefined: nothing is known. */
    known: (thing: Thing) => promises.get(linkKey(thing)),
  };
}
