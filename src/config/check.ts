/**
 * `entrepot check`: everything that can be found out about a configuration without a network. It reads what `load.ts` reads, and
 * also what a server reads only when an endpoint needs it: auth files, credential helpers, certs.d, secrets. It goes on after each
 * error.
 */
import { existsSync } from 'node:fs';
import { attempt, EntrepotError } from '../errors.ts';
import { readTracingHeaders } from '../telemetry/tracing/open-tracer.ts';
import type { AuthFilePath, ConfigWarning, ServerConfig } from './config.ts';
import { authFileWarnings, readAuthFile } from './credentials/auth-file.ts';
import { clusterSecret } from './credentials/cluster-secret.ts';
import { findProgram, helperProgram } from './credentials/credential-helper.ts';
import { readSecretFile } from './credentials/secret-file.ts';
import { readTokenKey } from './credentials/token-key.ts';
import { createCertLookup, hostsWithCertificates } from './files/certs-d.ts';
import { readCaFile } from './files/pem.ts';
import { readPrivateKey } from './files/private-key.ts';
import { readTlsFiles, tlsFileProblems } from './files/tls-files.ts';
import type { GateConfig } from './gates/gate-config.ts';
import { type LoadOptions, loadWhatIsRight } from './load.ts';
import { locationHosts, nameWarnings } from './name-warnings.ts';
import type { PolicyObject } from './policies/policy-object.ts';
import type { Environment } from './proxy-env.ts';
import { hasBuiltInList } from './registries-conf/built-in.ts';
import { authFilesHelper, type RegistriesConf } from './registries-conf/registries.ts';
import type { SettingInForce } from './settings.ts';
import { storeSecretFiles } from './store-config.ts';

/** What `checkConfig` found. */
export interface ConfigCheck {
  readonly warnings: readonly ConfigWarning[];
  readonly errors: readonly EntrepotError[];
  /** Files that were read, and directories of certs.d that are used, in order. */
  readonly files: readonly string[];
  /** Every key of entrepot.toml as it is in force; undefined if the file cannot be read or is no TOML. */
  readonly settings: readonly SettingInForce[] | undefined;
  /** The registries that are served; undefined if registries.conf cannot be used. */
  readonly registries: RegistriesConf | undefined;
  /** `registries` is the built-in list. */
  readonly builtInList: boolean;
  /** Whether OpenSSL's FIPS provider is in force. */
  readonly fips: boolean;
  /** The objects in force, in the order of their files; undefined if no folder of them is named, or if they cannot be used. */
  readonly policies: readonly PolicyObject[] | undefined;
  readonly server: ServerConfig;
  /** The entrepot.toml that was read. */
  readonly serverFile: string | undefined;
}

interface Findings {
  readonly warnings: ConfigWarning[];
  readonly errors: EntrepotError[];
  readonly files: string[];
}

/** Throws nothing that a user can cause: all findings are in the result. */
export function checkConfig(options: LoadOptions): ConfigCheck {
  const partial = loadWhatIsRight(options);
  const { registries, policies, server, paths, serverFile, settings, files, warnings, errors } = partial;
  const findings: Findings = {
    warnings: [...warnings],
    errors: [...errors],
    files: [...files],
  };
  for (const authFile of paths.authFiles) checkAuthFile(authFile, options.env, findings);
  checkHelpers(registries?.credentialHelpers ?? [], options.env, findings);
  checkSecrets(server, settings ?? [], findings);
  checkTls(server, findings);
  if (registries) {
    checkCertificates(locationHosts(registries), paths.certDirectories, findings);
    if (serverFile !== undefined) findings.warnings.push(...nameWarnings(server, registries, serverFile));
  }
  const builtInList = registries !== undefined && hasBuiltInList(registries);
  return {
    ...findings,
    settings,
    registries,
    builtInList,
    fips: partial.fips,
    policies,
    server,
    serverFile,
  };
}

function checkAuthFile(authFile: AuthFilePath, env: Environment, findings: Findings): void {
  attempt(findings.errors, () => {
    const content = readAuthFile(authFile);
    if (existsSync(authFile.path)) findings.files.push(authFile.path);
    findings.warnings.push(...authFileWarnings(content, authFile.path));
    for (const [host, name] of content.credHelpers) {
      const problem = helperProblem(name, env);
      if (problem)
        findings.warnings.push({ file: authFile.path, message: `credHelpers "${host}": ${problem}` });
    }
    const problem = content.credsStore === undefined ? undefined : helperProblem(content.credsStore, env);
    if (problem)
      findings.warnings.push({ file: authFile.path, message: `credsStore is not used: ${problem}` });
  });
}

