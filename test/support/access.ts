/** A mirror with accounts in front of a registry, and the requests of its clients. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import type { AppDeps } from '../../src/app.ts';
import { startApp } from './app.ts';
import { entry, startRegistry } from './endpoints.ts';
import { type GetOptions, get, type HttpAnswer } from './http-client.ts';
import { buildImage } from './images.ts';
import { type Cleanup, tempFolder } from './temp-folder.ts';

export const secretImage = buildImage({ seed: 'secret', layers: [5000] });
export const publicImage = buildImage({ seed: 'public', layers: [4000] });

/** A line of an htpasswd file, at the lowest cost. */
export function passwordLine(name: string, password: string): string {
  return `${name}:${hashSync(password, 4)}\n`;
}

export function basic(name: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` };
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** Passwords of the accounts: `ann` may push below `ex.test/team`, `bob` may pull what is public. */
export const passwords = { ann: 'ann-secret-1', bob: 'bob-secret-2', eve: 'eve-secret-3' } as const;

export const rules = `
[[access.rule]]
who = ["ann"]
match = "ex.test/team/**"
may = ["pull", "push", "delete"]
[[access.rule]]
who = ["bob", "ann"]
match = "ex.test/public/**"
may = ["pull"]
[[access.rule]]
who = ["ann"]
match = "images.local/**"
may = ["pull", "push"]
[[push]]
match = "images.local/**"
mode = "local"
[[push]]
match = "ex.test/team/**"
mode = "overlay"
delete = true
`;

/** `ex.test/team/secret:1` and `ex.test/public/app:1`. `top`: lines before the first table; `access`: lines of `[access]` itself; `more`: tables after the rules. */
export async function startGuarded(
  t: Cleanup,
  { top = '', access = 'anonymous = []\nhtpasswd = "htpasswd"', more = '', rules: own = rules } = {},
  deps: Partial<AppDeps> = {},
) {
  const registry = await startRegistry(t);
  registry.putImage('team/secret', '1', secretImage);
  registry.putImage('public/app', '1', publicImage);
  const folder = tempFolder(t);
  const writeAccounts = (names: readonly (keyof typeof passwords)[]) =>
    writeFileSync(
      join(folder, 'htpasswd'),
      names.map((name) => passwordLine(name, passwords[name])).join(''),
    );
  writeAccounts(['ann', 'bob', 'eve']);
  const file = JSON.stringify(join(folder, 'htpasswd'));
  const toml = `${top && `${top}\n`}[access]\n${access}\n${own}\n${more}\n`.replace('"htpasswd"', file);
  const registries = entry('ex.test', { source: registry.host });
  const proxy = await startApp(t, { registries, toml, folder }, deps);
  return {
    registry,
    proxy,
    toml,
    folder,
    writeAccounts,
    get: (path: string, options: GetOptions = {}): Promise<HttpAnswer> => get(`${proxy.url}${path}`, options),
    as: (name: keyof typeof passwords) => ({ headers: basic(name, passwords[name]) }),
  };
}

export interface GotToken {
  readonly status: number;
  readonly token: string;
  readonly refreshToken: string | undefined;
  readonly expiresIn: number;
  readonly error: string | undefined;
}

/** GET `/token` for these scopes. */
export async function getToken(
  url: string,
  scopes: readonly string[],
  options: GetOptions & { readonly offline?: boolean; readonly service?: string } = {},
): Promise<GotToken> {
  const { offline, service = 'entrepot', ...rest } = options;
  const query = new URLSearchParams([
    ['service', service] as [string, string],
    ...scopes.map((scope): [string, string] => ['scope', scope]),
    ...(offline ? [['offline_token', 'true'] as [string, string]] : []),
  ]);
  return readToken(await get(`${url}/token?${query}`, rest));
}

/** POST `/token` with a form. */
export async function postToken(url: string, form: Record<string, string>, scopes: readonly string[] = []) {
  const body = new URLSearchParams([
    ...Object.entries(form),
    ...scopes.map((scope): [string, string] => ['scope', scope]),
  ]);
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  return readToken(await get(`${url}/token`, { method: 'POST', headers, body: body.toString() }));
}

function readToken({ status, body }: HttpAnswer): GotToken {
  const {
    token = '',
    refresh_token: refreshToken,
    expires_in: expiresIn,
    error,
  } = JSON.parse(body.toString());
  return { status, token, refreshToken, expiresIn, error };
}
