import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readDailyWindow, windowAt } from '../../../src/lib/daily-window.ts';

const night = { from: '20:00', to: '06:00', timezone: 'UTC' };
const at = (text: string) => Date.parse(text);
const state = (window: typeof night, text: string) => {
  const { isOpen, changes } = windowAt(window, at(text));
  return `${isOpen ? 'open' : 'closed'} until ${new Date(changes).toISOString().slice(0, 16)}`;
};

describe('a window of the day', () => {
  it('is read from two times, and from nothing else', () => {
    assert.deepEqual(readDailyWindow('20:00-06:00'), { from: '20:00', to: '06:00' });
    for (const text of [
      '',
      '20:00',
      '24:00-06:00',
      '20:60-06:00',
      '8:00-9:00',
      '20:00-20:00',
      '20:00 - 06:00',
    ]) {
      assert.equal(readDailyWindow(text), undefined, text);
    }
  });

  it('is open from its first time to before its last one, over midnight as well', () => {
    assert.equal(state(night, '2026-03-01T19:59:59.999Z'), 'closed until 2026-03-01T20:00');
    assert.equal(state(night, '2026-03-01T20:00:00Z'), 'open until 2026-03-02T06:00');
    assert.equal(state(night, '2026-03-02T03:00:00Z'), 'open until 2026-03-02T06:00');
    assert.equal(state(night, '2026-03-02T06:00:00Z'), 'closed until 2026-03-02T20:00');
    const noon = { ...night, from: '11:30', to: '13:00' };
    assert.equal(state(noon, '2026-03-02T12:00:00Z'), 'open until 2026-03-02T13:00');
  });

  it('goes by its time zone, also where the clocks change', () => {
    const berlin = { from: '01:00', to: '02:30', timezone: 'Europe/Berlin' };
    // 02:30 does not exist on that day: the window closes after the gap.
    const { isOpen, changes } = windowAt(berlin, at('2026-03-29T00:30:00Z'));
    assert.equal(isOpen, true);
    assert.ok(changes > at('2026-03-29T00:59:00Z') && changes <= at('2026-03-29T01:31:00Z'));
    // 02:30 comes twice: it closes at one of them, and stays closed.
    const autumn = windowAt(berlin, at('2026-10-25T00:00:00Z'));
    assert.equal(autumn.isOpen, true);
    assert.equal(windowAt(berlin, at('2026-10-25T01:31:00Z')).isOpen, false);
  });
});
