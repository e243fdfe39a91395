/**
 * Credentials that a configuration exposes: those of hosts that registries.conf marks insecure, and all of them if every
 * machine of a network may pull with them. Each case is one warning.
 */
import { EntrepotError } from '../../errors.ts';
import { literalKind } from '../../lib/address-kind.ts';
import { hostOf } from '../../oci/reference.ts';
import type { AuthFilePath, ConfigWarning, ServerConfig } from '../config.ts';
import type { Origin, RegistriesConf } from '../registries-conf/registries.ts';
import { readAuthFile } from './auth-file.ts';

/** One warning for each insecure host with credentials. No helper program runs, so credentials in helpers are not seen. */
export function insecureCredentialWarnings(
  { entries }: RegistriesConf,
  { upstream }: ServerConfig,
  authFiles: readonly AuthFilePath[],
): readonly ConfigWarning[] {
  const insecure = new Map<string, Origin>();
  const places = entries.flatMap((entry) => [
    ...entry.mirrors,
    { ...entry, location: entry.location || entry.prefix },
  ]);
  for (const place of places) {
    const host = hostOf(place.location);
    if ((place.insecure ?? upstream.insecure) && !insecure.has(host)) insecure.set(host, place.origin);
  }
  if (insecure.size === 0) return [];

  const holders = holdersOf(upstream, authFiles);
  return [...insecure].flatMap(([host, origin]) => {
    const holder = holders.get(host);
    if (holder === undefined) return [];
    const { file, signs } = holder;
    const risk = signs
      ? `tokens for it that are signed with ${file} may be read on their way, and used until they end`
      : `its credentials in ${file} may be read and altered on their way`;
    return [{ ...origin, message: `${host} is marked insecure: ${risk}` }];
  });
}

/** One warning if the server has credentials and listens in plain HTTP on an address that other machines reach. */
export function exposedCredentialWarnings(
  { listen, tls, upstream }: ServerConfig,
  authFiles: readonly AuthFilePath[],
  listenFrom: Pick<ConfigWarning, 'file' | 'line'>,
): readonly ConfigWarning[] {
  if (tls.certificate !== undefined || literalKind(listen.host) === 'loopback') return [];
  const [first] = holdersOf(upstream, authFiles);
  if (first === undefined) return [];
  const [host, { file }] = first;
  const message =
    `listens on ${listen.host} without [tls]: every client that reaches it may pull with the credentials of ${file} ` +
    `(${host} among them), and what it pulls can be read on its way`;
  return [{ ...listenFrom, message }];
}

interface Holder {
  readonly file: string;
  /** It has a key that signs tokens, and goes nowhere itself. */
  readonly signs: boolean;
}

/** Host with credentials -> the file that holds them. */
function holdersOf(
  upstream: ServerConfig['upstream'],
  authFiles: readonly AuthFilePath[],
): ReadonlyMap<string, Holder> {
  const holders = new Map<string, Holder>();
  for (const { host, passwordFile, identityTokenFile, token } of upstream.hosts) {
    const file = passwordFile ?? identityTokenFile ?? token?.keyFile;
    if (file !== undefined) holders.set(host, { file, signs: token !== undefined });
  }
  for (const authFile of authFiles) {
    for (const host of hostsIn(authFile)) {
      if (!holders.has(host)) holders.set(host, { file: authFile.path, signs: false });
    }
  }
  return holders;
}

/** Empty if the file cannot be read: the look-up of credentials reports that. */
function hostsIn(authFile: AuthFilePath): readonly string[] {
  try {
    const { auths, credHelpers } = readAuthFile(authFile);
    return [...auths.keys(), ...credHelpers.keys()].map((key) => hostOf(key.replace(/^https?:\/\//, '')));
  } catch (error) {
    if (error instanceof EntrepotError) return [];
    throw error;
  }
}
