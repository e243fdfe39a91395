/** Texts that an editor would save, so that the loader can judge them before a file is written. */
import { readTextFile } from './text-file.ts';

/** By the path of the file, as the search finds it. */
export type Drafts = ReadonlyMap<string, string>;

/** The draft of the file, else its text. Throws as `readTextFile`. */
export function readWithDrafts(file: string, drafts: Drafts | undefined): string | undefined {
  return drafts?.get(file) ?? readTextFile(file);
}
