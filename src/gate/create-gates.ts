/** The gates of one configuration, put together: which of them hold for an image, and what they say. */
import { createHash } from 'node:crypto';
import { createRareLog, type RareLog } from '../cache/rare-log.ts';
import type { GateOccasion, LoadedGate } from '../config/gates/gate-config.ts';
import { referenceName } from '../oci/reference.ts';
import { gateDecisions, type Metrics } from '../telemetry/metrics.ts';
import { createIsEvidence, type IsEvidence } from './evidence.ts';
import type { Check, GatedImage, GateRefusal, Gates } from './gates.ts';
import { gateMatcher, gatesFor } from './gates-for.ts';
import {
  createRememberedVerdicts,
  type RememberedVerdictsDeps,
  type VerdictOf,
} from './remembered-verdicts.ts';
import { createScannerCheck, type ScannerCheckDeps } from './scanner/scanner-check.ts';
import { createSignatureCheck, type SignatureCheckDeps } from './signature/signature-check.ts';
import { createWhyUnclear } from './unclear-manifest.ts';

export interface GatesDeps
  extends Omit<RememberedVerdictsDeps, 'check' | 'log'>,
    Omit<SignatureCheckDeps, 'now'>,
    Omit<ScannerCheckDeps, 'clock'> {
  readonly metrics: Pick<Metrics, 'gateDecided'>;
  readonly log: RareLog;
}

interface OpenGate {
  readonly gate: LoadedGate;
  readonly matches: (name: string) => boolean;
  readonly verdictOf: VerdictOf;
}

/** Throws for a key that cannot be used. One function for each occasion; undefined where no gate is there for it. */
export function createGates(
  deps: GatesDeps,
  gates: readonly LoadedGate[],
): Readonly<Record<GateOccasion, Gates | undefined>> {
  const { clock, metrics } = deps;
  const log = createRareLog({ log: deps.log, clock });
  const isEvidence = createIsEvidence(deps.pull);
  const whyUnclear = createWhyUnclear();
  const open = gates.map((gate): OpenGate => {
    // An alert sees an increase only from a sample that it has seen before.
    for (const verdict of gateDecisions) metrics.gateDecided(gate.name, verdict, 0);
    const check = passingEvidence(checkOf(deps, gate), isEvidence);
    const verdictOf = createRememberedVerdicts(
      { ...deps, check, log: { info: (...line) => deps.log.info(...line), warn: log.warn } },
      gate,
      rulesOf(gate),
    );
    return { gate, matches: gateMatcher(gate), verdictOf };
  });

  function gatesOn(occasion: GateOccasion): Gates | undefined {
    if (!gates.some(({ on }) => on.includes(occasion))) return undefined;
    return {
      async verdict(image: GatedImage) {
        const asked = gatesFor(open, referenceName(image.reference), occasion);
        const [first] = asked;
        if (!first) return { allowed: true };
        const unclear = whyUnclear(image);
        if (unclear !== undefined) return refuseUnclear(first.gate, image, unclear);
        for (const { gate, verdictOf } of asked) {
          const { accepted, how, rule, reason } = await verdictOf(image);
          metrics.gateDecided(gate.name, how);
          if (!accepted) return { allowed: false, gate: gate.name, rule, reason };
        }
        return { allowed: true };
      },
    };
  }

  function refuseUnclear(gate: LoadedGate, { reference, digest }: GatedImage, why: string): GateRefusal {
    const { name } = gate;
    const [rule, reason] = ['a manifest means one thing', `it ${why}`];
    const about = { gate: name, image: referenceName(reference), tag: reference.tag, digest, rule, reason };
    log.info({ event: 'gate.refused', ...about }, 'a gate refuses a manifest that can be read in two ways');
    metrics.gateDecided(name, 'refused');
    return { allowed: false, gate: name, rule, reason };
  }

  return { pull: gatesOn('pull'), sync: gatesOn('sync') };
}

function checkOf(deps: GatesDeps, gate: LoadedGate): Check {
  return gate.kind === 'signature'
    ? createSignatureCheck({ ...deps, now: deps.clock.now }, gate)
    : createScannerCheck(deps, gate);
}

/** Evidence is accepted by every gate, within the time of a check. */
function passingEvidence(check: Check, isEvidence: IsEvidence): Check {
  return {
    ...check,
    async check(image, signal) {
      const found = await isEvidence(image, signal);
      if (found) return { kind: 'accepted' };
      const checked = await check.check(image, signal);
      return checked.kind === 'refused' && found === undefined ? { ...checked, isBrief: true } : checked;
    },
  };
}

/** Another text for another gate, policy, place of signatures or key. */
function rulesOf(gate: LoadedGate): string {
  const text = JSON.stringify(gate, (_, value) => (value instanceof Map ? [...value] : value));
  return createHash('sha256').update(text).digest('hex');
}
