/**
 * corpus.json holds objects and files of registries.conf with what OpenShift makes of them: the entries that the image library reads
 * from the file that the operator writes, or its error. It is the output of the operator's own code
 * (machine-config-operator 7ff337a4, runtime-utils 7bdb5b9c, containers/image 5.36) for random input.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { EntrepotError } from '../../../../src/errors.ts';
import type { ShortObjects } from '../../../support/cluster-objects.ts';
import { render } from '../../../support/rendered-policies.ts';

interface Case extends ShortObjects {
  readonly conf?: readonly string[];
  readonly gives?: readonly string[];
  readonly error?: string;
}

const corpus: readonly Case[] = JSON.parse(readFileSync(join(import.meta.dirname, 'corpus.json'), 'utf8'));

/** Theirs, and ours. */
const errors: readonly (readonly [RegExp, RegExp])[] = [
  [/^invalid format for mirror/, /the mirror ".*" has not the right form/],
  [/^cannot set mirrorSourcePolicy: NeverContactSource/, /is one of its mirrors, and mirrorSourcePolicy is/],
  [/^conflicting mirrorSourcePolicy/, /conflicting mirrorSourcePolicy/],
  [/for a wildcard scope/, /the wildcard source ".*" has mirrors/],
  [
    /^invalid entry for (?:insecure|blocked) registries/,
    /in (?:insecure|blocked)Registries has not the right form/,
  ],
  [/URI schemes are not supported/, /has a URI scheme/],
  [/conflicting 'insecure' setting/, /only one of them is insecure/],
  [/conflicting 'blocked' setting/, /only one of them is blocked/],
];

describe('objects mean what they mean to OpenShift', () => {
  corpus.forEach(({ conf = [], gives, error, ...objects }, index) => {
    it(`case ${index}`, (t) => {
      const rendered = () => render(t, { ...objects, conf: conf.join('\n') });
      if (error === undefined) {
        assert.deepEqual(rendered(), gives);
        return;
      }
      const [, message] = errors.find(([theirs]) => theirs.test(error)) ?? [];
      assert.ok(message, `no message is known for "${error}"`);
      assert.throws(rendered, (thrown) => {
        assert.ok(thrown instanceof EntrepotError);
        assert.match(thrown.message, message);
        return true;
      });
    });
  });
});
