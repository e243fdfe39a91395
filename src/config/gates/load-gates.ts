/** Reads what the gates of entrepot.toml name: policies, their keys, and where signatures are. */
import { attempt, type EntrepotError } from '../../errors.ts';
import type { ConfigWarning } from '../config.ts';
import type { GateConfig, LoadedGate } from './gate-config.ts';
import type { Policy } from './policy.ts';
import { readPolicy } from './read-policy.ts';
import { readRegistriesD } from './registries-d.ts';

export interface LoadedGates {
  readonly gates: readonly LoadedGate[];
  /** Policies and keys that were read. */
  readonly files: readonly string[];
  readonly warnings: readonly ConfigWarning[];
}

/** A scope of one tag: `docker.io/library/alpine:3.20`. */
const tagScope = /^(?<repository>.+\/[^/:@]+):[^/:@]+$/;

/** A gate whose files cannot be used is left out, and its error is among `errors`. */
export function loadGates(gates: readonly GateConfig[], errors: EntrepotError[]): LoadedGates {
  const files: string[] = [];
  const policies = new Map<string, Policy>();
  const loaded = gates.flatMap((gate): readonly LoadedGate[] => {
    if (gate.kind === 'scanner') return [gate];
    const read = attempt(errors, () => readPolicy(gate.policy));
    const lookasides = attempt(errors, () => readRegistriesD(gate.registriesD));
    if (!read || !lookasides) return [];
    files.push(gate.policy, ...read.files);
    policies.set(gate.policy, read.policy);
    return [{ ...gate, rules: read.policy, lookasides }];
  });
  return {
    gates: loaded,
    files: [...new Set(files)],
    warnings: [...policies.values()].flatMap(tagScopeWarnings),
  };
}

/** A request by digest says no tag. */
function tagScopeWarnings({ file, docker }: Policy): readonly ConfigWarning[] {
  return [...docker.keys()].flatMap((scope) => {
    const repository = tagScope.exec(scope)?.groups?.repository;
    if (repository === undefined) return [];
    const message =
      `transports.docker["${scope}"] holds for requests by this tag alone: containerd asks for every image by digest, and other clients ` +
      `for the images of an index; what holds for "${repository}" decides then`;
    return [{ file, message }];
  });
}
