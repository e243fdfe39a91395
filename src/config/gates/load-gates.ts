/** Reads what the gates of entrepot.toml name: policies, their keys, and where signatures are. */
import { attempt, type EntrepotError } from '../../errors.ts';
import type { GateConfig, LoadedGate } from './gate-config.ts';
import { readPolicy } from './read-policy.ts';
import { readRegistriesD } from './registries-d.ts';

export interface LoadedGates {
  readonly gates: readonly LoadedGate[];
  /** Policies and keys that were read. */
  readonly files: readonly string[];
}

/** A gate whose files cannot be used is left out, and its error is among `errors`. */
export function loadGates(gates: readonly GateConfig[], errors: EntrepotError[]): LoadedGates {
  const files: string[] = [];
  const loaded = gates.flatMap((gate): readonly LoadedGate[] => {
    if (gate.kind === 'scanner') return [gate];
    const read = attempt(errors, () => readPolicy(gate.policy));
    const lookasides = attempt(errors, () => readRegistriesD(gate.registriesD));
    if (!read || !lookasides) return [];
    files.push(gate.policy, ...read.files);
    return [{ ...gate, rules: read.policy, lookasides }];
  });
  return { gates: loaded, files: [...new Set(files)] };
}
