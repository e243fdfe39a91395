/** A part of a page that depends on what was typed: where that is wrong, the page says so and keeps the rest. */
import { EntrepotError } from '../../errors.ts';
import { message } from '../frame.ts';
import type { View } from '../page.ts';
import type { Html } from './html.ts';

/** What `make` gives, or why it cannot. Errors that are bugs go on. */
export async function orProblem({ texts }: View, make: () => Html | Promise<Html>): Promise<Html> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof EntrepotError)) throw error;
    return message('problem', error.located, texts.frame.problem);
  }
}
