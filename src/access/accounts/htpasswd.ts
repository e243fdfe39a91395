/**
 * The htpasswd file: one `NAME:HASH` a line, hashes of bcrypt alone (`htpasswd -B`). Apache's MD5, SHA-1 and crypt forms
 * are refused: they can be guessed at millions a second. Empty lines and lines that begin with `#` are skipped.
 */
import { readTextFile } from '../../config/files/text-file.ts';
import { EntrepotError } from '../../errors.ts';

export interface Account {
  readonly name: string;
  /** bcrypt: `$2a$`, `$2b$` or `$2y$`, a cost of two digits, 53 characters of salt and hash. */
  readonly hash: string;
}

export interface Htpasswd {
  readonly accounts: ReadonlyMap<string, Account>;
  /** Lines that cannot be used. CONFIG_INVALID, with file and line; no hash is in a message. */
  readonly problems: readonly EntrepotError[];
}

const bcryptForm = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** bcrypt knows no cost below 4. A cost above 16 takes many seconds for one check. */
const minCost = 4;
const maxCost = 16;
/** Beginnings of names that rules give to other kinds of principals. */
const foreignName = /^(?:group:|(?:cn|dns|uri|email|ip)=)/;
const wayOut = 'make a line with: htpasswd -nB NAME';

/** Whether a rule would take the name for that of a group, of a certificate, or of every client. */
export function isReservedName(name: string): boolean {
  return name === 'anonymous' || foreignName.test(name);
}

/** Throws EntrepotError CONFIG_INVALID where there is no file, CONFIG_UNREADABLE where it cannot be read. */
export function readHtpasswdFile(file: string): Htpasswd {
  const text = readTextFile(file);
  if (text !== undefined) return readHtpasswd(text, file);
  const message = 'there is no such file: create it with htpasswd -cB FILE NAME';
  throw new EntrepotError('CONFIG_INVALID', message, { file });
}

/** Reads the text of `file`. */
export function readHtpasswd(text: string, file: string): Htpasswd {
  const accounts = new Map<string, Account>();
  const problems: EntrepotError[] = [];
  text.split(/\r?\n/).forEach((written, index) => {
    const line = written.trim();
    if (line === '' || line.startsWith('#')) return;
    const problem = (message: string) =>
      problems.push(new EntrepotError('CONFIG_INVALID', message, { file, line: index + 1 }));
    const colon = line.indexOf(':');
    if (colon <= 0) {
      problem(`is no line of the form NAME:HASH; ${wayOut}`);
      return;
    }
    const name = line.slice(0, colon);
    const hash = line.slice(colon + 1);
    const cost = Number(bcryptForm.exec(hash)?.[1]);
    if (name === 'anonymous')
      problem('the name "anonymous" means a client without an account; choose another');
    else if (isReservedName(name))
      problem(`the name "${name}" means a client certificate in access rules; choose another`);
    else if (accounts.has(name)) problem(`a second line for the account "${name}"; keep one of them`);
    else if (!bcryptForm.test(hash))
      problem(`the account "${name}" has ${kindOf(hash)}; only bcrypt is accepted: ${wayOut}`);
    else if (cost < minCost || cost > maxCost)
      problem(`the hash of the account "${name}" has a cost that is not ${minCost} to ${maxCost}; ${wayOut}`);
    else accounts.set(name, { name, hash });
  });
  return { accounts, problems };
}

function kindOf(hash: string): string {
  if (hash.startsWith('$apr1$') || hash.startsWith('$1$')) return 'an MD5 hash';
  if (hash.startsWith('{SHA}')) return 'a SHA-1 hash';
  if (hash.startsWith('$2')) return 'an incomplete bcrypt hash';
  if (/^\$(?:5|6|y)\$/.test(hash)) return 'a crypt hash';
  return 'no bcrypt hash';
}
