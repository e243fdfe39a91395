import { statSync } from 'node:fs';
import { unusable } from '../cache/data-folder.ts';
import { EntrepotError } from '../errors.ts';

/**
 * Root writes in no data folder of another user: what it leaves there, that user's server can neither replace nor remove
 * (docs/decisions/0056). Throws EntrepotError DATA_UNUSABLE.
 */
export function refuseForeignFolder(data: string, uid: number): void {
  const owner = uid === 0 ? ownerOf(data) : undefined;
  if (owner === undefined || owner === 0) return;
  const how = `runuser -u "$(stat -c %U '${data}')" -- entrepot ...`;
  const message = `belongs to another user (${owner}), whose server could not use what root leaves in it: start that server first, or run the command as that user (${how})`;
  throw new EntrepotError('DATA_UNUSABLE', message, { file: data });
}

function ownerOf(data: string): number | undefined {
  try {
    return statSync(data, { throwIfNoEntry: false })?.uid;
  } catch (error) {
    throw unusable(data, error);
  }
}
