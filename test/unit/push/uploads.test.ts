/** What happens to an upload session when two requests, or a request and the sweep, meet. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { createHasher } from '../../../src/lib/bytes/hasher.ts';
import { parseDigest } from '../../../src/oci/digest.ts';
import { openUploads } from '../../../src/push/uploads.ts';
import { createManualClock } from '../../support/clock.ts';
import { gate } from '../../support/gate.ts';
import { tempFolder } from '../../support/temp-folder.ts';
import { imageName } from './push-world.ts';

const image = imageName('a.test/b');
const hour = 3_600_000;

async function openSessions(t: TestContext) {
  const clock = createManualClock(Date.now());
  const hasher = createHasher();
  t.after(() => hasher.close());
  const folder = tempFolder(t);
  const dropped: string[] = [];
  const on = { dropped: () => {} };
  const state = { reserved: 0 };
  const content = {
    async reserve(bytes: number) {
      state.reserved += bytes;
      return {
        release() {
          state.reserved -= bytes;
        },
      };
    },
    writeFailed: () => {},
  };
  const uploads = await openUploads(
    {
      ...{ clock, hasher, content },
      onDropped({ id }) {
        dropped.push(id);
        on.dropped();
      },
      onFailed: (error) => assert.fail(String(error)),
    },
    folder,
  );
  t.after(() => uploads.close());
  const begin = async () => {
    const begun = await uploads.begin(image, 'user:a', undefined);
    assert.ok(begun.kind === 'begun');
    return { image, id: begun.upload.id, owner: 'user:a' };
  };
  return { clock, uploads, folder, dropped, on, state, begin };
}

function digestOf(text: string) {
  return parseDigest(`sha256:${createHash('sha256').update(text).digest('hex')}`)!;
}

/** A body of which the rest never comes; it arrives at `reading` when more is waited for. */
async function* stalled(text: string, reading: ReturnType<typeof gate>): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
  await reading.pass();
}

describe('an upload that is cancelled', () => {
  it('while its body stalls ends that request at once, as unknown, and leaves nothing', async (t) => {
    const { uploads, begin, folder, state } = await openSessions(t);
    for (const length of [undefined, 100]) {
      const key = await begin();
      const reading = gate();
      const appending = uploads.append(key, { body: stalled('abc', reading), start: undefined, length });
      await reading.arrived;
      assert.equal(await uploads.cancel(key), true);
      assert.deepEqual(await appending, { kind: 'unknownUpload' });
      assert.equal(await uploads.cancel(key), false);
      assert.deepEqual([readdirSync(folder), state.reserved], [[], 0]);
    }
  });

  it('while its last chunk comes is not stored', async (t) => {
    const { uploads, begin, folder } = await openSessions(t);
    const key = await begin();
    const reading = gate();
    const chunk = { body: stalled('abc', reading), start: undefined, length: undefined };
    const finishing = uploads.finish(key, digestOf('abc'), chunk, () => assert.fail('it is stored'));
    await reading.arrived;
    assert.equal(await uploads.cancel(key), true);
    assert.deepEqual(await finishing, { kind: 'unknownUpload' });
    assert.deepEqual(readdirSync(folder), []);
  });

  it('while its blob is being stored is told that there is no such upload any more', async (t) => {
    const { uploads, begin, folder } = await openSessions(t);
    const key = await begin();
    const storing = gate();
    const body = (async function* () {
      yield Buffer.from('abc');
    })();
    const finishing = uploads.finish(
      key,
      digestOf('abc'),
      { body, start: undefined, length: 3 },
      async () => {
        await storing.pass();
      },
    );
    await storing.arrived;
    const cancelling = uploads.cancel(key);
    storing.release();
    assert.equal(await cancelling, false);
    assert.deepEqual(await finishing, { kind: 'stored' });
    assert.deepEqual(readdirSync(folder), []);
  });
});

describe('the sweep of idle uploads', () => {
  it('leaves alone a session whose client comes back while others are removed', async (t) => {
    const { uploads, begin, clock, dropped, on } = await openSessions(t);
    const first = await begin();
    const second = await begin();
    const reading = gate();
    let appending: Promise<unknown> | undefined;
    on.dropped = () => {
      appending ??= uploads.append(second, {
        body: stalled('abc', reading),
        start: undefined,
        length: undefined,
      });
    };
    await clock.advance(26 * hour);
    await reading.arrived;
    assert.deepEqual(dropped, [first.id]);
    assert.equal(await uploads.cancel(second), true);
    await appending;
  });
});
