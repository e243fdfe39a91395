import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isGlob, readGlob, readPin, readReference } from '../../../src/config/named-images.ts';

test('a text with a character of globs is a glob, and no reference is', () => {
  for (const glob of ['**', 'docker.io/team/*', 'quay.io/{a,b}', '**:v[12]', 'a?', '!(a)'])
    assert.ok(isGlob(glob), glob);
  for (const name of ['alpine', 'quay.io/team/app:1', `h.io:5000/a@sha256:${'a'.repeat(64)}`])
    assert.ok(!isGlob(name), name);
});

test('a pin by reference is kept as the full name, so that it matches what is cached', () => {
  assert.equal(readPin('alpine'), 'docker.io/library/alpine');
  assert.equal(readPin('quay.io/team/app:1'), 'quay.io/team/app:1');
  assert.equal(readPin('**/pause:*'), '**/pause:*');
  assert.throws(() => readPin(`alpine@sha256:${'a'.repeat(64)}`), { code: 'USAGE', message: /not a digest/ });
});

test('a glob matches names of repositories and of tags, each as a whole', () => {
  const matches = readGlob('docker.io/team/**');
  assert.deepEqual(
    ['docker.io/team/app', 'docker.io/team/a/b', 'docker.io/teams/app', 'x.io/docker.io/team/app'].map(
      matches,
    ),
    [true, true, false, false],
  );
});

test('a text that is neither a reference nor a glob is refused with its own words', () => {
  assert.throws(() => readReference('Not A Name'), { code: 'REFERENCE_INVALID', message: /"Not A Name"/ });
  assert.throws(() => readGlob(''), { code: 'USAGE' });
});

test('a glob that would hold up the server is refused: it may come from another machine', () => {
  for (const glob of [
    '{a,{a,{a,a}}}*(a*)*(a*)b',
    'docker.io/*a*a*a*/b',
    '**/a*/b*/c*/d*/e*/f*/g*/**',
    '{a,a}{a,a}{a,a}{a,a}{a,a}',
    `${'a'.repeat(300)}*`,
  ])
    assert.throws(() => readGlob(glob), {
      code: 'USAGE',
      message: /takes too long to match: a typed pattern/,
    });
  assert.ok(readGlob('{docker.io,quay.io}/**/*-v*.*')('quay.io/team/app/x-v1.2'));
});
