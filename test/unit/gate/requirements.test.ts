/** Which scope of a policy holds, and what a signature must have signed: the tables of containers-policy.json(5). */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SignedIdentity } from '../../../src/config/gates/policy.ts';
import { matchesIdentity } from '../../../src/gate/signature/identity.ts';
import { lookasideFor, requirementsFor, scopesOf } from '../../../src/gate/signature/requirements.ts';
import { parseReference } from '../../../src/oci/reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

function reference(text: string) {
  const parsed = parseReference(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}

describe('the scopes of a reference', () => {
  it('go from the reference up to the domains above its registry', () => {
    assert.deepEqual(scopesOf(reference('reg.eu.corp.example:5000/a/b/c:1')), [
      'reg.eu.corp.example:5000/a/b/c:1',
      'reg.eu.corp.example:5000/a/b/c',
      'reg.eu.corp.example:5000/a/b',
      'reg.eu.corp.example:5000/a',
      'reg.eu.corp.example:5000',
      '*.eu.corp.example',
      '*.corp.example',
      '*.example',
    ]);
    assert.deepEqual(scopesOf(reference(`alpine@${digest}`)).slice(0, 3), [
      `docker.io/library/alpine@${digest}`,
      'docker.io/library/alpine',
      'docker.io/library',
    ]);
  });

  const all = [
    'docker.io/library/alpine:1',
    'docker.io/library/alpine',
    'docker.io/library',
    'docker.io',
    '*.io',
    '',
  ];
  for (const [at, scope] of all.entries()) {
    it(`choose ${JSON.stringify(scope)} where nothing more specific is there`, () => {
      const field = (name: string) => [{ field: name, type: 'reject' as const }];
      const docker = new Map(all.slice(at).map((name) => [name, field(name)]));
      const policy = { file: '', default: field('default'), docker };
      assert.equal(requirementsFor(policy, reference('alpine:1'))[0]?.field, scope);
      assert.equal(
        requirementsFor({ ...policy, docker: new Map() }, reference('alpine:1'))[0]?.field,
        'default',
      );
    });
  }

  it('choose each setting of registries.d by itself', () => {
    const section = (url: string | undefined, attachments?: boolean) => ({ file: '', url, attachments });
    const docker = new Map([
      ['quay.io', section('https://quay', true)],
      ['quay.io/team', section(undefined, false)],
    ]);
    const all = { docker, default: section('https://other', true) };
    assert.deepEqual(lookasideFor(all, reference('quay.io/team/app:1')), {
      url: 'https://quay',
      attachments: false,
    });
    assert.deepEqual(lookasideFor(all, reference('alpine:1')), { url: 'https://other', attachments: true });
    assert.deepEqual(lookasideFor({ docker, default: undefined }, reference('alpine:1')), {
      url: undefined,
      attachments: false,
    });
  });
});

const at = `@${digest}`;
const remap: SignedIdentity = { type: 'remapIdentity', prefix: 'mirror.corp/hub', signedPrefix: 'docker.io' };
const exactly = (one: string): SignedIdentity => ({ type: 'exactReference', reference: one });
const repository = (one: string): SignedIdentity => ({ type: 'exactRepository', repository: one });

describe('a signed identity', () => {
  const table: readonly (readonly [SignedIdentity['type'] | SignedIdentity, string, string, boolean])[] = [
    ['matchExact', 'quay.io/a:1', 'quay.io/a:1', true],
    ['matchExact', 'quay.io/a:1', 'quay.io/a:2', false],
    ['matchExact', 'quay.io/a:1', 'quay.io/a', false],
    ['matchExact', 'alpine:1', 'docker.io/library/alpine:1', true],
    ['matchExact', `quay.io/a${at}`, 'quay.io/a:1', false],
    ['matchExact', `quay.io/a${at}`, `quay.io/a${at}`, true],
    ['matchRepoDigestOrExact', 'quay.io/a:1', 'quay.io/a:1', true],
    ['matchRepoDigestOrExact', 'quay.io/a:1', 'quay.io/a:2', false],
    ['matchRepoDigestOrExact', `quay.io/a${at}`, 'quay.io/a:2', true],
    ['matchRepoDigestOrExact', `quay.io/a${at}`, 'quay.io/a', false],
    ['matchRepoDigestOrExact', `quay.io/a${at}`, 'quay.io/b:2', false],
    ['matchRepository', 'quay.io/a:1', 'quay.io/a', true],
    ['matchRepository', 'quay.io/a:1', 'quay.io/a:2', true],
    ['matchRepository', 'quay.io/a:1', 'quay.io/a/b', false],
    ['matchRepository', 'quay.io/a:1', 'NOT A NAME', false],
    [exactly('quay.io/a:1'), 'quay.io/b:7', 'quay.io/a:1', true],
    [exactly('quay.io/a:1'), 'quay.io/a:1', 'quay.io/a:2', false],
    [exactly('quay.io/a:1'), 'quay.io/a:1', 'quay.io/a', false],
    [repository('quay.io/a'), 'quay.io/b:7', 'quay.io/a:1', true],
    [repository('quay.io/a'), 'quay.io/a:7', 'quay.io/b:1', false],
    [remap, 'mirror.corp/hub/library/alpine:1', 'docker.io/library/alpine:1', true],
    [remap, 'mirror.corp/hub/library/alpine:1', 'docker.io/library/alpine:2', false],
    [remap, 'mirror.corp/hub/library/alpine:1', 'mirror.corp/hub/library/alpine:1', false],
    [remap, 'mirror.corp/hubs/alpine:1', 'mirror.corp/hubs/alpine:1', true],
    [remap, `mirror.corp/hub/library/alpine${at}`, 'docker.io/library/alpine:9', true],
  ];
  for (const [identity, wanted, signed, expected] of table) {
    const value = typeof identity === 'string' ? ({ type: identity } as SignedIdentity) : identity;
    it(`${value.type}: ${wanted.replace(digest, 'DIGEST')} ${expected ? 'accepts' : 'refuses'} ${signed.replace(digest, 'DIGEST')}`, () => {
      assert.equal(matchesIdentity(value, reference(wanted), signed), expected);
    });
  }
});
