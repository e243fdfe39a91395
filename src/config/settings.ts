/**
 * What flags and `ENTREPOT_*` variables say. A flag wins over its variable, both over entrepot.toml. A variable is called
 * after its key: cache.max_size is ENTREPOT_CACHE_MAX_SIZE. An empty variable is an unset one.
 */
import { resolve } from 'node:path';
import { EntrepotError } from '../errors.ts';
import type { ConfigWarning, ServerConfig } from './config.ts';
import { nearest } from './nearest.ts';
import type { Environment } from './proxy-env.ts';
import * as kind from './value-kinds.ts';

const prefix = 'ENTREPOT_';

/** As they stand on the command line. */
export interface ConfigFlags {
  readonly registries?: string | undefined;
  readonly registriesDir?: string | undefined;
  readonly config?: string | undefined;
  readonly listen?: string | undefined;
  readonly data?: string | undefined;
  readonly logLevel?: string | undefined;
}

export interface Settings {
  /** Absolute paths, undefined where nobody names one. */
  readonly registries: string | undefined;
  readonly registriesDir: string | undefined;
  readonly config: string | undefined;
  /** Puts flags and variables in the place of what the file says. */
  override(server: ServerConfig): ServerConfig;
}

export interface ReadSettings {
  readonly settings: Settings;
  readonly problems: readonly EntrepotError[];
  readonly warnings: readonly ConfigWarning[];
}

/** Relative paths are relative to `cwd`. */
export function readSettings(flags: ConfigFlags, env: Environment, cwd: string): ReadSettings {
  const problems: EntrepotError[] = [];
  const known = new Set<string>();

  function setting<T>(
    variable: string,
    expected: kind.ValueKind<T>,
    flag?: string,
    given?: string,
  ): T | undefined {
    known.add(variable);
    const text = given ?? (env[variable] || undefined);
    if (text === undefined) return undefined;
    const read = expected.read(text);
    if (read !== undefined) return read;
    const name = given === undefined ? `the variable ${variable}` : flag;
    const message = `${name} must be ${expected.expected}, not ${JSON.stringify(text.slice(0, 80))}`;
    problems.push(new EntrepotError(given === undefined ? 'CONFIG_INVALID' : 'USAGE', message));
    return undefined;
  }
  function pathSetting(variable: string, flag?: string, given?: string): string | undefined {
    const path = setting(variable, kind.path, flag, given);
    return path === undefined ? undefined : resolve(cwd, path);
  }

  const listen = setting('ENTREPOT_LISTEN', kind.listenAddress, '--listen', flags.listen);
  const data = pathSetting('ENTREPOT_DATA', '--data', flags.data);
  const level = setting('ENTREPOT_LOG_LEVEL', kind.logLevel, '--log-level', flags.logLevel);
  const maxSize = setting('ENTREPOT_CACHE_MAX_SIZE', kind.size(1));
  const offline = setting('ENTREPOT_UPSTREAM_OFFLINE', kind.flagText);
  const certificate = pathSetting('ENTREPOT_TLS_CERTIFICATE');
  const key = pathSetting('ENTREPOT_TLS_KEY');
  const clientCa = pathSetting('ENTREPOT_TLS_CLIENT_CA');
  const settings: Settings = {
    registries: pathSetting('ENTREPOT_REGISTRIES', '--registries', flags.registries),
    registriesDir: pathSetting('ENTREPOT_REGISTRIES_DIR', '--registries-dir', flags.registriesDir),
    config: pathSetting('ENTREPOT_CONFIG', '--config', flags.config),
    override: (server) => ({
      ...server,
      listen: listen ?? server.listen,
      data: data ?? server.data,
      tls: {
        certificate: certificate ?? server.tls.certificate,
        key: key ?? server.tls.key,
        clientCa: clientCa ?? server.tls.clientCa,
      },
      log: { level: level ?? server.log.level },
      upstream: { ...server.upstream, offline: offline ?? server.upstream.offline },
      cache: { ...server.cache, maxSize: maxSize ?? server.cache.maxSize },
    }),
  };
  return { settings, problems, warnings: unknownVariables(env, known) };
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
