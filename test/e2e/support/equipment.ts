/**
 * What the machine must have. A test whose client is missing is skipped, and all are without root; with
 * E2E_REQUIRE_CLIENTS=1, as in .ci/run, that counts as a failure.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { missing } from './programs.ts';

/** For the images and the registry that they are pushed to. */
const always = ['docker-registry', 'umoci', 'skopeo', 'htpasswd'];

/** Why a test that needs `programs` besides cannot run here, if so. */
export function obstacle(programs: readonly string[] = []): string | undefined {
  if (process.getuid?.() !== 0) return 'the daemons need root';
  return absence([...always, ...programs]);
}

/** Skips or fails the test where something is missing; false then. */
export function isEquipped(t: TestContext, programs: readonly string[] = []): boolean {
  return isClear(t, obstacle(programs));
}

/** The same, for a test that wants these programs and neither root nor a registry. */
export function hasPrograms(t: TestContext, programs: readonly string[]): boolean {
  return isClear(t, absence(programs));
}

/** The same, for a test that makes network namespaces. */
export function hasNamespaces(t: TestContext, programs: readonly string[]): boolean {
  return isClear(t, process.getuid?.() === 0 ? absence(programs) : 'network namespaces need root');
}

function absence(programs: readonly string[]): string | undefined {
  const absent = missing(programs);
  return absent.length === 0 ? undefined : `not installed: ${absent.join(', ')}`;
}

function isClear(t: TestContext, reason: string | undefined): boolean {
  if (reason === undefined) return true;
  assert.notEqual(process.env.E2E_REQUIRE_CLIENTS, '1', reason);
  t.skip(reason);
  return false;
}
