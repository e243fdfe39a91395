/**
 * Passwords of the htpasswd file. Docker sends the password with every request to a server that speaks Basic, so a
 * password that was right is remembered for a minute, as a keyed hash. An unknown account costs one comparison like a known one:
 * the time of an answer does not tell which accounts exist.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { readTextFile } from '../../config/files/text-file.ts';
import { createWatchedFiles } from '../../config/files/watched-file.ts';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Bcrypt } from './bcrypt.ts';
import { type Account, type Htpasswd, readHtpasswd } from './htpasswd.ts';

export interface Passwords {
  /** The account with this name and password. `busy`: too many checks wait. */
  verify(name: string, password: string): Promise<Account | undefined | 'busy'>;
  /** The account of this name as the file has it now. */
  account(name: string): Account | undefined;
  /** Every name in the file. */
  names(): readonly string[];
}

/** bcrypt reads the first 72 bytes; two longer passwords with the same beginning would be one. */
const maxPasswordBytes = 72;
const rememberedFor = 60_000;
/** ms for which the last good file counts while another one is being written in its place. */
const rewriteGrace = 5_000;
/** A hash of cost 10 that no password is known for. */
const decoy = '$2b$10$C6UzMDM.H6dfI/f/IKcEeO7ZVqx0q6m5m5b5m5b5m5b5m5b5m5b5m';

/**
 * Reads `file` at once and again when it changed. Throws EntrepotError CONFIG_INVALID or CONFIG_UNREADABLE for a file that
 * cannot be used now. A later file that cannot be read keeps the last good one for some seconds and then fails closed; single lines
 * that cannot be used are told to `onProblem` and skipped.
 */
export function createPasswords(
  deps: { readonly clock: Clock; readonly bcrypt: Bcrypt; onProblem(problem: EntrepotError): void },
  file: string,
): Passwords {
  const { clock, bcrypt, onProblem } = deps;
  const key = randomBytes(32);
  const right = new LRUCache<string, true>({
    max: 10_000,
    ttl: rememberedFor,
    perf: { now: clock.monotonic },
    ttlResolution: 0,
  });
  let isStarted = false;
  const files = createWatchedFiles<Htpasswd>(
    (path) => {
      const text = readTextFile(path);
      if (text === undefined) {
        throw new EntrepotError(
          'CONFIG_INVALID',
          'there is no such file: create it with htpasswd -cB FILE NAME',
          {
            file: path,
          },
        );
      }
      const read = readHtpasswd(text, path);
      if (isStarted) read.problems.forEach(onProblem);
      return read;
    },
    { rewriteTime: rewriteGrace, clock },
  );
  const [problem] = files.get(file).problems;
  if (problem) throw problem;
  isStarted = true;

  function accounts(): ReadonlyMap<string, Account> {
    try {
      return files.get(file).accounts;
    } catch (error) {
      onProblem(error as EntrepotError);
      return new Map();
    }
  }

  return {
    async verify(name, password) {
      if (Buffer.byteLength(password) > maxPasswordBytes) return undefined;
      const account = accounts().get(name);
      const hash = account?.hash ?? decoy;
      const proof = createHmac('sha256', key).update(`${hash}\0${password}`).digest('base64');
      if (account && right.has(proof)) return account;
      const matches = await bcrypt.matches(password, hash);
      if (matches === 'busy') return 'busy';
      if (!matches || !account) return undefined;
      right.set(proof, true);
      return account;
    },
    account: (name) => accounts().get(name),
    names: () => [...accounts().keys()],
  };
}
