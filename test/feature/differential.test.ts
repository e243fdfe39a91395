/**
 * A proxy must never be worse than none: what a plain client gets from a registry (test/support/gallery), it gets through Entrepot.
 * Where it does not, the difference is on the list of differences.ts, with its reason.
 */
import { test } from 'node:test';
import { describeDifferential } from '../support/gallery/describe-differential.ts';
import { checkDifferences } from '../support/gallery/documented-section.ts';
import { groups } from '../support/gallery/registries.ts';

for (const group of groups) describeDifferential(group);

test('docs/registries.md lists what differs, and why', () => checkDifferences());
