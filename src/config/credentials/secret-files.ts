/**
 * Passwords and identity tokens from the files that entrepot.toml names. A file that is being rewritten is empty, missing or cut
 * short for a moment. So after a good reading such a file is given five seconds: until then the last good secret is used.
 */

import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { createWatchedFiles } from '../files/watched-file.ts';
import { readSecretFile } from './secret-file.ts';

export interface SecretFiles {
  /** The secret in the file. Throws EntrepotError CREDENTIALS_UNUSABLE. */
  get(path: string): string;
}

export interface SecretFilesDeps {
  readonly clock: Clock;
  /** Called once for each time that a file has become unusable and its last good secret is used instead. */
  readonly onRewrite?: ((path: string, problem: string) => void) | undefined;
}

/** ms. */
const rewriteTime = 5000;

/** Reads a file again when it has changed. */
export function createSecretFiles({ clock, onRewrite }: SecretFilesDeps): SecretFiles {
  const lastGood = new Map<string, string>();
  /** Files that are unusable now, and about which `onRewrite` was called. */
  const reported = new Set<string>();
  let problem: string | undefined;

  const files = createWatchedFiles(
    (path) => {
      try {
        const secret = readSecretFile(path);
        const last = lastGood.get(path);
        if (last !== undefined && secret !== last && last.startsWith(secret)) throw cutShort(path);
        return secret;
      } catch (error) {
        if (error instanceof EntrepotError) problem = error.message;
        throw error;
      }
    },
    { clock, rewriteTime },
  );

  function read(path: string): string {
    problem = undefined;
    const secret = files.get(path);
    if (problem === undefined) {
      lastGood.set(path, secret);
      reported.delete(path);
    } else if (!reported.has(path)) {
      reported.add(path);
      onRewrite?.(path, problem);
    }
    return secret;
  }

  return {
    get(path) {
      if (!lastGood.has(path)) return read(path);
      try {
        return read(path);
      } catch {
        // Its five seconds are over: what it holds now counts, even if that is shorter.
        lastGood.delete(path);
        reported.delete(path);
        return read(path);
      }
    },
  };
}

function cutShort(file: string): EntrepotError {
  const message = 'the file holds only the beginning of the secret that it held before';
  return new EntrepotError('CREDENTIALS_UNUSABLE', message, { file });
}
