/** Values as text of TOML. */

/** A text, a flag or a list of texts. */
export function tomlText(value: string | boolean | readonly string[]): string {
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'string') return `[${value.map(tomlText).join(', ')}]`;
  // A basic string of TOML differs from one of JSON in DEL and in halves of surrogate pairs, which neither can hold.
  return JSON.stringify(value.toWellFormed()).replaceAll('\x7f', '\\u007F');
}
