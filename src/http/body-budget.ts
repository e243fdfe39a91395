/** Bounds the bytes of request bodies that are held in memory at once. A client that sends slowly cannot make it more. */
import type { Answer } from './answers/answer.ts';
import { errorsAnswer } from './answers/registry-error.ts';

export interface BodyBudget {
  /** Does the work while `size` bytes count; 429 where they would be too many. */
  during(size: number, work: () => Promise<Answer>): Promise<Answer>;
}

/** `most`: bytes of all bodies together. `what`: in the plural, for the message. */
export function createBodyBudget(most: number, what: string): BodyBudget {
  let held = 0;
  return {
    async during(size, work) {
      if (held + size > most) {
        const message = `too many ${what} are on their way: try again in a moment`;
        return errorsAnswer(429, [{ code: 'TOOMANYREQUESTS', message }], { 'Retry-After': '1' });
      }
      held += size;
      try {
        return await work();
      } finally {
        held -= size;
      }
    },
  };
}
