/**
 * What flags and `ENTREPOT_*` variables say:
 *
 *   flag  >  variable  >  entrepot.toml  >  ENTREPOT_DEFAULT_* (of an image or a unit)  >  default
 *
 * A key names its flag and its variables where it is read (`server-toml.ts`), and nowhere else. A variable is called after its key:
 * cache.max_size is ENTREPOT_CACHE_MAX_SIZE. An empty variable counts as unset.
 */
import { EntrepotError } from '../errors.ts';
import type { ConfigWarning } from './config.ts';
import { withoutUserInfo } from './credentials/user-info.ts';
import type { Environment } from './proxy-env.ts';
import { type RemoteFlags, remoteVariables } from './remote-server.ts';
import type { SettingSource } from './settings.ts';
import { nearest } from './toml/nearest.ts';
import { pathFrom, type ValueKind } from './toml/value-kinds.ts';

const prefix = 'ENTREPOT_';

/** The texts of the command line, by the names that the command line parser gives them. */
export interface ConfigFlags extends RemoteFlags {
  readonly registries?: string | undefined;
  readonly registriesDir?: string | undefined;
  readonly config?: string | undefined;
  readonly policies?: string | undefined;
  readonly policiesFrom?: string | undefined;
  readonly listen?: string | undefined;
  readonly data?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly logFormat?: string | undefined;
}

/** Where a key's value may come from, besides the file. */
export interface OtherSources {
  readonly variable: string;
  readonly flag?: Exclude<keyof ConfigFlags, keyof RemoteFlags>;
  /** A variable that the file overrides. */
  readonly fallback?: string;
}

/** A value from outside the file. */
export interface Override<T> {
  readonly value: T;
  readonly from: SettingSource;
  /** The file's value wins over it. */
  readonly yields: boolean;
}

/** Flags and variables, read when a key asks for them. */
export interface Overrides {
  /** Absolute paths; undefined if neither a flag nor a variable names one. */
  readonly registries: string | undefined;
  readonly registriesDir: string | undefined;
  readonly config: string | undefined;
  /** The value for a key of entrepot.toml. A text that is not of this kind is a problem and is ignored. */
  find<T>(kind: ValueKind<T>, sources: OtherSources): Override<T> | undefined;
  /** What is wrong with the texts asked for so far. */
  readonly problems: readonly EntrepotError[];
  /** A warning for each `ENTREPOT_*` variable that nothing has asked for: call it when all keys are read. */
  unknownVariables(): readonly ConfigWarning[];
}

/** Relative paths are relative to `cwd`. */
export function readOverrides(flags: ConfigFlags, env: Environment, cwd: string): Overrides {
  const problems: EntrepotError[] = [];
  const known = new Set<string>(remoteVariables);
  const path = pathFrom(cwd);

  function read<T>(kind: ValueKind<T>, text: string, source: string, code: 'USAGE' | 'CONFIG_INVALID') {
    const value = kind.readText ? kind.readText(text) : kind.read(text);
    if (value !== undefined) return value;
    const found = JSON.stringify(withoutUserInfo(text).slice(0, 80));
    problems.push(new EntrepotError(code, `${source} must be ${kind.expected}, not ${found}`));
    return undefined;
  }

  function ofFlag<T>(kind: ValueKind<T>, flag: Exclude<keyof ConfigFlags, keyof RemoteFlags>): T | undefined {
    const text = flags[flag];
    return text === undefined ? undefined : read(kind, text, flagName(flag), 'USAGE');
  }

  function ofVariable<T>(kind: ValueKind<T>, name: string): T | undefined {
    known.add(name);
    const text = env[name];
    return text ? read(kind, text, `the variable ${name}`, 'CONFIG_INVALID') : undefined;
  }

  function find<T>(kind: ValueKind<T>, { variable, flag, fallback }: OtherSources): Override<T> | undefined {
    known.add(variable);
    if (fallback !== undefined) known.add(fallback);
    if (flag !== undefined && flags[flag] !== undefined) {
      // The variable counts for nothing then, not even as a mistake.
      const value = ofFlag(kind, flag);
      if (value !== undefined) return { value, from: { kind: 'flag', name: flagName(flag) }, yields: false };
    } else {
      const value = ofVariable(kind, variable);
      if (value !== undefined) return { value, from: { kind: 'variable', name: variable }, yields: false };
    }
    const value = fallback === undefined ? undefined : ofVariable(kind, fallback);
    return value === undefined || fallback === undefined
      ? undefined
      : { value, from: { kind: 'variable', name: fallback }, yields: true };
  }

  return {
    registries: find(path, { flag: 'registries', variable: 'ENTREPOT_REGISTRIES' })?.value,
    registriesDir: find(path, { flag: 'registriesDir', variable: 'ENTREPOT_REGISTRIES_DIR' })?.value,
    config: find(path, { flag: 'config', variable: 'ENTREPOT_CONFIG' })?.value,
    find,
    problems,
    unknownVariables: () => unknownVariables(env, known),
  };
}

/** `logLevel` -> `--log-level`. */
function flagName(flag: keyof ConfigFlags): string {
  return `--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Kubernetes sets ENTREPOT_PORT and the like in every container if a Service is called entrepot: those cause no warning. */
function unknownVariables(env: Environment, known: ReadonlySet<string>): readonly ConfigWarning[] {
  const ours = Object.keys(env).filter((name) => name.startsWith(prefix) && !known.has(name));
  return ours
    .filter((name) => !/^ENTREPOT_(?:[A-Z0-9_]+_)?(?:SERVICE_(?:HOST|PORT)|PORT)(?:_|$)/.test(name))
    .sort()
    .map((name) => {
      const meant = nearest(
        name.slice(prefix.length),
        [...known].map((variable) => variable.slice(prefix.length)),
      );
      const hint =
        meant === undefined ? `known are ${[...known].sort().join(', ')}` : `did you mean ${prefix}${meant}?`;
      return { file: 'environment', message: `the variable ${name} is not known and is ignored: ${hint}` };
    });
}
