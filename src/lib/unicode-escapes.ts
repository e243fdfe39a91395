/** Characters of a text that must not be shown as they are, as `\u001b`. `which`: a pattern with the flag `g`, of single characters. */
export function unicodeEscapes(text: string, which: RegExp): string {
  return text.replace(which, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
