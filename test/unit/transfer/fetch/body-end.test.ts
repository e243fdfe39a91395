import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type BodyProgress,
  judgeEnd,
  judgeFailure,
  judgeStall,
} from '../../../../src/transfer/fetch/body-end.ts';

/** A body of the whole blob of 100 bytes, of which all came. */
const whole: BodyProgress = {
  start: 0,
  announcedEnd: 100,
  askedEnd: undefined,
  stop: 100,
  position: 100,
  received: 100,
};
const sizeless = { announcedEnd: undefined, stop: undefined };

const cases: readonly [what: string, progress: Partial<BodyProgress>, end: string][] = [
  ['all that was announced', {}, 'reached'],
  [
    'a part that was asked for',
    { start: 20, announcedEnd: 50, askedEnd: 50, position: 50, received: 50 },
    'reached',
  ],
  ['a body without a size, to its end', sizeless, 'eof'],
  ['a part without a size', { ...sizeless, askedEnd: 100 }, 'reached'],
  ['the whole in place of a part, without a size', { ...sizeless, askedEnd: 50 }, 'eof'],
  ['fewer bytes than were announced', { position: 60, received: 60 }, 'ended 40 bytes before byte 100'],
  [
    'fewer bytes than were asked for, without an announcement',
    { ...sizeless, askedEnd: 100, position: 70, received: 70 },
    'ended 30 bytes before byte 100',
  ],
  [
    'an end before bytes that another endpoint gave',
    { ...sizeless, received: 80 },
    'ended 20 bytes before byte 100',
  ],
  ['fewer than announced, but all up to the next fetch', { stop: 60, position: 60, received: 60 }, 'reached'],
  ['no byte', { ...sizeless, position: 0, received: 0 }, 'sent nothing'],
  ['no byte from the middle on', { ...sizeless, start: 50, position: 50, received: 50 }, 'sent nothing'],
];

function told(end: ReturnType<typeof judgeEnd>): string {
  return end.kind === 'broke' ? `${end.fault}: ${end.reason}` : end.kind;
}

describe('the end of a body', () => {
  for (const [what, progress, expected] of cases) {
    it(`after ${what}: ${expected}`, () => {
      const end = told(judgeEnd({ ...whole, ...progress }, false));
      const isBroken = !['reached', 'eof'].includes(expected);
      assert.ok(isBroken ? end.startsWith('invalid: ') && end.endsWith(expected) : end === expected, end);
    });
  }

  it('is right without a byte where the blob has none', () => {
    const empty = { start: 0, askedEnd: undefined, position: 0, received: 0 };
    assert.equal(told(judgeEnd({ ...empty, ...sizeless }, true)), 'eof');
    assert.equal(told(judgeEnd({ ...empty, announcedEnd: 0, stop: 0 }, true)), 'reached');
    assert.equal(told(judgeEnd({ ...empty, announcedEnd: 0, stop: 0 }, false)), 'invalid: sent nothing');
  });
});

describe('a body that breaks off', () => {
  it('is no failure where the fetch has all that it wants', () => {
    assert.equal(told(judgeFailure(whole, 'reset')), 'reached');
    assert.equal(told(judgeFailure({ ...whole, position: 99 }, 'reset')), 'unreachable: reset');
    assert.equal(told(judgeFailure({ ...whole, ...sizeless }, 'reset')), 'unreachable: reset');
  });

  it('counts as unreachable where it stalled', () => {
    assert.equal(told(judgeStall(12, 30_000)), 'unreachable: stalled: 12 bytes in 30 s');
  });
});
