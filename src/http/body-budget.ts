/** Bounds the bytes of request bodies that are held in memory at once. A client that sends slowly cannot make it more. */
import type { Answer } from './answers/answer.ts';
import { errorsAnswer } from './answers/registry-error.ts';

export interface BodyBudget {
  /** Does the work while `size` bytes of a client count; 429 where they would be too many. */
  during(size: number, client: string, work: () => Promise<Answer>): Promise<Answer>;
}

export interface BodyBounds {
  /** Bytes of all bodies together. */
  readonly most: number;
  /** Bytes of one client, so that it leaves room for others. Undefined: as much as there is. */
  readonly mostOfOne?: number;
}

/** `what`: in the plural, for the message. */
export function createBodyBudget({ most, mostOfOne = most }: BodyBounds, what: string): BodyBudget {
  let held = 0;
  const heldOf = new Map<string, number>();
  return {
    async during(size, client, work) {
      const own = heldOf.get(client) ?? 0;
      if (held + size > most || own + size > mostOfOne) {
        const message = `too many ${what} are on their way: try again in a moment`;
        return errorsAnswer(429, [{ code: 'TOOMANYREQUESTS', message }], { 'Retry-After': '1' });
      }
      held += size;
      heldOf.set(client, own + size);
      try {
        return await work();
      } finally {
        held -= size;
        const left = (heldOf.get(client) ?? 0) - size;
        if (left > 0) heldOf.set(client, left);
        else heldOf.delete(client);
      }
    },
  };
}
