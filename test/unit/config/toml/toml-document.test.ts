import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseToml, type TomlValue } from '../../../../src/config/toml/toml-document.ts';

/** `path:line` of every key and element, in the order of the document. */
function places(value: TomlValue, path = ''): string[] {
  if (value.kind === 'table') {
    return [...value.entries].flatMap(([key, entry]) => {
      const own = path === '' ? key : `${path}.${key}`;
      return [`${own}:${entry.line}`, ...places(entry, own)];
    });
  }
  if (value.kind !== 'array') return [];
  return value.items.flatMap((item, index) => [
    `${path}[${index}]:${item.line}`,
    ...places(item, `${path}[${index}]`),
  ]);
}

function placesIn(text: string): string[] {
  return places(parseToml(text, 'a.conf'));
}

describe('lines', () => {
  it('of headers, of arrays of tables and of the keys in them', () => {
    const text =
      '# top\na = 1\n[[r]]\nx = 1\n\n[[r.m]]\ny = 1\n[[r.m]]\ny = 2\n[[r]]\n[[r.m]]\ny = 3\n[t.u]\nz = 1\n';
    assert.deepEqual(placesIn(text), [
      ...['a:2', 'r:3', 'r[0]:3', 'r[0].x:4', 'r[0].m:6', 'r[0].m[0]:6', 'r[0].m[0].y:7'],
      ...['r[0].m[1]:8', 'r[0].m[1].y:9', 'r[1]:10', 'r[1].m:11', 'r[1].m[0]:11', 'r[1].m[0].y:12'],
      ...['t:13', 't.u:13', 't.u.z:14'],
    ]);
  });

  it('of inline tables and lists that span lines, with comments between', () => {
    const text =
      'r = [ # one\n  { x = 1, # two\n    m = [ 1,\n 2 ], },\n  # three\n  { x = [] },\n]\nb = 1\n';
    assert.deepEqual(placesIn(text), [
      ...['r:1', 'r[0]:2', 'r[0].x:2', 'r[0].m:3', 'r[0].m[0]:3', 'r[0].m[1]:4', 'r[1]:6', 'r[1].x:6', 'b:8'],
    ]);
  });

  it('of keys behind strings that hold brackets, quotes, hashes and line ends', () => {
    const text = [
      'a = "]#[\\"{"',
      "b = '}]#\"'",
      'c = """',
      ' "" # no comment \\""" ]',
      '"""""',
      "d = '''",
      "''[[x]]",
      "''''",
      '"e.\\u0066" = 1',
      "g . 'h' = 1979-05-27 07:32:00",
      '',
    ].join('\r\n');
    assert.deepEqual(placesIn(text), ['a:1', 'b:2', 'c:3', 'd:6', 'e.f:9', 'g:10', 'g.h:10']);
  });

  it('are right for any document', () => {
    const text = fc.constantFrom(
      '"a"',
      "'#'",
      '[1, 2]',
      '{ k = [{}] }',
      '"""\n[x]\n"""',
      "'''\n'''",
      '[\n# ]\n]',
      '2020-01-01',
      '-1.5e3',
      'true',
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(text, fc.nat(3), fc.boolean()), { maxLength: 20 }), (parts) => {
        let document = '';
        const expected: string[] = [];
        parts.forEach(([value, blank, isTable], index) => {
          document += '\n'.repeat(blank);
          const header = isTable ? `[t${index}] # c\n` : '';
          const line = (document + header).split('\n').length;
          document += `${header}k${index} = ${value}\n`;
          expected.push(`k${index}:${line}`);
        });
        const found = placesIn(document).map((place) => place.replace(/^.*\./, ''));
        for (const place of expected) assert.ok(found.includes(place), `${place} in\n${document}`);
      }),
    );
  });
});

describe('values', () => {
  it('bear their kind', () => {
    const text =
      'a = "x"\nb = true\nc = 9223372036854775807\nd = 1.0\ne = 1979-05-27\nf = 07:32:00\ng = []\nh = {}\n';
    const kinds = [...parseToml(text, 'a.conf').entries.values()].map((value) => value.kind);
    const expected = [
      'string',
      'boolean',
      'integer',
      'float',
      'date or time',
      'date or time',
      'array',
      'table',
    ];
    assert.deepEqual(kinds, expected);
  });

  it('named __proto__ or constructor are keys like others', () => {
    const { entries } = parseToml('__proto__ = 1\nconstructor.prototype = 2\n', 'a.conf');
    assert.deepEqual([...entries.keys()], ['__proto__', 'constructor']);
    assert.equal(({} as Record<string, unknown>).prototype, undefined);
  });
});

describe('syntax errors', () => {
  const broken: readonly (readonly [text: string, line: number, message: RegExp])[] = [
    ['a = \n', 1, /unexpected end of the line\n1 \| a = \n {2}\| {5}\^/],
    ['a = 1\nb = "x', 2, /unexpected end of the file/],
    ['a = 1\n\na = 2\n', 3, /Cannot redefine existing key 'a'/],
    ['x = 9223372036854775808', 1, /64-bit/],
  ];
  for (const [text, line, message] of broken) {
    it(`in ${JSON.stringify(text)} are shown`, () => {
      assert.throws(() => parseToml(text, 'a.conf'), {
        code: 'CONFIG_INVALID',
        file: 'a.conf',
        line,
        message,
      });
    });
  }
});
