/**
 * Verdicts of one gate: lately used ones in memory, all of them in the index, so that they outlive a restart. One check at a time runs
 * for one image, however many clients ask.
 *
 *   known, and it still counts ........ the answer
 *   else a check ...................... the answer, kept for as long as the gate says
 *   the check cannot tell ............. the last verdict for the same image by the same rules, however old, as a tag is served stale;
 *                                       without one, what the gate says for that case. Asked again after some seconds
 */
import { LRUCache } from 'lru-cache';
import type { StoredVerdict, VerdictStore } from '../cache/index/verdicts/verdict-store.ts';
import type { LoadedGate } from '../config/gates/gate-config.ts';
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/flow/single-flight.ts';
import { foreignWords } from '../lib/foreign-words.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Digest } from '../oci/digest.ts';
import { readManifest } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-types.ts';
import { referenceName } from '../oci/reference.ts';
import type { Log } from '../telemetry/log.ts';
import type { GateDecision } from '../telemetry/metrics.ts';
import type { Check, Checked, GatedImage } from './gates.ts';

export interface RememberedVerdictsDeps {
  readonly check: Check;
  readonly store: VerdictStore;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

/** `how`: for metrics. */
export interface Remembered {
  readonly accepted: boolean;
  readonly how: GateDecision;
  readonly rule: string;
  readonly reason: string;
}

interface Known extends Remembered {
  /** Epoch ms. */
  readonly until: number;
  /** What an index lists is known as well. */
  readonly vouches: boolean;
}

export type VerdictOf = (image: GatedImage) => Promise<Remembered>;

const inMemory = 20_000;
/** ms for which a check that could not tell, or whose refusal is brief, is not made again. */
const untilNextTry = 5_000;
/** Manifests that one index accepts. */
const maxVouched = 500;

/** `rules`: a text that is another one whenever the gate, its files or its keys are. Rejects with bugs only. */
export function createRememberedVerdicts(
  { check, store, clock, log }: RememberedVerdictsDeps,
  gate: LoadedGate,
  rules: string,
): VerdictOf {
  const known = new LRUCache<string, Known>({ max: inMemory });
  const flights = new SingleFlight<Known>();

  async function stored(scope: string, digest: Digest): Promise<StoredVerdict | undefined> {
    try {
      return await store.find({ rules, scope, digest });
    } catch (err) {
      log.warn({ event: 'gate.verdictUnreadable', err, gate: gate.name }, 'a verdict could not be read');
      return undefined;
    }
  }

  async function keep(scope: string, digest: Digest, verdict: StoredVerdict): Promise<void> {
    try {
      await store.put({ rules, scope, digest }, verdict);
    } catch (err) {
      log.warn({ event: 'gate.verdictNotKept', err, gate: gate.name }, 'a verdict could not be written');
    }
  }

  async function checked(image: GatedImage): Promise<Checked> {
    const late = new AbortController();
    const { promise, resolve } = Promise.withResolvers<Checked>();
    const rule = `[[gate]] "${gate.name}"`;
    const timer = clock.after(gate.timeout, () => {
      late.abort();
      resolve({ kind: 'unknown', rule, reason: `no verdict within ${gate.timeout / 1000} s` });
    });
    const work = check.check(image, late.signal).catch((error: unknown): Checked => {
      return { kind: 'unknown', rule, reason: foreignWords(reasonOf(error)) };
    });
    return Promise.race([work, promise]).finally(() => timer.cancel());
  }

  /** What an accepted index lists is accepted with it, under the name of the image. */
  async function vouch({ reference, bytes, mediaType, digest }: GatedImage, until: number): Promise<void> {
    const manifest = readManifest(bytes, mediaType);
    if ('problem' in manifest || !isIndexType(manifest.mediaType)) return;
    const listed = manifest.children.filter((child) => isManifestType(child.mediaType)).slice(0, maxVouched);
    const { registry, repository } = reference;
    for (const child of listed) {
      const scope = check.scopeOf({
        reference: { registry, repository, digest: child.digest },
        ...nothing,
        digest,
      });
      const verdict = { accepted: true, vouches: true, rule: '', reason: `listed by ${digest}`, until };
      known.set(keyOf(scope, child.digest), { ...verdict, how: 'accepted' });
      await keep(scope, child.digest, verdict);
    }
  }

  async function decide(image: GatedImage, scope: string): Promise<Known> {
    const { digest } = image;
    const before = await stored(scope, digest);
    const now = clock.now();
    if (before && before.until > now) return asKnown(before);
    const result = await checked(image);
    const name = referenceName(image.reference);
    const about = { gate: gate.name, image: name, tag: image.reference.tag, digest };
    if (result.kind === 'unknown') {
      const { rule, reason } = result;
      const until = clock.now() + untilNextTry;
      const accepted = before?.accepted ?? check.fail === 'open';
      log.warn(
        { event: 'gate.unavailable', ...about, rule, reason, became: before ? 'as before' : check.fail },
        'a gate could not tell whether an image is good',
      );
      if (before) return { ...asKnown(before), until };
      return { accepted, how: accepted ? 'failedOpen' : 'failedClosed', rule, reason, until, vouches: false };
    }
    const accepted = result.kind === 'accepted';
    const { rule, reason, isBrief } = result.kind === 'refused' ? result : { rule: '', reason: '' };
    const keepRefused = isBrief ? untilNextTry : check.keepRefused;
    const until = clock.now() + (accepted ? gate.keep : Math.min(gate.keep, keepRefused));
    if (!accepted) log.info({ event: 'gate.refused', ...about, rule, reason }, 'a gate refuses an image');
    const vouches = result.kind === 'accepted' && result.vouches === true;
    const verdict = { accepted, vouches, rule, reason, until };
    await keep(scope, digest, verdict);
    return asKnown(verdict);
  }

  return async (image) => {
    const scope = check.scopeOf(image);
    const key = keyOf(scope, image.digest);
    const found = known.get(key);
    if (found && found.until > clock.now() && !found.vouches) return found;
    return flights.run(key, async () => {
      const decided = found && found.until > clock.now() ? found : await decide(image, scope);
      if (decided.vouches) await vouch(image, decided.until);
      const settled = { ...decided, vouches: false };
      known.set(key, settled);
      return settled;
    });
  };
}

const nothing = { mediaType: '', bytes: new Uint8Array() };

function keyOf(scope: string, digest: Digest): string {
  return `${scope}@${digest}`;
}

function asKnown(stored: StoredVerdict): Known {
  return { ...stored, how: stored.accepted ? 'accepted' : 'refused' };
}
