/** Guesses which known word a misspelt one stands for. */
import { distance } from 'fastest-levenshtein';

/** Characters of a word that are compared. */
const compared = 100;

/**
 * The known word that begins with `word` and an underscore (`key`: `key_file`), else the one with the fewest edits; the first of several. Undefined if even that one takes more than a third of the
 * letters of `word` (two edits are always allowed), or as many edits as it has letters itself.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const written = plain(word);
  const longer = [...known].find((candidate) => candidate.startsWith(`${word.toLowerCase()}_`));
  let best: string | undefined;
  let fewest = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const edits = distance(written, plain(candidate));
    if (edits < fewest && edits < candidate.length) {
      best = candidate;
      fewest = edits;
    }
  }
  return longer ?? best;
}

/** `maxSize`, `max-size` and `MAX_SIZE` are spellings of one word. */
function plain(word: string): string {
  return word.slice(0, compared).toLowerCase().replaceAll(/[-_]/g, '');
}
