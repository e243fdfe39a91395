/** What the process was started with, for the search of configuration files. */
import { userInfo } from 'node:os';
import type { LoadOptions } from '../config/load.ts';

export type ProcessSurroundings = Omit<LoadOptions, 'flags'>;

export function readSurroundings(): ProcessSurroundings {
  const { env } = process;
  // Without getuid there is no root, and nothing that is root's alone is to be looked at.
  return { env, cwd: process.cwd(), home: env.HOME || homeOfUser(), uid: process.getuid?.() ?? 1 };
}

/** A container may run as a user whom no passwd file knows. */
function homeOfUser(): string {
  try {
    return userInfo().homedir || '/';
  } catch {
    return '/';
  }
}
