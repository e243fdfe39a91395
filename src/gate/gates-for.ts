/** Which gates hold for an image: of each kind, the first one that matches it. */
import type { GateOccasion, LoadedGate } from '../config/gates/gate-config.ts';
import { namePattern } from '../lib/name-patterns.ts';
import { type Reference, referenceName } from '../oci/reference.ts';
import { requirementsFor } from './signature/requirements.ts';

/** Those for the image `name` (`registry/repository`) at the occasion. */
export function gatesFor<T extends { readonly gate: LoadedGate; matches(name: string): boolean }>(
  all: readonly T[],
  name: string,
  occasion: GateOccasion,
): readonly T[] {
  const matching = all.filter(({ gate, matches }) => gate.on.includes(occasion) && matches(name));
  return matching.filter(
    ({ gate }, at) => matching.findIndex((other) => other.gate.kind === gate.kind) === at,
  );
}

/** Whether `match` of the gate fits an image. */
export function gateMatcher({ match }: Pick<LoadedGate, 'match'>): (name: string) => boolean {
  return namePattern([match]) ?? (() => false);
}

/** One gate that holds for an image, for people. */
export interface ExplainedGate {
  readonly name: string;
  readonly kind: LoadedGate['kind'];
  readonly on: readonly GateOccasion[];
  /** `/etc/containers/policy.json: default: reject`, or what a scanner's findings are held against. */
  readonly rule: string;
}

/** The gates of both occasions. A reference without tag and digest is taken as it is. */
export function explainGates(gates: readonly LoadedGate[], reference: Reference): readonly ExplainedGate[] {
  const all = gates.map((gate) => ({ gate, matches: gateMatcher(gate) }));
  const name = referenceName(reference);
  const found = new Set([...gatesFor(all, name, 'pull'), ...gatesFor(all, name, 'sync')]);
  return [...found].map(({ gate }) => ({
    name: gate.name,
    kind: gate.kind,
    on: gate.on,
    rule: gate.kind === 'signature' ? ruleOf(gate, reference) : thresholdOf(gate),
  }));
}

function ruleOf({ rules }: LoadedGate & { readonly kind: 'signature' }, reference: Reference): string {
  const all = requirementsFor(rules, reference);
  const scope = all[0]?.field.replace(/\[0\]$/, '') ?? '';
  return `${rules.file}: ${scope}: ${all.map(({ type }) => type).join(' and ')}`;
}

function thresholdOf({ severity, ignore, fail }: LoadedGate & { readonly kind: 'scanner' }): string {
  const ignored = ignore.length === 0 ? '' : `, ${ignore.length} ignored`;
  return `severity = "${severity}"${ignored}, fail = "${fail}"`;
}
