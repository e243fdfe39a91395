import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../../../src/config/toml/units.ts';

describe('parseDuration', () => {
  for (const [text, milliseconds] of [
    ['500ms', 500],
    ['30s', 30_000],
    ['2m', 120_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['1.5s', 1500],
    ['0s', 0],
    ['0.4ms', 0],
  ] as const) {
    it(`reads ${text} as ${milliseconds} ms`, () => assert.equal(parseDuration(text), milliseconds));
  }

  for (const text of [
    '',
    '30',
    's',
    '30 s',
    ' 30s',
    '30s ',
    '-1s',
    '+1s',
    '1h30m',
    '30S',
    '30sec',
    '1e3s',
    '.5s',
    '1.s',
    '٣s',
    '1w',
    '99999999999999999s',
    '1s\n',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseDuration(text), undefined));
  }
});

describe('parseSize', () => {
  for (const [text, bytes] of [
    ['1024', 1024],
    ['0', 0],
    ['10B', 10],
    ['5kB', 5000],
    ['5GB', 5_000_000_000],
    ['2TB', 2_000_000_000_000],
    ['1KiB', 1024],
    ['512MiB', 536_870_912],
    ['50GiB', 53_687_091_200],
    ['1.5GiB', 1_610_612_736],
    ['1TiB', 1_099_511_627_776],
  ] as const) {
    it(`reads ${text} as ${bytes} bytes`, () => assert.equal(parseSize(text), bytes));
  }

  for (const text of [
    '',
    'GiB',
    '50G',
    '50Gi',
    '50gib',
    '50GIB',
    '50 GiB',
    '-1',
    '0x10',
    '1_000',
    '9007199254740993',
    '9000TiB',
    'unlimited',
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseSize(text), undefined));
  }

  it('gives a safe whole number or nothing, whatever the text', () => {
    const unit = fc.constantFrom('', 'B', 'KB', 'MiB', 'GiB', 'TiB', 'x');
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e17, noNaN: true }), unit, (number, suffix) => {
        const bytes = parseSize(`${number}${suffix}`);
        assert.ok(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0));
      }),
    );
  });
});

describe('a value is written as the file would have it', () => {
  it('in the largest unit that leaves no fraction, but a minute as 60s', () => {
    assert.deepEqual([0, 1, 1500, 30_000, 60_000, 120_000, 86_400_000].map(formatDuration), [
      '0s',
      '1ms',
      '1500ms',
      '30s',
      '60s',
      '2m',
      '1d',
    ]);
    assert.deepEqual([0, 1023, 1024, 5e9, 50 * 1024 ** 3, 1024 ** 4].map(formatSize), [
      '0B',
      '1023B',
      '1KiB',
      '5GB',
      '50GiB',
      '1TiB',
    ]);
  });

  it('and means the same when it is read again', () => {
    for (const ms of [0, 1, 999, 61_000, 3_600_001]) assert.equal(parseDuration(formatDuration(ms)), ms);
    for (const bytes of [0, 1, 1536, 5e9, 3 * 1024 ** 4]) assert.equal(parseSize(formatSize(bytes)), bytes);
  });
});
