import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPins } from '../../../../src/cache/capacity/pins.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';

const isPinned = (pins: ReturnType<typeof createPins>) =>
  ['a.io/x', 'a.io/y', 'a.io/z'].filter((name) => pins.pattern?.(name));

describe('pins', () => {
  it('of the configuration are replaced by others; those that people added stay', (t) => {
    const { index } = openIndex(':memory:', 0);
    t.after(() => index.close());
    const pins = createPins(index, ['a.io/x']);
    pins.add('a.io/z');
    assert.deepEqual(isPinned(pins), ['a.io/x', 'a.io/z']);
    pins.configure(['a.io/y']);
    assert.deepEqual(isPinned(pins), ['a.io/y', 'a.io/z']);
    assert.deepEqual([pins.configured, pins.added], [['a.io/y'], ['a.io/z']]);
    assert.deepEqual(createPins(index, []).added, ['a.io/z']);
  });

  it('stay as they were when the index cannot be written', (t) => {
    const { index } = openIndex(':memory:', 0);
    t.after(() => index.close());
    let isFull = false;
    const full = () => {
      throw new Error('database or disk is full');
    };
    const pins = createPins(
      { ...index, transaction: (work) => (isFull ? full() : index.transaction(work)) },
      ['a.io/x'],
    );
    isFull = true;
    assert.throws(() => pins.configure(['a.io/y']), /full/);
    assert.throws(() => pins.add('a.io/z'), /full/);
    assert.deepEqual([isPinned(pins), pins.configured, pins.added], [['a.io/x'], ['a.io/x'], []]);
  });
});
