/** What a test cannot do without and this machine has not: skipped, but in CI, where it has to be there, a failure. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

export function skipFor(t: TestContext, reason: string): void {
  assert.notEqual(process.env.CI, 'true', reason);
  t.skip(reason);
}