function checkHelpers(names: readonly string[], env: Environment, findings: Findings): void {
  for (const name of names.filter((name) => name !== authFilesHelper)) {
    const problem = helperProblem(name, env);
    if (problem)
      findings.errors.push(new EntrepotError('CREDENTIALS_UNUSABLE', `credential-helpers: ${problem}`));
  }
}

function helperProblem(name: string, env: Environment): string | undefined {
  try {
    const program = helperProgram(name);
    if (findProgram(program, env) !== undefined) return undefined;
    return `there is no program ${program} in PATH (${env.PATH ?? 'unset'}): install it or extend PATH`;
  } catch (error) {
    if (error instanceof EntrepotError) return error.message;
    throw error;
  }
}

function checkSecrets(
  { upstream, cluster, facts, stores, eventSenders, eventSinks, gates, tracing }: ServerConfig,
  settings: readonly SettingInForce[],
  findings: Findings,
): void {
  const readEach = (files: readonly (string | undefined)[], read: (file: string) => unknown) => {
    for (const file of files.filter((file) => file !== undefined)) {
      try {
        read(file);
        findings.files.push(file);
      } catch (error) {
        if (!(error instanceof EntrepotError)) throw error;
        findings.errors.push(namedBy(error, file, settings));
      }
    }
  };
  for (const { passwordFile, identityTokenFile, token } of upstream.hosts) {
    readEach([passwordFile, identityTokenFile], readSecretFile);
    readEach([token?.keyFile], readTokenKey);
  }
  readEach(
    [...eventSenders, ...eventSinks].map(({ secretFile }) => secretFile),
    readSecretFile,
  );
  readEach(gates.flatMap(scannerSecrets), readSecretFile);
  readEach([cluster?.secretFile], clusterSecret);
  readEach([tracing?.headersFile], readTracingHeaders);
  readEach([facts?.urlFile], readSecretFile);
  readEach(stores.flatMap(storeSecretFiles), readSecretFile);
  readEach(
    stores.map((store) => (store.kind === 's3' ? store.cloudFront?.privateKeyFile : undefined)),
    readPrivateKey,
  );
  const bundles = [
    { caFile: upstream.caFile, key: 'upstream.ca_file' },
    ...stores.map(({ caFile, name }) => ({ caFile, key: `ca_file of [[store]] "${name}"` })),
  ];
  for (const { caFile, key } of bundles) {
    if (caFile === undefined) continue;
    attempt(findings.errors, () => {
      readCaFile(caFile, key);
      findings.files.push(caFile);
    });
  }
}

function scannerSecrets(gate: GateConfig): readonly (string | undefined)[] {
  return gate.kind === 'scanner' ? [gate.secretFile, gate.contentSecretFile] : [];
}

/** The same error, with the key and the line that name the file. */
function namedBy(error: EntrepotError, file: string, settings: readonly SettingInForce[]): EntrepotError {
  const naming = settings.find(({ key, value }) => value === file && key.endsWith('_file'));
  if (naming?.from.kind !== 'file') return error;
  const message = `${naming.key.replace(/\[\d+\]/, '')} names ${file}: ${error.message}`;
  return new EntrepotError(error.code, message, { ...naming.from, cause: error });
}

function checkTls({ tls }: ServerConfig, findings: Findings): void {
  const problems = tlsFileProblems(tls);
  findings.errors.push(...problems);
  if (problems.length > 0) return;
  attempt(findings.errors, () => {
    const found = readTlsFiles(tls, Date.now());
    if (!found) return;
    findings.warnings.push(...found.warnings);
    findings.files.push(...Object.values(tls).filter((file) => file !== undefined));
  });
}

function checkCertificates(
  hosts: ReadonlySet<string>,
  directories: readonly string[],
  findings: Findings,
): void {
  const lookup = createCertLookup(directories);
  let present: ReadonlySet<string> = new Set();
  attempt(findings.errors, () => {
    present = hostsWithCertificates(directories);
  });
  for (const host of [...hosts].filter((host) => present.has(host))) {
    attempt(findings.errors, () => {
      const { directory } = lookup(host);
      if (directory !== undefined) findings.files.push(directory);
    });
  }
}
