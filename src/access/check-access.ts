/**
 * `[access]` as `entrepot check` sees it: files that cannot be used, rules that can never match anything, and accounts that no rule
 * names. It contacts no issuer and writes nothing.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AccessRule, ConfigWarning, ServerConfig } from '../config/config.ts';
import type { RegistriesConf } from '../config/registries-conf/registries.ts';
import { EntrepotError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import { canMeet } from '../lib/name-patterns.ts';
import { whyNotOnHub } from '../oci/docker-hub.ts';
import { hostOf } from '../oci/reference.ts';
import { accessFiles } from './access-files.ts';
import { readHtpasswdFile } from './accounts/htpasswd.ts';
import { createRobots, type Robot } from './accounts/robots.ts';
import { mayPullThere, pushOnly } from './pull-beside-push.ts';
import { matchesPrincipal } from './rights.ts';
import { readIssuerKeys } from './tokens/issuer-keys.ts';
import { readKeyring } from './tokens/keyring.ts';

export interface AccessCheck {
  readonly errors: readonly EntrepotError[];
  readonly warnings: readonly ConfigWarning[];
  /** Files that were read. */
  readonly files: readonly string[];
}

export interface CheckedConfig {
  readonly server: ServerConfig;
  readonly registries: RegistriesConf | undefined;
  /** The entrepot.toml that was read. */
  readonly serverFile: string | undefined;
}

/** Throws nothing that a user can cause. */
export async function checkAccess({ server, registries, serverFile }: CheckedConfig): Promise<AccessCheck> {
  const { access, data } = server;
  const errors: EntrepotError[] = [];
  const warnings: ConfigWarning[] = [];
  const files: string[] = [];

  async function attempt<T>(file: string | undefined, read: (file: string) => T | Promise<T>) {
    if (file === undefined) return undefined;
    try {
      const result = await read(file);
      files.push(file);
      return result;
    } catch (error) {
      if (!(error instanceof EntrepotError)) throw error;
      errors.push(error);
      return undefined;
    }
  }

  const htpasswd = await attempt(access.htpasswd, readHtpasswdFile);
  errors.push(...(htpasswd?.problems ?? []));
  await attempt(access.tokenKey, readKeyring);
  for (const { keys } of access.issuers) await attempt(keys, readIssuerKeys);
  const robotFile = join(data, accessFiles.robots);
  const robots = await attempt(existsSync(robotFile) ? robotFile : undefined, (file) =>
    createRobots({ clock: systemClock, onProblem: () => {} }, file).list(),
  );
  if (serverFile !== undefined) {
    const accounts = [...(htpasswd?.accounts.keys() ?? [])];
    const names = [...accounts, ...(robots ?? []).map(({ name }) => name)];
    // A file that cannot be read may hold any name.
    const isComplete = errors.length === 0;
    for (const rule of access.rules) {
      for (const message of ruleProblems(rule, server, {
        names,
        robots: robots ?? [],
        isComplete,
        registries,
      }))
        warnings.push({ file: serverFile, line: rule.line, message: `[[access.rule]] ${message}` });
    }
    for (const name of access.rules.length === 0 ? [] : accounts) {
      if (access.rules.some((rule) => matchesPrincipal(rule, [name]))) continue;
      const message = `no [[access.rule]] names the account "${name}": it may do no more than a client without an account`;
      warnings.push({ file: access.htpasswd ?? serverFile, message });
    }
    for (const { name, match, may, expires } of isComplete ? (robots ?? []) : []) {
      if (!may.includes('push') || (expires !== undefined && expires <= systemClock.now())) continue;
      const message = pushOnly(name, match, access, robots ?? []);
      if (message !== undefined) warnings.push({ file: robotFile, message });
    }
    const isClosed =
      access.anonymous.length === 0 && names.length + access.oidc.length + access.issuers.length === 0;
    if (
      isClosed &&
      isComplete &&
      server.tls.clientCa === undefined &&
      !access.rules.some(({ who }) => who.includes('anonymous'))
    ) {
      const message =
        'access.anonymous is empty and there is no account, token or issuer: every request is refused';
      warnings.push({ file: serverFile, message });
    }
  }
  return { errors, warnings, files };
}

interface Surroundings {
  /** Accounts and robot tokens. */
  readonly names: readonly string[];
  readonly robots: readonly Robot[];
  readonly isComplete: boolean;
  readonly registries: RegistriesConf | undefined;
}

function ruleProblems(rule: AccessRule, server: ServerConfig, around: Surroundings): readonly string[] {
  const { who, match, may } = rule;
  const { push, routing } = server;
  const problems = around.isComplete
    ? who.flatMap((one) => {
        const reason = whyUnknown(one, server, around.names);
        return reason === undefined ? [] : [`who = "${one}" stands for no client: ${reason}`];
      })
    : [];
  const writes = may.filter((right) => right === 'push' || right === 'delete');
  const isReachable = push.some((one) => canMeet(one.match, match));
  if (writes.length > 0 && !isReachable) {
    problems.push(`allows ${writes.join(' and ')} of ${match}, but no [[push]] takes anything there`);
  }
  const cannotPull =
    may.includes('push') && isReachable && around.isComplete
      ? who.filter((one) => !mayPullThere(one, match, server.access, around.robots))
      : [];
  if (cannotPull.length > 0) {
    problems.push(
      `lets ${cannotPull.join(', ')} push to ${match}, but nothing lets the same client pull there: a pull gets 404, and most clients ask first what is there. Add "pull"`,
    );
  }
  const notOnHub = whyNotOnHub(match);
  if (notOnHub !== undefined) problems.push(`match = "${match}" never applies: ${notOnHub}`);
  const isServed =
    isReachable ||
    routing.unlisted === 'direct' ||
    around.registries === undefined ||
    registriesOf(around.registries, server).some((registry) => canMeet(`${registry}/`, match));
  if (!isServed && may.some((right) => right !== 'administer')) {
    problems.push(
      `match = "${match}" is of no registry that is listed, and of no [[push]]: it never applies`,
    );
  }
  return problems;
}

function whyUnknown(
  one: string,
  { access, tls }: ServerConfig,
  names: readonly string[],
): string | undefined {
  if (one === 'anonymous') return undefined;
  if (/^(?:cn|dns|uri|email|ip)=/.test(one)) {
    return tls.clientCa === undefined ? 'without tls.client_ca no client shows a certificate' : undefined;
  }
  if (access.oidc.length > 0) return undefined;
  if (one.startsWith('group:')) return 'groups come from an [[access.oidc]], and there is none';
  const isNamed = names.some((name) => matchesPrincipal({ who: [one] }, [name]));
  return isNamed ? undefined : 'no account of access.htpasswd and no token has such a name';
}

/** Registries that a client can name, as the beginnings of globs. */
function registriesOf({ entries }: RegistriesConf, { routing }: ServerConfig): readonly string[] {
  const listed = entries.map(({ prefix }) => hostOf(prefix));
  return [...listed, routing.defaultRegistry, ...routing.hosts.values(), ...routing.names.values()];
}
