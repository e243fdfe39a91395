import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namePattern } from '../../../src/lib/name-patterns.ts';

test('one star stays within a component, two cross them, wherever they stand', () => {
  const image = 'quay.io/team/app';
  for (const [pattern, name, isMatch] of [
    ['quay.io/team/*', image, true],
    ['quay.io/*', image, false],
    ['quay.io/**', image, true],
    ['quay.io/**', `${image}:1.2`, true],
    ['**', image, true],
    ['**:latest', `${image}:latest`, true],
    ['**:latest', `${image}:1`, false],
    ['**/app:*', `${image}:1`, true],
    ['quay.io/**app', image, true],
    ['*/team/app:v*', `${image}:v1`, true],
    ['quay.io/{a,team}/app', image, true],
    ['!quay.io/**', image, false],
  ] as const) {
    assert.equal(namePattern([pattern])?.(name), isMatch, `${pattern} and ${name}`);
  }
});

test('any of several patterns is enough, and none at all is no pattern', () => {
  assert.equal(namePattern(['a/b', 'c/*'])?.('c/d'), true);
  assert.equal(namePattern([]), undefined);
});
