/** `[facts]` as `entrepot check` sees it: the URL in its file, and the files that the URL names. It contacts no server. */
import { readFileSync } from 'node:fs';
import type { ServerConfig } from '../../config/config.ts';
import { readSecretFile } from '../../config/credentials/secret-file.ts';
import { readCaFile } from '../../config/files/pem.ts';
import { attempt, EntrepotError } from '../../errors.ts';
import { reasonOf } from '../../lib/thrown.ts';
import { parsePostgresUrl } from './postgres/postgres-url.ts';

/** Errors name the file. One that cannot be read is told by the check of all secret files. Throws nothing that a user can cause. */
export function checkFacts({ facts }: Pick<ServerConfig, 'facts'>): readonly EntrepotError[] {
  if (!facts) return [];
  const { urlFile } = facts;
  const errors: EntrepotError[] = [];
  let text: string;
  try {
    text = readSecretFile(urlFile);
  } catch {
    return [];
  }
  attempt(errors, () => {
    const { rootCert, cert, key } = parsePostgresUrl(text, urlFile);
    if (rootCert !== undefined && rootCert !== 'system')
      attempt(errors, () => readCaFile(rootCert, 'sslrootcert'));
    for (const [name, file] of Object.entries({ sslcert: cert, sslkey: key }))
      if (file !== undefined) attempt(errors, () => readable(file, name));
  });
  return errors;
}

function readable(file: string, name: string): void {
  try {
    readFileSync(file);
  } catch (error) {
    throw new EntrepotError('CREDENTIALS_UNUSABLE', `${name} cannot be read: ${reasonOf(error)}`, { file });
  }
}
