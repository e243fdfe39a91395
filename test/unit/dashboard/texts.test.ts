/** The texts of the dashboard, held against its sources: each is used, and no page has words of its own. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { en } from '../../../src/dashboard/texts/en.ts';

const folder = join(import.meta.dirname, '../../../src/dashboard');
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.startsWith('texts'))
  .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '') }));
const all = sources.map(({ text }) => text).join('\n');

/** Names of those that sources name: what lies deeper is chosen by a value. */
function namesOf(texts: object, depth: number): readonly string[] {
  return Object.entries(texts).flatMap(([name, value]) =>
    typeof value === 'object' && depth > 1 ? namesOf(value, depth - 1) : [name],
  );
}

describe('the texts of the dashboard', () => {
  it('are all used', () => {
    const { pages: _, ...others } = en;
    const names = [...namesOf(others, 2), ...Object.keys(en.frame.live)];
    assert.ok(names.length > 200);
    assert.deepEqual(
      names.filter((name) => !new RegExp(`\\b${name}\\b`).test(all)),
      [],
    );
  });

  it('have all words that pages show', () => {
    const shown = sources
      .filter(({ name }) => /^(?:pages|parts)\//.test(name))
      .flatMap(({ text }) => text.match(/'[A-Za-z]+ [A-Za-z ]+'/g) ?? []);
    // A class of CSS, and an outcome for the audit log.
    assert.deepEqual(
      shown.filter((one) => one !== "'num wide'" && one !== "'nothing to do'"),
      [],
    );
  });
});
