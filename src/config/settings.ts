/**
 * What flags and `ENTREPOT_*` variables say, put over entrepot.toml:
 *
 *   flag  >  variable  >  entrepot.toml  >  ENTREPOT_DEFAULT_* (of an image or a unit)  >  default
 *
 * A variable is called after its key: cache.max_size is ENTREPOT_CACHE_MAX_SIZE. An empty variable is an unset one. A
 * variable that hides a key of the file is warned about: often it was set by somebody else than the author of the file.
 */
import { EntrepotError } from '../errors.ts';
import type { ConfigWarning, ServerConfig } from './config.ts';
import { withoutUserInfo } from './credentials/user-info.ts';
import type { Environment } from './proxy-env.ts';
import type { ServerToml } from './server-toml.ts';
import { nearest } from './toml/nearest.ts';
import * as kind from './toml/value-kinds.ts';

const prefix = 'ENTREPOT_';

/** As they stand on the command line. */
export interface ConfigFlags {
  readonly registries?: string | undefined;
  readonly registriesDir?: string | undefined;
  readonly config?: string | undefined;
  readonly listen?: string | undefined;
  readonly data?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly logFormat?: string | undefined;
}

/** A key of entrepot.toml as it is in force. */
export interface SettingInForce {
  readonly key: string;
  /** As JSON, without secrets; null where nothing is set. */
  readonly value: unknown;
  readonly from: SettingSource;
}

export type SettingSource =
  | { readonly kind: 'flag' | 'variable'; readonly name: string }
  | { readonly kind: 'file'; readonly file: string; readonly line: number }
  | { readonly kind: 'default' };

export interface Settings {
  /** Absolute paths, undefined where nobody names one. */
  readonly registries: string | undefined;
  readonly registriesDir: string | undefined;
  readonly config: string | undefined;
  /** Puts flags and variables over what `file` says. */
  override(toml: ServerToml, file: string | undefined): Overridden;
}

export interface Overridden {
  readonly server: ServerConfig;
  readonly inForce: readonly SettingInForce[];
  readonly warnings: readonly ConfigWarning[];
}

export interface ReadSettings {
  readonly settings: Settings;
  readonly problems: readonly EntrepotError[];
  readonly warnings: readonly ConfigWarning[];
}

/** Where a setting may come from besides the file. */
interface Named {
  readonly variable: string;
  readonly flag?: readonly [name: string, given: string | undefined];
  /** A variable that gives way to the file. */
  readonly fallback?: string;
}

interface Given {
  readonly value: unknown;
  readonly from: SettingSource;
  readonly yields: boolean;
}

