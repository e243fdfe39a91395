/** What is in a folder, at any depth. */
import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Each with its path from `root`, in the order of the paths. Links are not followed, as `readdir` with `recursive` does. */
export function entriesOf(root: string): readonly { readonly name: string; readonly entry: Dirent }[] {
  const inFolder = (folder: string): { name: string; entry: Dirent }[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const name = join(folder, entry.name);
      return [{ name, entry }, ...(entry.isDirectory() ? inFolder(name) : [])];
    });
  return inFolder('').toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
