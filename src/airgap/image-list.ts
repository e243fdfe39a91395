/** A list of images in a file: a reference or a glob on each line. Empty lines, and what follows a `#`, are left out. */
import { isGlob, readGlob, readReference } from '../config/named-images.ts';
import { EntrepotError } from '../errors.ts';

/** Throws EntrepotError with file and line for a line that is neither. */
export function readImageList(text: string, file: string): readonly string[] {
  return text.split(/\r?\n/).flatMap((line, at) => {
    const what = line.replace(/(?:^|\s)#.*$/, '').trim();
    if (what === '') return [];
    try {
      if (isGlob(what)) readGlob(what);
      else readReference(what);
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      throw new EntrepotError(error.code, error.message, { file, line: at + 1 });
    }
    return [what];
  });
}
