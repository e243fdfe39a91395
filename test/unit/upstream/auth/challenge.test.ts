import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from '../../../../src/upstream/auth/challenge.ts';

const read = (headers: string | string[] | undefined) =>
  parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('WWW-Authenticate', () => {
  it('reads a bearer challenge with commas inside the quotes', () => {
    assert.deepEqual(
      read('Bearer realm="https://auth.ex.io/token",service="ex.io",scope="repository:a/b:pull,push"'),
      [
        [
          'bearer',
          { realm: 'https://auth.ex.io/token', service: 'ex.io', scope: 'repository:a/b:pull,push' },
        ],
      ],
    );
  });

  it('reads several challenges in one header and in several', () => {
    const expected = [
      ['negotiate', {}],
      ['basic', { realm: 'a, b' }],
      ['bearer', { realm: 'https://x', error: 'invalid_token' }],
    ];
    assert.deepEqual(
      read('Negotiate, Basic realm="a, b" , BEARER realm="https://x",  error=invalid_token'),
      expected,
    );
    assert.deepEqual(
      read(['Negotiate', 'Basic realm="a, b"', 'Bearer realm="https://x" ,error="invalid_token"']),
      expected,
    );
  });

  it('steps over credentials in one piece', () => {
    assert.deepEqual(read('Negotiate YIIJ+w/ab==, Basic realm="x"'), [
      ['negotiate', {}],
      ['basic', { realm: 'x' }],
    ]);
  });

  it('undoes backslashes, takes the first of two, and names without regard to case', () => {
    assert.deepEqual(read('Basic Realm="a \\"b\\" \\\\", realm="second", charset = UTF-8'), [
      ['basic', { realm: 'a "b" \\', charset: 'UTF-8' }],
    ]);
  });

  it('keeps what came before nonsense', () => {
    assert.deepEqual(read('Basic realm="x", realm2="open'), [['basic', { realm: 'x' }]]);
    assert.deepEqual(read('="x"'), []);
    assert.deepEqual(read(''), []);
    assert.deepEqual(read(undefined), []);
  });

  it('ends on any text, and soon', () => {
    const parts = fc.constantFrom(
      'Bearer',
      'Basic',
      ' ',
      ',',
      '=',
      '"',
      '\\',
      'realm',
      'a',
      '\t',
      'é',
      'x="y"',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 40 }), (words) => {
        assert.ok(parseChallenges(words.join('')).length <= 16);
      }),
    );
    // In quadratic time each of these would take an hour.
    parseChallenges(`Basic realm="${'\\'.repeat(5_000_000)}`);
    parseChallenges(`Negotiate ${'a'.repeat(5_000_000)} `);
    parseChallenges('a,'.repeat(3_000_000));
  });

  it('reads back what a registry writes', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'B', ' ', ',', '=', '"', '\\', '/', ':') });
    fc.assert(
      fc.property(text, text, (realm, service) => {
        const quote = (value: string) => `"${value.replace(/["\\]/g, '\\$&')}"`;
        assert.deepEqual(read(`Bearer realm=${quote(realm)}, service=${quote(service)}`), [
          ['bearer', { realm, service }],
        ]);
      }),
    );
  });
});
