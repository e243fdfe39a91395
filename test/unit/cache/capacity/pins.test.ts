import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPins, type Pins } from '../../../../src/cache/capacity/pins.ts';
import { createMemoryIndex } from '../../../support/memory-index.ts';

const isPinned = (pins: Pins) => ['a.io/x', 'a.io/y', 'a.io/z'].filter((name) => pins.pattern?.(name));

describe('pins', () => {
  it('of the configuration are replaced by others; those that administrators added stay', async () => {
    const index = createMemoryIndex();
    const pins = createPins(index);
    await pins.configure(['a.io/x']);
    assert.equal(await pins.add('a.io/z'), true);
    assert.equal(await pins.add('a.io/z'), false);
    assert.deepEqual(isPinned(pins), ['a.io/x', 'a.io/z']);
    await pins.configure(['a.io/y']);
    assert.deepEqual(isPinned(pins), ['a.io/y', 'a.io/z']);
    assert.deepEqual([pins.configured, pins.added], [['a.io/y'], ['a.io/z']]);
    const again = createPins(index);
    await again.configure([]);
    assert.deepEqual(again.added, ['a.io/z']);
    assert.equal(await again.remove('a.io/y'), false);
    assert.equal(await again.remove('a.io/z'), true);
    assert.deepEqual(await index.catalogue.pins(), []);
  });

  it('that come at the same time are all added', async () => {
    const pins = createPins(createMemoryIndex());
    await Promise.all(['a.io/x', 'a.io/y', 'a.io/z'].map(pins.add));
    assert.deepEqual(isPinned(pins), ['a.io/x', 'a.io/y', 'a.io/z']);
  });

  it('are written to an index that is new', async () => {
    const old = createMemoryIndex();
    const index = createMemoryIndex();
    let current = old;
    const pins = createPins({
      catalogue: {
        pins: () => current.catalogue.pins(),
        pin: (pattern) => current.catalogue.pin(pattern),
        unpin: (pattern) => current.catalogue.unpin(pattern),
      },
      order: { pinsAre: (patterns) => current.order.pinsAre(patterns) },
    });
    await pins.configure(['a.io/x']);
    await pins.add('a.io/z');
    current = index;
    await pins.rewrite();
    assert.deepEqual(await index.catalogue.pins(), ['a.io/z']);
  });

  it('stay as they were when the index cannot be written', async () => {
    const { catalogue, order } = createMemoryIndex();
    let full: 'nothing' | 'catalogue' | 'order' = 'nothing';
    const inForce: string[] = [];
    const pins = createPins({
      catalogue: {
        ...catalogue,
        pin: (pattern) => (full === 'catalogue' ? refuse() : catalogue.pin(pattern)),
      },
      order: {
        async pinsAre(patterns) {
          if (full === 'order') await refuse();
          inForce.push(patterns.join());
          await order.pinsAre(patterns);
        },
      },
    });
    const refuse = () => Promise.reject(new Error('database or disk is full'));
    await pins.configure(['a.io/x']);
    full = 'order';
    await assert.rejects(pins.configure(['a.io/y']), /full/);
    full = 'catalogue';
    await assert.rejects(pins.add('a.io/z'), /full/);
    assert.deepEqual([isPinned(pins), pins.configured, pins.added], [['a.io/x'], ['a.io/x'], []]);
    assert.equal(inForce.at(-1), 'a.io/x', 'marks of the patterns that were refused are not kept');
  });
});
