/** The name of a data folder in receipts, in its `imports/`. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileSafely } from '../../lib/safe-write.ts';
import { systemCode } from '../../lib/thrown.ts';

/** Made with the first import. */
export async function storeName(folder: string): Promise<string> {
  const path = join(folder, 'store-name');
  const known = await readFile(path, 'utf8').catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
  if (known !== undefined) return known.trim();
  const name = randomUUID();
  writeFileSafely(path, `${name}\n`);
  return name;
}
