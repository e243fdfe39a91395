/** A file with one secret, as Docker, Kubernetes and systemd provide them. */
import { EntrepotError } from '../../errors.ts';
import { readTextFile } from '../files/text-file.ts';

const maxSecretBytes = 64 * 1024;

/**
 * The content without the line breaks at its end; at most 64 KiB. Throws EntrepotError CREDENTIALS_UNUSABLE; its message shows nothing of
 * the content.
 */
export function readSecretFile(path: string): string {
  const text = readTextFile(path, { code: 'CREDENTIALS_UNUSABLE', maxBytes: maxSecretBytes });
  const secret = text?.replace(/[\r\n]+$/, '');
  if (secret === undefined) throw unusable(path, 'there is no such file: create it, or correct its name');
  if (secret === '') throw unusable(path, 'the file is empty: it must hold the secret');
  if (/[\0\r\n]/.test(secret))
    throw unusable(path, 'the file must hold one line, the secret, and nothing else');
  return secret;
}

function unusable(file: string, message: string): EntrepotError {
  return new EntrepotError('CREDENTIALS_UNUSABLE', message, { file });
}
