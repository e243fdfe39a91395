/** Text for a terminal: names and errors in it may come from another machine. */
import { unicodeEscapes } from '../../lib/unicode-escapes.ts';

/** Control characters but tab and line end (C0, DEL, C1), and those that turn the direction of a text around. */
const unprintable = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** Such characters as `\u001b`: they could move the cursor, clear the screen, or hide what the text says. */
export function printable(text: string): string {
  return unicodeEscapes(text, unprintable);
}
