/**
 * `postgresql://user:password@host:port,host:port/database?sslmode=verify-full&...`: a connection URI as libpq reads it (PostgreSQL
 * documentation, "Connection URIs"). Its parameters have libpq's names and meanings. What is not known is refused, not ignored: a
 * misspelt `sslmode` must not leave the connection open to others.
 *
 * No error shows the user or the password.
 */
import { EntrepotError } from '../../../errors.ts';

/** As libpq names them. */
export const tlsModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type TlsMode = (typeof tlsModes)[number];

/** `primary` and `read-write`: a server that takes writes. */
export const sessionKinds = ['any', 'read-write', 'primary'] as const;
export type SessionKind = (typeof sessionKinds)[number];

export interface ServerHost {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
}

export interface PostgresUrl {
  /** In the order in which they are tried. */
  readonly hosts: readonly ServerHost[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly tlsMode: TlsMode;
  /** A PEM file of CAs, or `system` for those of the platform. */
  readonly rootCert: string | undefined;
  /** PEM files. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** ms for each host. */
  readonly connectTimeout: number;
  readonly applicationName: string;
  /** Such as `-c search_path=entrepot`. */
  readonly options: string | undefined;
  readonly session: SessionKind;
}

const usualPort = 5432;
const usualConnectTimeout = 10;
const parameters = [
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'connect_timeout',
  'application_name',
  'options',
  'target_session_attrs',
  'host',
  'port',
  'user',
  'password',
  'dbname',
];

/** `file`: what the text was read from, for errors. Throws EntrepotError CONFIG_INVALID. */
export function parsePostgresUrl(text: string, file: string): PostgresUrl {
  const fail = (message: string): never => {
    throw new EntrepotError('CONFIG_INVALID', message, { file });
  };
  const match = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text);
  if (!match) return fail('is no URL like postgresql://user:password@host:5432/database?sslmode=verify-full');
  const [, info = '', places = '', path = '', query = ''] = match;
  const decoded = (part: string, what: string): string => {
    try {
      return decodeURIComponent(part);
    } catch {
      return fail(`${what} has a % that begins no character: write a % as %25`);
    }
  };
  const given = new Map<string, string>();
  for (const pair of query.split('&').filter(Boolean)) {
    const [name = '', ...rest] = pair.split('=');
    if (!parameters.includes(name))
      return fail(`"${name.slice(0, 40)}" is no parameter that is known here: ${parameters.join(', ')}`);
    given.set(name, decoded(rest.join('='), name));
  }
  const colon = info.indexOf(':');
  const user = given.get('user') ?? decoded(colon < 0 ? info : info.slice(0, colon), 'the user');
  const password = given.get('password') ?? (colon < 0 ? '' : decoded(info.slice(colon + 1), 'the password'));
  if (user === '') return fail('names no user: postgresql://USER@host/database');
  const oneOf = <T extends string>(name: string, known: readonly T[], usual: T): T => {
    const value = given.get(name) ?? usual;
    return known.find((one) => one === value) ?? fail(`${name} is none of ${known.join(', ')}`);
  };
  const seconds = Number(given.get('connect_timeout') ?? usualConnectTimeout);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600)
    return fail('connect_timeout is no number of seconds from 1 to 3600');
  const tlsMode = oneOf('sslmode', tlsModes, 'prefer');
  const rootCert = given.get('sslrootcert');
  if (tlsMode.startsWith('verify') && rootCert === undefined)
    return fail(`sslmode=${tlsMode} needs sslrootcert: a file of CAs, or "system" for those of the platform`);
  if (rootCert === 'system' && tlsMode !== 'verify-full')
    return fail(
      'sslrootcert=system needs sslmode=verify-full: any host may have a certificate of a public CA',
    );
  const [cert, key] = [given.get('sslcert'), given.get('sslkey')];
  if ((cert === undefined) !== (key === undefined)) return fail('sslcert and sslkey need each other');
  return {
    hosts: hostsOf(given.get('host') ?? decoded(places, 'the host'), given.get('port'), fail),
    user,
    password,
    database: given.get('dbname') ?? (decoded(path, 'the database') || user),
    tlsMode,
    rootCert,
    cert,
    key,
    connectTimeout: seconds * 1000,
    applicationName: given.get('application_name') ?? 'entrepot',
    options: given.get('options'),
    session: oneOf('target_session_attrs', sessionKinds, 'any'),
  };
}

function hostsOf(text: string, ports: string | undefined, fail: (message: string) => never): ServerHost[] {
  const separate = ports?.split(',');
  return text.split(',').map((place, at) => {
    const match = /^(?:\[([^\]]+)\]|([^[\]:]+))(?::(\d{1,5}))?$/.exec(place);
    const host = match?.[1] ?? match?.[2];
    if (host === undefined)
      return fail('names no host, or one that is none: postgresql://user@HOST/database');
    const port = Number(match?.[3] ?? separate?.[at] ?? separate?.[0] ?? usualPort);
    if (!Number.isInteger(port) || port < 1 || port > 65535)
      return fail('a port is no number from 1 to 65535');
    return { host, port };
  });
}

/** `host:port`, for messages. */
export function shownHost({ host, port }: ServerHost): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
