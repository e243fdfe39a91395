/**
 * What the machine must have. A test whose client is missing is skipped, and all are without root; with
 * E2E_REQUIRE_CLIENTS=1, as in .ci/run, that counts as a failure. The exceptions are programs that .ci/run cannot install: no package
 * registry serves them, or they take too long to build. Their tests are skipped there too, with the reason.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { missing } from './programs.ts';

/** For the images and the registry that they are pushed to. */
const always = ['docker-registry', 'umoci', 'skopeo', 'htpasswd'];

/** By name: why .ci/run has no such program, and how to get it. */
const unobtainable: Readonly<Record<string, string>> = {
  zot:
    'zot is not in PATH. No package registry serves it: the Go module proxy refuses its modules. In a checkout of ' +
    'github.com/project-zot/zot: CGO_ENABLED=0 go build -tags containers_image_openpgp,events ./cmd/zot',
  'apiextensions-apiserver':
    'apiextensions-apiserver is not in PATH. .ci/run does not build it, as that takes half an hour: ' +
    'go install k8s.io/apiextensions-apiserver@v0.37.0; etcd is in the package etcd-server of Debian',
};

/** Why a test that needs `programs` besides cannot run here, if so. */
export function obstacle(programs: readonly string[] = []): string | undefined {
  if (process.getuid?.() !== 0) return 'the daemons need root';
  return absence([...always, ...programs]);
}

/** Skips or fails the test where something is missing; false then. */
export function isEquipped(t: TestContext, programs: readonly string[] = []): boolean {
  return isObtainable(t, programs) && isClear(t, obstacle(programs));
}

/** The same, for a test that wants these programs and neither root nor a registry. */
export function hasPrograms(t: TestContext, programs: readonly string[]): boolean {
  return isClear(t, absence(programs));
}

/** The same, for a test that is skipped in .ci/run too if its first program cannot be had there. */
export function hasObtainablePrograms(t: TestContext, programs: readonly string[]): boolean {
  return isObtainable(t, programs) && hasPrograms(t, programs);
}

/** The same, for a test that makes network namespaces. */
export function hasNamespaces(t: TestContext, programs: readonly string[]): boolean {
  return isClear(t, process.getuid?.() === 0 ? absence(programs) : 'network namespaces need root');
}

/** Skips the test, with E2E_REQUIRE_CLIENTS=1 too, where a program is missing that cannot be installed; false then. */
function isObtainable(t: TestContext, programs: readonly string[]): boolean {
  const [reason] = missing(programs).flatMap((program) => unobtainable[program] ?? []);
  if (reason === undefined) return true;
  t.skip(reason);
  return false;
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