/** Relative paths are relative to `cwd`. */
export function readSettings(flags: ConfigFlags, env: Environment, cwd: string): ReadSettings {
  const problems: EntrepotError[] = [];
  const known = new Set<string>();
  const given = new Map<string, Given>();
  const path = kind.pathFrom(cwd);

  /** The value of a flag or variable, undefined where there is none. */
  function read<T>(expected: kind.ValueKind<T>, name: string, text: string | undefined, isFlag = false) {
    if (!isFlag) known.add(name);
    if (text === undefined) return undefined;
    const value = expected.read(text);
    if (value !== undefined) return value;
    const what = isFlag ? name : `the variable ${name}`;
    const message = `${what} must be ${expected.expected}, not ${JSON.stringify(withoutUserInfo(text).slice(0, 80))}`;
    problems.push(new EntrepotError(isFlag ? 'USAGE' : 'CONFIG_INVALID', message));
    return undefined;
  }

  /** A key of entrepot.toml that a flag or a variable may set; gives what is in force, if the file's value is `written`. */
  function setting<T>(key: string, expected: kind.ValueKind<T>, { variable, flag, fallback }: Named) {
    const [flagName = '', flagText] = flag ?? [];
    const ofFlag = read(expected, flagName, flagText, true);
    const variableText = flagText === undefined ? env[variable] || undefined : undefined;
    const ofVariable = read(expected, variable, variableText);
    const ofFallback = fallback && read(expected, fallback, env[fallback] || undefined);
    const value = ofFlag ?? ofVariable ?? (ofFallback || undefined);
    if (value === undefined) return (written: T) => written;
    const from: SettingSource =
      ofFlag !== undefined
        ? { kind: 'flag', name: flagName }
        : { kind: 'variable', name: ofVariable !== undefined ? variable : (fallback ?? '') };
    const yields = ofFlag === undefined && ofVariable === undefined;
    given.set(key, { value: expected.show ? expected.show(value) : value, from, yields });
    return (written: T, isWritten = false) => (yields && isWritten ? written : value);
  }

  const listen = setting('listen', kind.listenAddress, {
    variable: 'ENTREPOT_LISTEN',
    flag: ['--listen', flags.listen],
    fallback: 'ENTREPOT_DEFAULT_LISTEN',
  });
  const data = setting('data', path, {
    variable: 'ENTREPOT_DATA',
    flag: ['--data', flags.data],
    fallback: 'ENTREPOT_DEFAULT_DATA',
  });
  const level = setting('log.level', kind.logLevel, {
    variable: 'ENTREPOT_LOG_LEVEL',
    flag: ['--log-level', flags.logLevel],
  });
  const format = setting<'text' | 'json' | undefined>('log.format', kind.logFormat, {
    variable: 'ENTREPOT_LOG_FORMAT',
    flag: ['--log-format', flags.logFormat],
  });
  const maxSize = setting<number | undefined>('cache.max_size', kind.size(1), {
    variable: 'ENTREPOT_CACHE_MAX_SIZE',
  });
  const offline = setting('upstream.offline', kind.flagText, { variable: 'ENTREPOT_UPSTREAM_OFFLINE' });
  const tlsFile = (key: string) =>
    setting<string | undefined>(`tls.${key}`, path, { variable: `ENTREPOT_TLS_${key.toUpperCase()}` });
  const certificate = tlsFile('certificate');
  const key = tlsFile('key');
  const clientCa = tlsFile('client_ca');
  const place = (variable: string, flag: string, text: string | undefined) =>
    read(path, flag, text, true) ??
    read(path, variable, text === undefined ? env[variable] || undefined : undefined);
  const settings: Settings = {
    registries: place('ENTREPOT_REGISTRIES', '--registries', flags.registries),
    registriesDir: place('ENTREPOT_REGISTRIES_DIR', '--registries-dir', flags.registriesDir),
    config: place('ENTREPOT_CONFIG', '--config', flags.config),
    override({ server, settings: written }, file) {
      const isWritten = (name: string) =>
        written.some((setting) => setting.key === name && setting.line !== undefined);
      return {
        server: {
          ...server,
          listen: listen(server.listen, isWritten('listen')),
          data: data(server.data, isWritten('data')),
          tls: {
            certificate: certificate(server.tls.certificate),
            key: key(server.tls.key),
            clientCa: clientCa(server.tls.clientCa),
          },
          log: { level: level(server.log.level), format: format(server.log.format) },
          upstream: { ...server.upstream, offline: offline(server.upstream.offline) },
          cache: { ...server.cache, maxSize: maxSize(server.cache.maxSize) },
        },
        ...inForce(written, given, file),
      };
    },
  };
  return { settings, problems, warnings: unknownVariables(env, known) };
}

function inForce(
  written: ServerToml['settings'],
  given: ReadonlyMap<string, Given>,
  file: string | undefined,
): Pick<Overridden, 'inForce' | 'warnings'> {
  const warnings: ConfigWarning[] = [];
  const settings = written.map(({ key, value, line }): SettingInForce => {
    const isFile = line !== undefined && file !== undefined;
    const over = given.get(key);
    if (over && !(isFile && over.yields)) {
      if (isFile && over.from.kind === 'variable' && !isSame(over.value, value)) {
        const message = `${key} has no effect here: the variable ${over.from.name} sets it to ${JSON.stringify(over.value)}`;
        warnings.push({ file, line, message });
      }
      return { key, value: over.value, from: over.from };
    }
    return { key, value, from: isFile ? { kind: 'file', file, line } : { kind: 'default' } };
  });
  return { inForce: settings, warnings };
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Kubernetes gives every container ENTREPOT_PORT and the like when a Service is called entrepot: these are no mistakes. */
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
