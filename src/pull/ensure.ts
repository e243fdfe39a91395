/**
 * Brings one manifest or blob into the cache, verified and stored, without a reader: for `entrepot pull`, repair, pushes and jobs. A
 * blob takes the steps of `pull-blob.ts`. Its transfer is then filled to its end whatever `transfer.fill` says, and no byte of it passes
 * through a reader's hands.
 *
 *   here ........ this image can serve it from the cache; a tag: as fresh as a client would get it
 *   fetched ..... it came now, from an endpoint or with another transfer
 *   missing ..... no endpoint gave it, or its bytes broke off or were wrong at every endpoint
 *   notKept ..... an endpoint has it, but the cache has no room for it, or the disk does not take it
 */
import type { Cache } from '../cache/cache.ts';
import { unlessAborted } from '../lib/flow/unless-aborted.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { BlobTarget, ManifestTarget } from '../routing/target.ts';
import type { OpenedTransfer } from '../transfer/transfers.ts';
import type { Ensured, EnsureOptions, Pull } from './pull.ts';
import type { PullBlob } from './pull-blob.ts';
import { verdictText } from './verdict-text.ts';

export interface EnsureDeps {
  readonly cache: Pick<Cache, 'find'>;
  readonly manifest: Pull['manifest'];
  readonly blobs: Pick<PullBlob, 'locate' | 'admit'>;
}

const notKept = 'it was fetched but cannot be kept in the cache';

/** The function rejects with the reason of `signal` once that is aborted, with bugs, and with EntrepotError REWRITE_INVALID. */
export function createEnsure({ cache, manifest, blobs }: EnsureDeps): Pull['ensure'] {
  async function ensureManifest(target: ManifestTarget): Promise<Ensured> {
    const pulled = await manifest(target);
    if (!pulled.found) {
      const { verdict, trail } = pulled;
      return { ok: false, how: 'missing', reason: verdictText(verdict, trail), verdict, trail };
    }
    const { trail, value, cache: result } = pulled;
    const { content, linked } = await cache.find(target.image.name, value.digest);
    if (!content || !linked) return { ok: false, how: 'notKept', reason: notKept, trail };
    const how = result === 'fetched' || result === 'joined' ? 'fetched' : 'here';
    return { ok: true, how, digest: value.digest, size: content.size, trail };
  }

  async function ensureBlob(target: BlobTarget, options: EnsureOptions): Promise<Ensured> {
    const { image, digest } = target;
    const { signal = never, turn, pace } = options;
    let located = await blobs.locate(target);
    if (!('found' in located) && turn) {
      await turn();
      // While it waited, a client may have brought the blob.
      located = await blobs.locate(target);
    }
    if ('found' in located) {
      const { trail } = located;
      if (!located.found) {
        const { verdict } = located;
        return { ok: false, how: 'missing', reason: verdictText(verdict, trail), verdict, trail };
      }
      located.value.close();
      return { ok: true, how: 'here', digest, size: located.value.size ?? 0, trail };
    }
    const whole = { start: 0, isForJob: turn !== undefined, mustKeep: true, pace };
    const opened = await openUnlessAborted(blobs.admit(target, located, whole), signal);
    const { trail } = opened;
    if (!opened.ok) {
      const { verdict } = opened;
      return { ok: false, how: 'missing', reason: verdictText(verdict, trail), verdict, trail };
    }
    let isWhole = false;
    try {
      isWhole = await opened.fill(signal, options.tell ?? (() => {}));
    } catch (error) {
      signal.throwIfAborted();
      return { ok: false, how: 'missing', reason: reasonOf(error), trail };
    } finally {
      opened.close();
    }
    const { content, linked } = await cache.find(image.name, digest);
    if (!isWhole || !content || !linked) return { ok: false, how: 'notKept', reason: notKept, trail };
    return { ok: true, how: 'fetched', digest, size: content.size, trail };
  }

  return async (target, options = {}) => {
    options.signal?.throwIfAborted();
    return target.kind === 'manifest' ? ensureManifest(target) : ensureBlob(target, options);
  };
}

const never = new AbortController().signal;

/** A transfer that opens after the abort is closed again. */
async function openUnlessAborted(
  opening: Promise<OpenedTransfer>,
  signal: AbortSignal,
): Promise<OpenedTransfer> {
  try {
    return await unlessAborted(opening, signal, () => signal.reason);
  } catch (error) {
    opening.then(
      (opened) => opened.ok && opened.close(),
      () => {},
    );
    throw error;
  }
}
