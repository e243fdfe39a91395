/**
 * Upload sessions held against the obvious model: a buffer per session. Random begins, chunks, bodies that break off, ends, cancels,
 * restarts and full disks; the seed of a failure is printed. With LONG=1 many more.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createHasher } from '../../../src/lib/bytes/hasher.ts';
import { type Digest, parseDigest } from '../../../src/oci/digest.ts';
import { openUploads, type Uploads } from '../../../src/push/uploads.ts';
import type { ImageName } from '../../../src/routing/target.ts';
import { createManualClock } from '../../support/clock.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const image = { registry: 'a.test', repository: 'b', name: 'a.test/b' } as unknown as ImageName;
const numRuns = process.env.LONG === '1' ? 2000 : 150;

const session = fc.integer({ min: 0, max: 1 });
const bytes = fc.uint8Array({ maxLength: 300 });
const step = fc.oneof(
  fc.record({ kind: fc.constant('begin' as const), at: session }),
  fc.record({
    kind: fc.constant('append' as const),
    at: session,
    bytes,
    /** Added to the right start; undefined: no Content-Range. */
    off: fc.constantFrom(undefined, 0, 0, 0, 1, -1),
    breaks: fc.boolean(),
    isAnnounced: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('finish' as const),
    at: session,
    bytes,
    isRight: fc.constantFrom(true, true, false),
  }),
  fc.record({ kind: fc.constant('cancel' as const), at: session }),
  fc.record({ kind: fc.constant('restart' as const) }),
  fc.record({ kind: fc.constant('room' as const), isFull: fc.boolean() }),
);

function digestOf(content: Uint8Array): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(content).digest('hex')}`)!;
}

describe('upload sessions', () => {
  it('hold what a buffer would hold, whatever comes, and nothing is left of those that are over', async (t) => {
    const hasher = createHasher();
    t.after(() => hasher.close());
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const folder = tempFolder(t);
        let isFull = false;
        let wasFull = false;
        let reserved = 0;
        const stored = new Map<Digest, Buffer>();
        const content = {
          async reserve(more: number) {
            if (isFull) return undefined;
            reserved += more;
            return {
              release() {
                reserved -= more;
              },
            };
          },
          writeFailed: () => {},
        };
        const open = () => {
          reserved = 0;
          return openUploads(
            {
              clock: createManualClock(Date.now()),
              hasher,
              content,
              onDropped: () => {},
              onFailed: (error) => assert.fail(String(error)),
            },
            folder,
          );
        };
        let uploads: Uploads = await open();
        const model = new Map<number, { id: string; bytes: Buffer }>();
        const key = (id: string) => ({ image, id, owner: 'user:a' });
        for (const one of steps) {
          if (one.kind === 'room') {
            isFull = one.isFull;
            wasFull ||= isFull;
            continue;
          }
          if (one.kind === 'restart') {
            uploads.close();
            // What is there at a start is reserved again; without room it goes.
            if (isFull) isFull = false;
            wasFull = false;
            uploads = await open();
          } else if (one.kind === 'begin') {
            const before = model.get(one.at);
            if (before) await uploads.cancel(key(before.id));
            const begun = await uploads.begin(image, 'user:a', undefined);
            assert.ok(begun.kind === 'begun');
            model.set(one.at, { id: begun.upload.id, bytes: Buffer.alloc(0) });
          } else {
            const known = model.get(one.at);
            if (!known) continue;
            await act(uploads, known, one);
          }
          for (const { id, bytes: held } of model.values()) {
            assert.deepEqual(uploads.status(key(id)), { id, size: held.length });
            assert.equal(uploads.status({ image, id, owner: 'user:b' }), undefined);
          }
          assert.equal(readdirSync(folder).length, 2 * model.size);
          assert.equal(uploads.usage().uploads, model.size);
          const total = [...model.values()].reduce((sum, { bytes: held }) => sum + held.length, 0);
          assert.ok(reserved <= total, 'what was announced and did not come holds no room');
          if (!wasFull) assert.equal(reserved, total);
        }
        uploads.close();
        rmSync(folder, { recursive: true });

        async function act(
          to: Uploads,
          known: { id: string; bytes: Buffer },
          one: Extract<(typeof steps)[number], { kind: 'append' | 'finish' | 'cancel' }>,
        ): Promise<void> {
          const forget = () => {
            for (const [at, other] of model) if (other === known) model.delete(at);
          };
          if (one.kind === 'cancel') {
            assert.equal(await to.cancel(key(known.id)), true);
            forget();
          } else if (one.kind === 'finish') {
            const whole = Buffer.concat([known.bytes, one.bytes]);
            const digest = digestOf(one.isRight ? whole : Buffer.concat([whole, Buffer.from('x')]));
            const chunk = { body: bodyOf(one.bytes, false), start: undefined, length: one.bytes.length };
            const finished = await to.finish(key(known.id), digest, chunk, async (file) => {
              stored.set(digest, readFileSync(file));
            });
            if (finished.kind === 'full') return assert.ok(isFull);
            assert.equal(finished.kind, one.isRight ? 'stored' : 'digestMismatch');
            if (one.isRight) assert.deepEqual(stored.get(digest), whole);
            forget();
          } else {
            const start = one.off === undefined ? undefined : known.bytes.length + one.off;
            const length = one.isAnnounced ? one.bytes.length : undefined;
            const body = bodyOf(one.bytes, one.breaks);
            const appended = await to.append(key(known.id), { body, start, length });
            if (one.off) return assert.equal(appended.kind, 'outOfOrder');
            // Without room nothing of it is written; what was reserved before can be filled.
            const size = to.status(key(known.id))?.size ?? -1;
            if (appended.kind === 'full') {
              assert.ok(isFull);
              return assert.equal(size, known.bytes.length);
            }
            known.bytes = Buffer.concat([known.bytes, one.bytes]);
            const isBroken = one.breaks && length !== 0;
            assert.equal(appended.kind, isBroken ? 'clientLeft' : 'appended');
          }
        }
      }),
      { numRuns },
    );
  });
});

async function* bodyOf(content: Uint8Array, breaks: boolean): AsyncGenerator<Uint8Array> {
  const middle = Math.floor(content.length / 2);
  yield content.subarray(0, middle);
  yield content.subarray(middle);
  if (breaks) throw new Error('the client left');
}
