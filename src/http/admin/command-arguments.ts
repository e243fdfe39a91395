/** Arguments of commands, as they come in JSON. */
import { EntrepotError } from '../../errors.ts';

export type Arguments = Readonly<Record<string, unknown>>;

/** Throws EntrepotError USAGE, as the others do, for a value of another type. */
export function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new EntrepotError('USAGE', 'an argument is missing');
}

/** A text, or none. */
export function optional(value: unknown): string | undefined {
  return value === undefined ? undefined : text(value);
}

/** A number above 0. */
export function amount(value: unknown): number {
  if (typeof value === 'number' && value > 0) return value;
  throw new EntrepotError('USAGE', 'an argument is no number above 0');
}

/** A list of texts; none is an empty one. */
export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text) : [];
}

/** A whole number from 0 on in a query, or none. */
export function wholeNumber(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
  if (number === undefined) throw new EntrepotError('USAGE', 'an argument is no whole number');
  return number;
}
