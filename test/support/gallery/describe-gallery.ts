/** The sentences against every registry of a group, and the section of docs/registries.md that comes of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkSection } from './documented-section.ts';
import type { Group } from './registries.ts';
import { sentences } from './sentences.ts';
import { createWorld } from './world.ts';

export type Results = Map<string, 'yes' | 'gap' | 'none'>;

export function describeGallery(group: Group): void {
  const results = new Map<string, Results>();
  let left = 0;
  for (const personality of group.members) {
    const row: Results = new Map();
    results.set(personality.name, row);
    describe(personality.name, () => {
      for (const sentence of sentences) {
        const isSaid = sentence.appliesTo?.(personality) ?? true;
        const gap = personality.knownGaps?.[sentence.column] ?? personality.knownGaps?.all;
        row.set(sentence.column, !isSaid ? 'none' : gap === undefined ? 'yes' : 'gap');
        if (!isSaid || gap !== undefined) continue;
        for (const isChained of sentence.chained ? [false, true] : [false]) {
          left += 1;
          it(`${sentence.text}${isChained ? ' (behind a second Entrepot)' : ''}`, async (t) => {
            await sentence.holds(await createWorld(t, personality, isChained));
            left -= 1;
          });
        }
      }
    });
  }
  it('is what docs/registries.md says of it', () => {
    assert.equal(left, 0, 'every sentence was true in this run');
    checkSection(group, results);
  });
}
