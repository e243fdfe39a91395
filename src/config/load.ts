/**
 * All configuration, from flags, variables and files to one frozen value:
 *
 *   flags and ENTREPOT_* (overrides.ts) -> which files to read, and values that override entrepot.toml
 *   registries.conf (registries-conf/)  -> registries
 *   entrepot.toml (server-toml.ts)      -> server
 *   objects of OpenShift (policies/)    -> change registries
 *   XDG_*, HOME ... (config-paths.ts)   -> where to look for credentials and certificates
 *   http_proxy ... (proxy-env.ts)       -> proxies
 */
import { getFips } from 'node:crypto';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { attempt, EntrepotError, joinErrors } from '../errors.ts';
import { openAccessWarnings } from './access-warnings.ts';
import { cacheWarnings, diskWarnings, tinySizeWarnings } from './cache-warnings.ts';
import type { Config, ConfigPaths, ConfigWarning, ProxyEnvironment, ServerConfig } from './config.ts';
import { configHome, configPaths, type Surroundings, systemPath } from './config-paths.ts';
import { exposedCredentialWarnings, insecureCredentialWarnings } from './credentials/insecure-credentials.ts';
import { readWithDrafts } from './files/drafts.ts';
import { tlsProblem } from './files/tls-files.ts';
import { fipsProblems } from './fips.ts';
import type { LoadedGate } from './gates/gate-config.ts';
import { type ConfigFlags, readOverrides } from './overrides.ts';
import { ownAddressWarnings } from './own-address.ts';
import type { ObjectsText } from './policies/cluster-objects.ts';
import type { PolicyObject } from './policies/policy-object.ts';
import { readProxyEnvironment } from './proxy-env.ts';
import { emptyWarnings, loadRegistries } from './registries-conf/load.ts';
import type { RegistriesConf } from './registries-conf/registries.ts';
import { registriesPlaces } from './registries-conf/search.ts';
import { readServerToml } from './server-toml.ts';
import type { SettingInForce } from './settings.ts';
import { storeWarnings } from './store-warnings.ts';

/** All inputs of a configuration, besides the files. */
export interface LoadOptions extends Surroundings {
  readonly flags: ConfigFlags;
  /** Absolute. */
  readonly cwd: string;
  /** The objects of the cluster that count, for `policies_from`. Undefined: those that a server saw last. */
  readonly clusterObjects?: ObjectsText | undefined;
}

/** What could be read, defaults for the rest, and everything that is wrong. */
export interface PartialConfig {
  readonly registries: RegistriesConf | undefined;
  readonly server: ServerConfig;
  readonly paths: ConfigPaths;
  readonly proxies: ProxyEnvironment;
  /** Whether OpenSSL's FIPS provider is in force. */
  readonly fips: boolean;
  /** Those that can be used. */
  readonly gates: readonly LoadedGate[];
  /** As `Config.files`. */
  readonly files: readonly string[];
  /** The objects in force; undefined if no source of them is named, or if they cannot be used. */
  readonly policies: readonly PolicyObject[] | undefined;
  /** The entrepot.toml that was read. */
  readonly serverFile: string | undefined;
  /** Files, and folders of them, that are part of the configuration or would be if they existed. */
  readonly places: readonly string[];
  /** Files that take effect without a reload. A reload fails if one of them cannot be used, so a change may make it possible. */
  readonly placesIfRefused: readonly string[];
  /**
   * entrepot.toml, which may name the data folder, cannot be read or is no TOML, or its `data` is wrong, and neither a flag nor a variable
   * names the folder.
   */
  readonly isDataUnknown: boolean;
  /** Every key of entrepot.toml as it is in force; undefined if the file cannot be read or is no TOML. */
  readonly settings: readonly SettingInForce[] | undefined;
  readonly warnings: readonly ConfigWarning[];
  readonly errors: readonly EntrepotError[];
}

/** Contacts no host and creates no file. Throws one EntrepotError that names everything that is wrong. */
export function loadConfig(options: LoadOptions): Config {
  return wholeConfig(loadWhatIsRight(options));
}

/** `partial`, frozen, if nothing in it is wrong. Throws one EntrepotError that names everything that is wrong. */
export function wholeConfig(partial: PartialConfig): Config {
  const { registries, settings, errors, places, placesIfRefused, isDataUnknown: _, ...others } = partial;
  if (!registries || !settings || errors.length > 0) throw joinErrors(errors);
  return deepFreeze({ ...others, registries, settings });
}

