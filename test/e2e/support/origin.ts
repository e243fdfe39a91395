/** A real docker-registry on a free port of 127.0.0.1, with TLS, Basic or Bearer authentication if asked for. */
import { join } from 'node:path';
import type { KeyAndCertificate } from '../../support/certificates.ts';
import { place } from './client.ts';
import type { Image } from './images.ts';
import { type Environment, run, start } from './programs.ts';
import type { TokenAuthority } from './token-authority.ts';

export interface OriginOptions {
  /** `registry` is distribution 3. Default `docker-registry`, Debian's distribution 2.8. */
  readonly program?: 'docker-registry' | 'registry';
  readonly tls?: KeyAndCertificate;
  /** Who may push; and pull, unless the token authority lets anybody. */
  readonly account?: Account;
  /** Issues the tokens; Basic authentication for the account without it. */
  readonly authority?: Trusted;
  /** Where it tells of pushes, with the settings that GitLab documents for its registry. */
  readonly notifies?: Notified;
}

export interface Notified {
  readonly url: string;
  /** The value of Authorization, as it is. */
  readonly secret: string;
}

/** What a registry knows of the server whose tokens it takes. */
export type Trusted = Pick<TokenAuthority, 'realm' | 'service' | 'issuer' | 'certificate'>;

export interface Account {
  readonly username: string;
  readonly password: string;
}

export interface Origin {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  push(image: Image, repository: string, tag: string): Promise<void>;
  /** GETs of this blob's bytes that the registry has answered, in any repository. */
  blobReads(digest: string): number;
  stop(): Promise<unknown>;
}

export async function startOrigin(
  folder: string,
  env: Environment,
  options: OriginOptions = {},
): Promise<Origin> {
  const settings = await configuration(folder, env, options);
  // JSON is YAML.
  const file = place(join(folder, 'config.yml'), JSON.stringify(settings, null, 2));
  const registry = await start(
    options.program ?? 'docker-registry',
    ['serve', file],
    env,
    /listening on (127\.0\.0\.1:\d+)/,
  );
  const host = registry.announced;
  const { account } = options;
  const credentials =
    account === undefined ? [] : ['--dest-creds', `${account.username}:${account.password}`];
  return {
    host,
    push: (image, repository, tag) => pushWithSkopeo(image, `${host}/${repository}:${tag}`, env, credentials),
    blobReads(digest) {
      const read = new RegExp(`"GET /v2/[^" ]+/blobs/${digest} HTTP/1.1" 20[06] `, 'g');
      return registry.stdout.match(read)?.length ?? 0;
    },
    stop: () => registry.stop(),
  };
}

export async function pushWithSkopeo(
  image: Image,
  target: string,
  env: Environment,
  more: readonly string[] = [],
): Promise<void> {
  const how = ['--all', '--preserve-digests', '--dest-tls-verify=false', ...more];
  await run('skopeo', ['copy', ...how, image.source, `docker://${target}`], env);
}

async function configuration(folder: string, env: Environment, options: OriginOptions): Promise<object> {
  const { tls, account, authority, notifies } = options;
  const write = (name: string, content: string) => place(join(folder, name), content);
  const http = { addr: '127.0.0.1:0' };
  return {
    version: '0.1',
    storage: { filesystem: { rootdirectory: join(folder, 'storage') } },
    http: tls
      ? { ...http, tls: { certificate: write('tls.crt', tls.cert), key: write('tls.key', tls.key) } }
      : http,
    ...(authority && { auth: { token: tokenAuthentication(authority, write) } }),
    ...(notifies && { notifications: { endpoints: [endpoint(notifies)] } }),
    ...(account && !authority && { auth: { htpasswd: await basicAuthentication(account, write, env) } }),
  };
}

function endpoint({ url, secret }: Notified): object {
  const pace = { timeout: '500ms', threshold: 5, backoff: '1s' };
  return { name: 'entrepot', url, headers: { Authorization: [secret] }, ...pace };
}

type Write = (name: string, content: string) => string;

function tokenAuthentication(authority: Trusted, write: Write): object {
  const { realm, service, issuer, certificate } = authority;
  return { realm, service, issuer, rootcertbundle: write('authority.crt', certificate) };
}

async function basicAuthentication(account: Account, write: Write, env: Environment): Promise<object> {
  return { realm: 'tests', path: write('htpasswd', await passwordLine(account, env)) };
}

/** A line of an htpasswd file, with bcrypt. */
export function passwordLine({ username, password }: Account, env: Environment): Promise<string> {
  return run('htpasswd', ['-nbB', username, password], env);
}
