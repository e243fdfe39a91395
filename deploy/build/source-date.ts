/** The date of everything that is built, so that the same sources give the same bytes. */
import { execFileSync } from 'node:child_process';

/**
 * Seconds since 1970: SOURCE_DATE_EPOCH (reproducible-builds.org), else the date of the last commit of `checkout`.
 * Throws if neither is known.
 */
export function sourceDate(checkout: string, env: NodeJS.ProcessEnv): number {
  const given = env.SOURCE_DATE_EPOCH;
  if (given !== undefined && !/^\d+$/.test(given)) {
    throw new Error(`SOURCE_DATE_EPOCH must be seconds since 1970: ${given}`);
  }
  if (given !== undefined) return Number(given);
  try {
    const last = execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: checkout, stdio: 'pipe' });
    return Number(last);
  } catch (error) {
    throw new Error('set SOURCE_DATE_EPOCH: this folder is no git checkout', { cause: error });
  }
}
