/** The environment of the process that the search of configuration files depends on. */
import { userInfo } from 'node:os';
import type { LoadOptions } from '../config/load.ts';

export type ProcessEnvironment = Omit<LoadOptions, 'flags'>;

/** Variables, working directory, home and user id. */
export function readEnvironment(): ProcessEnvironment {
  const { env } = process;
  // Systems without getuid have no root, so the files that only root uses do not count.
  return { env, cwd: process.cwd(), home: env.HOME || homeOfUser(), uid: process.getuid?.() ?? 1 };
}

/** A container may run as a user id that is in no passwd file. */
function homeOfUser(): string {
  try {
    return userInfo().homedir || '/';
  } catch {
    return '/';
  }
}
