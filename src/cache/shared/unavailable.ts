import { systemCode } from '../../lib/thrown.ts';

/** What replicas share cannot be asked now: the same may succeed later. The message shows no secret. */
export class Unavailable extends Error {
  override readonly name: string = 'Unavailable';
}

/** Nothing waits for an answer any more. */
export const serverStops = () => new Unavailable('the server stops');

/**
 * Whether PostgreSQL refuses the values themselves, so that the same fails for ever: data, constraints, limits (SQLSTATE classes 22, 23
 * and 54). All else may pass: tables that are being restored, a right that is missing.
 */
export function isOfValues(error: unknown): boolean {
  return /^(?:22|23|54)/.test(systemCode(error) ?? '');
}
