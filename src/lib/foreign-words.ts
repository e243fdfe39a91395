/**
 * Makes text that another program or server gave as its reason fit for one line of a log or an error: printable ASCII, at most `max`
 * characters, without anything that has the form of a secret and without the values in `secrets`.
 */
export function foreignWords(
  text: string,
  { max = 160, secrets = [] }: { max?: number; secrets?: readonly string[] } = {},
): string {
  let words = text.slice(0, longestRead);
  for (const secret of secrets) if (secret.length >= shortestSecret) words = words.replaceAll(secret, hidden);
  return words
    .replaceAll(/\b(bearer|basic)\s+(?!realm\b)[\w.~+/=-]{8,}/gi, `$1 ${hidden}`)
    .replaceAll(/\beyJ[\w-]{8,}[\w.~+/=-]*/g, hidden)
    .replaceAll(/\b(https?:\/\/)[^\s/@]+@/gi, '$1')
    .replaceAll(/\b(https?:\/\/[^\s?#"']+)[?#][^\s"']*/gi, '$1')
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, max);
}

const hidden = '...';
/** Characters. A shorter value would match ordinary words. */
const shortestSecret = 3;
/** Characters of `text` that are looked at. */
const longestRead = 16 * 1024;
