/**
 * Passwords of the htpasswd file. A password that was right is remembered as a keyed hash until it has not been used for 36 hours.
 * So requests of a client that speaks Basic cost no comparison each, and a client that logs in once a day does not wait behind
 * the guesses of others from its network. Another hash in the file ends that at once. Requests that come together share one comparison.
 * An unknown account costs one comparison like a known one: the time of an answer does not tell which accounts exist.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { createWatchedFiles } from '../../config/files/watched-file.ts';
import { EntrepotError, joinErrors } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Bcrypt } from './bcrypt.ts';
import { type Account, type Htpasswd, readHtpasswdFile } from './htpasswd.ts';

export interface Passwords {
  /** Whether this password was right lately. It costs a keyed hash and no comparison. */
  remembers(name: string, password: string): boolean;
  /** Whether the account has this password. `busy`: too many checks wait. */
  verify(name: string, password: string): Promise<boolean | 'busy'>;
  /** The account of this name as the file has it now. */
  account(name: string): Account | undefined;
  /** Every name in the file. */
  names(): readonly string[];
}

/** bcrypt reads the first 72 bytes; two longer passwords with the same beginning would be one. */
export const maxPasswordBytes = 72;
const rememberedFor = 36 * 3_600_000;
/** ms for which the last good file counts while another one is being written in its place. */
const rewriteGrace = 5_000;
/** Salt and hash that no password is known for. */
const decoyTail = 'C6UzMDM.H6dfI/f/IKcEeO7ZVqx0q6m5m5b5m5b5m5b5m5b5m5b5m';

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
    updateAgeOnHas: true,
    perf: { now: clock.monotonic },
    ttlResolution: 0,
  });
  const underWay = new Map<string, Promise<boolean | 'busy'>>();
  let isStarted = false;
  const files = createWatchedFiles<Htpasswd>(
    (path) => {
      const read = readHtpasswdFile(path);
      if (isStarted) read.problems.forEach(onProblem);
      return read;
    },
    { rewriteTime: rewriteGrace, clock },
  );
  const { problems } = files.get(file);
  if (problems.length > 0) throw joinErrors(problems);
  isStarted = true;

  function accounts(): ReadonlyMap<string, Account> {
    try {
      return files.get(file).accounts;
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      onProblem(error);
      return new Map();
    }
  }

  function proofOf(hash: string, password: string): string {
    return createHmac('sha256', key).update(`${hash}\0${password}`).digest('base64');
  }

  /** Each unknown name has the cost of one of the accounts, and always of the same one. */
  function decoyFor(name: string): string {
    const costs = [...accounts().values()].map(({ hash }) => hash.slice(4, 6));
    const pick = createHmac('sha256', key).update(name).digest().readUInt32BE();
    return `$2b$${costs[pick % costs.length] ?? '10'}$${decoyTail}`;
  }

  async function compare(password: string, account: Account | undefined, hash: string) {
    const matches = await bcrypt.matches(password, hash);
    if (matches === 'busy') return 'busy';
    return matches && account !== undefined;
  }

  return {
    remembers(name, password) {
      const account = accounts().get(name);
      return account !== undefined && right.has(proofOf(account.hash, password));
    },
    async verify(name, password) {
      if (Buffer.byteLength(password) > maxPasswordBytes) return false;
      const account = accounts().get(name);
      const hash = account?.hash ?? decoyFor(name);
      const proof = proofOf(hash, password);
      if (account && right.has(proof)) return true;
      let check = underWay.get(proof);
      if (!check) {
        check = compare(password, account, hash).finally(() => underWay.delete(proof));
        underWay.set(proof, check);
      }
      const found = await check;
      if (found === true) right.set(proof, true);
      return found;
    },
    account: (name) => accounts().get(name),
    names: () => [...accounts().keys()],
  };
}
