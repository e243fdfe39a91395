/** What the audit log says of requests whose clients leave before the answer has arrived. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { auditEntry } from '../../../src/http/audit-entry.ts';
import type { Digest } from '../../../src/oci/digest.ts';
import type { Repository, Tag } from '../../../src/oci/reference.ts';
import type { ManifestTarget } from '../../../src/routing/target.ts';

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const image = { registry: 'ex.test', repository: 'team/app' as Repository, name: 'ex.test/team/app' };
const reference = { registry: 'ex.test', repository: image.repository, tag: 'v1' as Tag };
const target: ManifestTarget = { kind: 'manifest', image, reference };

function outcomeOf(method: string, status: number): string | undefined {
  const answer = { status, headers: { 'Docker-Content-Digest': digest } };
  const sent = { bytes: 0, end: 'clientLeft' } as const;
  const done = { requestId: 'r', client: '127.0.0.1', answer, target, principal: undefined, sent };
  return auditEntry({ method, headers: {} }, done)?.outcome;
}

it('a push and a deletion are done, whether their client heard of it or not; a pull is not', () => {
  assert.equal(outcomeOf('PUT', 201), 'done');
  assert.equal(outcomeOf('DELETE', 202), 'done');
  assert.equal(outcomeOf('PUT', 400), 'failed');
  assert.equal(outcomeOf('GET', 200), 'failed');
});
