/**
 * The proxies of the environment, read as curl and Go do: lower case wins over upper case, an empty variable counts as
 * unset, and a proxy without a scheme is an HTTP proxy. `upstream/` decides which hosts NO_PROXY covers.
 */
import { EntrepotError } from '../errors.ts';
import type { ProxyEnvironment } from './config.ts';

/** Variables by name, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws EntrepotError CONFIG_INVALID for a proxy that cannot be used. Ignoring it would bypass the proxy without a word. */
export function readProxyEnvironment(env: Environment): ProxyEnvironment {
  return {
    http: proxyFrom(env, 'http_proxy'),
    https: proxyFrom(env, 'https_proxy'),
    no: variable(env, 'no_proxy')?.value,
  };
}

/** The URL of the proxy with its scheme; undefined if `text` does not name an HTTP proxy. */
export function parseProxyUrl(text: string): string | undefined {
  const url = URL.parse(/^[A-Za-z][A-Za-z0-9+.-]*:\/\//.test(text) ? text : `http://${text}`);
  if (!url?.hostname || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  return url.pathname === '/' && url.search === '' && url.hash === '' ? url.href : undefined;
}

function proxyFrom(env: Environment, name: string): string | undefined {
  const found = variable(env, name);
  if (!found) return undefined;
  const url = parseProxyUrl(found.value);
  if (url) return url;
  // The value is not shown: it may hold the password of the proxy.
  throw new EntrepotError(
    'CONFIG_INVALID',
    `the variable ${found.name} must be the URL of an HTTP proxy, such as "http://proxy.example:3128"`,
  );
}

function variable(env: Environment, lower: string): { name: string; value: string } | undefined {
  for (const name of [lower, lower.toUpperCase()]) {
    const value = env[name]?.trim();
    if (value) return { name, value };
  }
  return undefined;
}