/** As `loadConfig`, but goes on after an error and returns all errors. */
export function loadWhatIsRight(options: LoadOptions): PartialConfig {
  const { flags, env, cwd } = options;
  const errors: EntrepotError[] = [];

  const overrides = readOverrides(flags, env, cwd);
  const registriesWarnings: ConfigWarning[] = [];
  const { home, uid, root, drafts } = options;
  const search = {
    registries: overrides.registries,
    registriesDir: overrides.registriesDir,
    env,
    home,
    uid,
    root,
    drafts,
  };
  const written = attempt(errors, () => loadRegistries(search, registriesWarnings))?.registries;
  const found = attempt(errors, () => ({ source: findServerToml(overrides.config, options) }));
  const source = found?.source;
  const read = found && attempt(errors, () => readServerToml(source, cwd, overrides));
  const toml = read ?? readServerToml(undefined, cwd, overrides);
  const { server, settings } = toml;
  const dataFrom = settings.find(({ key }) => key === 'data')?.from;
  const isNamed = dataFrom && 'name' in dataFrom && dataFrom.name !== 'ENTREPOT_DEFAULT_DATA';
  errors.push(...toml.problems);
  const { policies: folder, policiesFrom, data } = server;
  const hasPolicies = folder !== undefined || policiesFrom !== undefined;
  const findings = { warnings: registriesWarnings, errors };
  const sources = { folder, cluster: policiesFrom && { data, given: options.clusterObjects } };
  const policies =
    hasPolicies && written
      ? lazily('./policies/load-policies').loadPolicies(sources, written, findings)
      : undefined;
  // Without the objects, what they block would be open.
  const registries = hasPolicies ? policies?.conf : written;
  if (registries) registriesWarnings.push(...emptyWarnings(registries));
  const { paths, warnings: pathWarnings } = configPaths(options);
  const proxies = attempt(errors, () => readProxyEnvironment(env));
  const {
    gates,
    files: gateFiles,
    warnings: gateWarnings,
  } = server.gates.length === 0 ? noGates : lazily('./gates/load-gates').loadGates(server.gates, errors);
  const { fips = getFips() === 1 } = options;
  errors.push(...fipsProblems(fips, server, gates, settings));
  const tls = tlsProblem(server.tls, source?.file);
  if (tls) errors.push(tls);
  const listenFrom = settings.find(({ key }) => key === 'listen')?.from;
  const exposed = exposedCredentialWarnings(server, paths.authFiles, {
    ...(listenFrom?.kind === 'file'
      ? listenFrom
      : { file: listenFrom && 'name' in listenFrom ? listenFrom.name : 'listen' }),
  });
  const ownAddress = registries ? ownAddressWarnings(registries, server) : [];
  const insecure = registries ? insecureCredentialWarnings(registries, server, paths.authFiles) : [];
  return {
    registries,
    policies: policies?.objects,
    server,
    paths,
    fips,
    gates,
    files: [
      ...(registries?.files ?? []),
      ...(policies?.files ?? []),
      ...(source ? [source.file] : []),
      ...gateFiles,
    ],
    proxies: proxies ?? { http: undefined, https: undefined, no: undefined },
    serverFile: source?.file,
    places: [
      ...registriesPlaces(search),
      ...serverTomlPlaces(overrides.config, options),
      ...[folder, ...Object.values(server.tls), server.upstream.caFile, server.access.tokenKey].filter(
        (file) => file !== undefined,
      ),
      ...gateFiles,
      ...server.gates.flatMap((gate) => (gate.kind === 'signature' ? [gate.policy, gate.registriesD] : [])),
    ],
    placesIfRefused: [server.access.htpasswd, ...server.access.issuers.map(({ keys }) => keys)].filter(
      (file) => file !== undefined,
    ),
    isDataUnknown: (!read || read.isDataUnread) && !isNamed,
    settings: read?.settings,
    warnings: [
      ...overrides.unknownVariables(),
      ...toml.warnings,
      ...registriesWarnings,
      ...ownAddress,
      ...pathWarnings,
      ...insecure,
      ...exposed,
      ...openAccessWarnings(server, source?.file),
      ...tinySizeWarnings(settings),
      ...cacheWarnings(settings),
      ...storeWarnings(server, settings),
      ...gateWarnings,
      ...diskWarnings(server, source?.file),
    ],
    errors: [...overrides.problems, ...errors],
  };
}

/** What only some configurations need: the code would be a tenth of the time of a start. */
interface LoadedLazily {
  './policies/load-policies': typeof import('./policies/load-policies.ts');
  './gates/load-gates': typeof import('./gates/load-gates.ts');
}

function lazily<Name extends keyof LoadedLazily>(name: Name): LoadedLazily[Name] {
  return createRequire(import.meta.url)(`${name}${extname(import.meta.filename)}`);
}

const noGates = { gates: [], files: [], warnings: [] } as const;

/** The named file, which must exist, or the first of the usual ones; undefined if none exists. */
function findServerToml(
  named: string | undefined,
  options: LoadOptions,
): { file: string; text: string } | undefined {
  for (const file of serverTomlPlaces(named, options)) {
    const text = readWithDrafts(file, options.drafts);
    if (text !== undefined) return { file, text };
  }
  if (named === undefined) return undefined;
  const message = 'there is no such file: correct --config or ENTREPOT_CONFIG, or leave them out';
  throw new EntrepotError('CONFIG_UNREADABLE', message, { file: named });
}

function serverTomlPlaces(named: string | undefined, options: LoadOptions): readonly string[] {
  if (named !== undefined) return [named];
  return [
    join(options.cwd, 'entrepot.toml'),
    join(configHome(options), 'entrepot/entrepot.toml'),
    systemPath(options, '/etc/entrepot/entrepot.toml'),
  ];
}

/** A Map cannot be frozen; its type `ReadonlyMap` must do. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !(value instanceof Map)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
