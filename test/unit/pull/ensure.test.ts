import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Found } from '../../../src/cache/cache.ts';
import { parseRepository } from '../../../src/oci/reference.ts';
import { createEnsure, type EnsureDeps } from '../../../src/pull/ensure.ts';
import type { KnownBlob } from '../../../src/pull/open-transfer.ts';
import type { BlobContent, Pulled } from '../../../src/pull/pull.ts';
import type { BlobTarget } from '../../../src/routing/target.ts';
import type { OpenedTransfer } from '../../../src/transfer/transfers.ts';
import { blobOf } from '../../support/byte-source.ts';

const { digest } = blobOf('x');
const image = { registry: 'a.test', repository: parseRepository('team/app')!, name: 'a.test/team/app' };
const target: BlobTarget = { kind: 'blob', image, digest };
const stored: Found = {
  content: { digest, size: 7, mediaType: undefined },
  linked: true,
  described: undefined,
};
const absent: Found = { content: undefined, linked: true, described: undefined };
const known = {} as KnownBlob;
const missing = { ok: false, how: 'missing', reason: 'not found', verdict: { kind: 'notFound' }, trail: [] };

/** Blobs are looked for as `located` says, one answer after the other, and opened as `admit` says. */
function ensuring(
  located: readonly (Pulled<BlobContent> | KnownBlob)[],
  admit: EnsureDeps['blobs']['admit'] = () => assert.fail('nothing is fetched'),
  afterwards: Found = stored,
) {
  const left = [...located];
  return createEnsure({
    cache: { find: async () => afterwards },
    manifest: () => assert.fail('it is a blob'),
    blobs: { locate: async () => left.shift() ?? assert.fail('not looked for again'), admit },
  });
}

function opening(fill: () => Promise<boolean>) {
  const state = { closed: 0, isForJob: undefined as boolean | undefined };
  const transfer: OpenedTransfer = {
    ok: true,
    how: 'started',
    size: 7,
    endpoint: undefined,
    trail: [],
    reader: () => assert.fail('not read'),
    fill,
    close() {
      state.closed += 1;
    },
  };
  const admit: EnsureDeps['blobs']['admit'] = async (_target, _known, { isForJob }) => {
    state.isForJob = isForJob;
    return transfer;
  };
  return { state, transfer, admit };
}

function inStore() {
  const state = { closed: 0 };
  const value = {
    digest,
    size: 7,
    open: () => assert.fail('not read'),
    close() {
      state.closed += 1;
    },
  };
  const pulled: Pulled<BlobContent> = { found: true, value, cache: 'hit', trail: [] };
  return { state, pulled };
}

describe('ensuring a blob', () => {
  it('does nothing where it is here, and holds no file open', async () => {
    const { state, pulled } = inStore();
    assert.deepEqual(await ensuring([pulled])(target), { ok: true, how: 'here', digest, size: 7, trail: [] });
    assert.equal(state.closed, 1);
  });

  it('says what the endpoints say where none has it', async () => {
    const pulled: Pulled<BlobContent> = { found: false, verdict: { kind: 'notFound' }, trail: [] };
    assert.deepEqual(await ensuring([pulled])(target), missing);
    const admit = async () => ({ ok: false, verdict: { kind: 'notFound' }, trail: [] }) as const;
    assert.deepEqual(await ensuring([known], admit)(target), missing);
  });

  it('fetches it without a reader', async () => {
    const { state, admit } = opening(async () => true);
    const ensured = await ensuring([known], admit)(target);
    assert.deepEqual(ensured, { ok: true, how: 'fetched', digest, size: 7, trail: [] });
    assert.deepEqual(state, { closed: 1, isForJob: false });
  });

  it('tells what cannot be kept from what cannot be had', async () => {
    for (const [fill, afterwards] of [
      [async () => false, stored],
      [async () => true, absent],
    ] as const) {
      const { state, admit } = opening(fill);
      const ensured = await ensuring([known], admit, afterwards)(target);
      assert.equal(!ensured.ok && ensured.how, 'notKept');
      assert.equal(state.closed, 1);
    }
    const { state, admit } = opening(() => Promise.reject(new Error('no endpoint gives byte 5')));
    const broken = await ensuring([known], admit)(target);
    assert.deepEqual(broken, { ok: false, how: 'missing', reason: 'no endpoint gives byte 5', trail: [] });
    assert.equal(state.closed, 1);
  });

  it('waits for the turn of a job before a transfer, and looks again whether the blob has come by then', async () => {
    const { state, admit } = opening(async () => true);
    let turns = 0;
    const turn = async () => {
      turns += 1;
    };
    assert.equal((await ensuring([known, known], admit)(target, { turn })).ok, true);
    assert.deepEqual([turns, state.isForJob], [1, true]);
    const { pulled } = inStore();
    const ensured = await ensuring([known, pulled])(target, { turn });
    assert.equal(ensured.ok && ensured.how, 'here');
    const { pulled: here } = inStore();
    await ensuring([here])(target, { turn: () => assert.fail('no transfer begins') });
  });

  it('rejects once it is aborted, and gives up a transfer that opens afterwards', async () => {
    const aborting = new AbortController();
    const { signal } = aborting;
    const { state, transfer } = opening(async () => true);
    const late = Promise.withResolvers<OpenedTransfer>();
    const ensured = ensuring([known], () => late.promise)(target, { signal });
    const rejected = assert.rejects(ensured, /the job was cancelled/);
    aborting.abort(new Error('the job was cancelled'));
    await rejected;
    late.resolve(transfer);
    await late.promise;
    await null;
    assert.equal(state.closed, 1);
    await assert.rejects(ensuring([])(target, { signal }), /the job was cancelled/);
  });
});
