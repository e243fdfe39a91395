/**
 * The server that a command talks to if it is not the one of the data folder: `--server URL`. A token goes to that URL alone, and over
 * plain HTTP only to this machine, or where `--plain-http` says so.
 */
import { isAbsolute, join } from 'node:path';
import { EntrepotError } from '../errors.ts';
import { literalKind } from '../lib/address-kind.ts';
import { readSecretFile } from './credentials/secret-file.ts';
import { readCaFile } from './files/pem.ts';
import type { Environment } from './proxy-env.ts';

/** The texts of the command line. */
export interface RemoteFlags {
  readonly server?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly plainHttp?: true | undefined;
}

export interface RemoteServer {
  /** Without user info, query and slash at its end. */
  readonly url: URL;
  /** Value of the Authorization header. */
  readonly authorization: string | undefined;
  /** CAs in PEM that are trusted instead of the system's. */
  readonly ca: readonly string[] | undefined;
}

/** For the list of known variables. */
export const remoteVariables = ['ENTREPOT_SERVER', 'ENTREPOT_TOKEN_FILE', 'ENTREPOT_CA_FILE'] as const;

/**
 * Undefined where neither the flag nor ENTREPOT_SERVER names one. Relative paths are relative to `cwd`. Throws EntrepotError USAGE,
 * CREDENTIALS_UNUSABLE and TLS_UNUSABLE; no message shows a secret.
 */
export function readRemoteServer(
  flags: RemoteFlags,
  env: Environment,
  cwd: string,
): RemoteServer | undefined {
  const named = namedServer(flags, env);
  const from = flags.server === undefined ? 'ENTREPOT_SERVER' : '--server';
  const pathOf = (flag: string | undefined, variable: string | undefined) => {
    const path = flag ?? (variable || undefined);
    return path === undefined || isAbsolute(path) ? path : join(cwd, path);
  };
  if (named === undefined) {
    const lone = Object.entries({ '--token-file': flags.tokenFile, '--ca-file': flags.caFile });
    const given = lone.find(([, value]) => value !== undefined);
    if (given)
      throw new EntrepotError('USAGE', `${given[0]} is for another server: name it with --server URL`);
    return undefined;
  }
  const url = readUrl(named, from);
  const tokenFile = pathOf(flags.tokenFile, env.ENTREPOT_TOKEN_FILE);
  const caFile = pathOf(flags.caFile, env.ENTREPOT_CA_FILE);
  const isOpen = url.protocol === 'http:' && literalKind(url.hostname) !== 'loopback';
  if (tokenFile !== undefined && isOpen && !flags.plainHttp) {
    const message = `a token would go to ${url.host} in plain text: use https://, or --plain-http if the network is yours`;
    throw new EntrepotError('USAGE', message);
  }
  return {
    url,
    authorization: tokenFile === undefined ? undefined : authorizationOf(readSecretFile(tokenFile)),
    ca: caFile === undefined ? undefined : readCaFile(caFile, '--ca-file'),
  };
}

/** As the user has written it; undefined where a command acts on the data folder. */
export function namedServer(flags: RemoteFlags, env: Environment): string | undefined {
  return flags.server ?? (env.ENTREPOT_SERVER || undefined);
}

function readUrl(text: string, from: string): URL {
  const url = URL.parse(text);
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!url || !isWeb)
    throw new EntrepotError('USAGE', `${from} must be a URL such as https://entrepot.example:5000`);
  // The text may have a password, so it is not shown.
  if (url.username !== '' || url.password !== '')
    throw new EntrepotError(
      'USAGE',
      `${from} must have no account: write NAME:SECRET into a file for --token-file`,
    );
  url.search = '';
  url.hash = '';
  url.pathname = url.pathname.replace(/\/+$/, '');
  return url;
}

/** `NAME:SECRET` is for Basic; all else is a bearer token, which has no colon. */
function authorizationOf(secret: string): string {
  return secret.includes(':') ? `Basic ${Buffer.from(secret).toString('base64')}` : `Bearer ${secret}`;
}
