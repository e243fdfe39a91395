import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jsonErrorLine } from '../../../../src/config/credentials/json-position.ts';

describe('jsonErrorLine', () => {
  for (const [what, text, line] of [
    ['an empty text', '', 1],
    ['blanks', '\n\n', 1],
    ['a comma too many', '{\n  "a": 1,\n}', 3],
    ['a missing comma', '{\n  "a": 1\n  "b": 2\n}', 3],
    ['a bare word', '{"a":\n\n hello}', 3],
    ['single quotes', "{\r\n'a': 1}", 2],
    ['a line break in a string', '{"a": "x\ny"}', 1],
    ['an end too early', '{\n"a": {\n"b": 1\n}\n\n', 4],
    ['something after the end', '{}\n{}', 2],
    ['a bad escape', '[\n"\\x"]', 2],
    ['a wrong bracket', '[\n1}', 2],
    ['a comment', '{ // no\n}', 1],
    ['a missing colon', '{"a"\n"b"}', 2],
    ['a value without a key', '{\n1}', 2],
    ['a comma first', '[\n,1]', 2],
    ['a tab in a string', '[\n"a\tb"]', 2],
    ['brackets to the depth limit', `${'[\n'.repeat(100)}x`, 101],
    ['a string without end before 200,000 brackets', `{\n"a\n${'['.repeat(200_000)}`, 2],
  ] as const) {
    it(`finds ${what} on line ${line}`, () => assert.equal(jsonErrorLine(text), line));
  }

  it('agrees with JSON.parse wherever that names a line', () => {
    let compared = 0;
    const edit = fc.record({
      at: fc.nat(),
      drop: fc.integer({ min: 0, max: 2 }),
      put: fc.constantFrom('', '"', ',', '}', ']', ':', 'x', '1', '\n'),
    });
    fc.assert(
      fc.property(fc.jsonValue(), edit, (value, { at, drop, put }) => {
        const text = JSON.stringify(value, null, 1);
        const start = at % (text.length + 1);
        const broken = text.slice(0, start) + put + text.slice(start + drop);
        const told = lineOfParseError(broken);
        if (told === undefined) return;
        compared += 1;
        const line = jsonErrorLine(broken);
        assert.ok(line >= 1 && line <= broken.split('\n').length);
        if (told > 0) assert.equal(line, told, broken);
      }),
      { numRuns: 2000 },
    );
    assert.ok(compared > 200, `only ${compared} texts were broken`);
  });
});

/** Undefined for JSON, 0 where the engine names no line or one where a string begins or the text ends. */
function lineOfParseError(text: string): number | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    const message = String(error);
    if (/Unterminated|control character|Unexpected end|escape/.test(message)) return 0;
    const [, position, line] = /position (\d+) \(line (\d+) column/.exec(message) ?? [];
    return Number(position) >= text.trimEnd().length ? 0 : Number(line ?? 0);
  }
}
