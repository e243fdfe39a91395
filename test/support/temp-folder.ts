/**
 * A folder of its own for a test, removed when the test is over. Hooks run in the order of their registration, and what
 * works in a folder is stopped by a hook that comes later than the folder's; so the removal is queued behind all of them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Anything with node:test's `after`: the context of a test. */
export interface Cleanup {
  after(fn: () => void | Promise<void>): void;
}

/** The absolute path of a new empty folder. */
export function tempFolder(test: Cleanup): string {
  const path = mkdtempSync(join(tmpdir(), 'entrepot-test-'));
  test.after(() => test.after(() => rmSync(path, { recursive: true, force: true })));
  return path;
}
