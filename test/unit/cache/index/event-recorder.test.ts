/** Events are written with the change that they tell of, or not at all. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { NewLink } from '../../../../src/cache/index/catalogue.ts';
import type { IndexRows } from '../../../../src/cache/index/index-rows.ts';
import { openIndex } from '../../../../src/cache/index/open-index.ts';
import { createEventRecorder } from '../../../../src/cache/index/outbox/event-recorder.ts';
import { createSqliteOutbox } from '../../../../src/cache/index/outbox/sqlite-outbox.ts';
import { createSqliteCatalogue } from '../../../../src/cache/index/sqlite-catalogue.ts';
import { createSqliteInventory } from '../../../../src/cache/index/sqlite-inventory.ts';
import type { EventKind } from '../../../../src/config/event-sink.ts';
import { mediaTypes } from '../../../../src/oci/media-types.ts';
import { parseTag } from '../../../../src/oci/reference.ts';
import { addManifest, named } from '../../../contract/index-fixture.ts';

const image = 'images.local/team/app';
const tag = parseTag('1')!;
const at = 1_700_000_000_000;
const cause = { actor: 'ci', address: '', host: '', isTls: false, method: 'PUT', userAgent: '' };
const deletion = { cause, at };

/** The seams over an index for which one sink wants these kinds. */
function seams(t: TestContext, kinds: readonly EventKind[], around = (rows: IndexRows) => rows) {
  const { index } = openIndex(':memory:', 0);
  t.after(() => index.close());
  const rows = around(index);
  const outbox = createSqliteOutbox(rows);
  const events = createEventRecorder(outbox.write, (kind) => (kinds.includes(kind) ? ['s'] : []));
  const inventory = createSqliteInventory(rows, events);
  return {
    index,
    inventory,
    catalogue: createSqliteCatalogue(rows, events),
    push: (name: string, more: Partial<NewLink> = {}, used = at) => {
      const link = { image, origin: 'push', mediaType: mediaTypes.ociManifest, tags: [tag], cause, ...more };
      return addManifest(inventory, name, [], { used, links: [link] });
    },
    async told() {
      const waiting = await outbox.list({ state: 'waiting', limit: 100 });
      return waiting.map(({ event }) => event);
    },
  };
}

describe('the index', () => {
  it('writes a push and the tag that it moves, with who pushed', async (t) => {
    const { push, told } = seams(t, ['push', 'tag']);
    await push('one');
    await push('one');
    await push('two');
    const about = { kind: 'push', image, tag, mediaType: mediaTypes.ociManifest, size: 10, cause };
    assert.deepEqual(await told(), [
      { ...about, digest: named('one') },
      { ...about, digest: named('one') },
      { ...about, digest: named('two') },
      { kind: 'tag', image, tag, digest: named('two'), previous: named('one'), cause },
    ]);
  });

  it('writes no push for content that came in another way', async (t) => {
    const { push, told } = seams(t, ['push']);
    await push('one', { cause: undefined });
    await push('two', { cause: undefined, origin: 'quay.io/team/app' });
    assert.deepEqual(await told(), []);
  });

  it('writes a tag that an endpoint has moved, but none that is confirmed, new, or older than the known one', async (t) => {
    const { catalogue, push, told } = seams(t, ['tag']);
    await push('one', { origin: 'quay.io/x' });
    const say = (name: string, checkedAt: number) =>
      catalogue.setTag(image, tag, { digest: named(name), endpoint: 'quay.io/x', checkedAt }, at + 10);
    await say('one', at + 1);
    await say('two', at - 5);
    assert.deepEqual(await told(), []);
    await say('two', at + 2);
    assert.deepEqual(await told(), [
      { kind: 'tag', image, tag, digest: named('two'), previous: named('one') },
    ]);
  });

  it('writes deletions of clients, once, and no others', async (t) => {
    const { catalogue, inventory, push, told } = seams(t, ['delete']);
    await push('one');
    await push('two');
    assert.equal(await catalogue.removeTag(image, tag, deletion), true);
    assert.equal(await catalogue.removeTag(image, tag, deletion), false);
    await inventory.unlink(image, named('two'), deletion);
    await inventory.unlink(image, named('two'), deletion);
    await inventory.unlink(image, named('one'));
    assert.deepEqual(await told(), [
      { kind: 'delete', image, tag, cause },
      { kind: 'delete', image, digest: named('two'), cause },
    ]);
  });

  it('writes neither the change nor the event where one of them fails', async (t) => {
    for (const broken of ['addEvent', 'setTag'] as const) {
      const fail = () => {
        throw new Error('disk I/O error');
      };
      const { push, told, index, inventory } = seams(t, ['push'], (rows) => ({ ...rows, [broken]: fail }));
      await assert.rejects(push('one'), /disk I\/O/);
      assert.deepEqual(await told(), [], broken);
      assert.equal(await inventory.content(named('one')), undefined, broken);
      assert.deepEqual(index.tags(image), [], broken);
    }
  });

  it('reads and writes nothing for events that no sink wants', async (t) => {
    const asked: string[] = [];
    const { push, catalogue } = seams(t, [], (rows) => ({
      ...rows,
      tag: (...args) => {
        asked.push('tag');
        return rows.tag(...args);
      },
      content: (...args) => {
        asked.push('content');
        return rows.content(...args);
      },
      addEvent: () => assert.fail('an event was written'),
    }));
    await push('one');
    await push('two');
    assert.deepEqual(asked, []);
    await catalogue.removeTag(image, tag, deletion);
  });
});
