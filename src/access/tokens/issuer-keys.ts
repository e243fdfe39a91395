/**
 * Public keys of a trusted issuer, from a file or from its discovery document.
 *
 *   file        PEM certificates or public keys, or a JWKS; read again when it changes
 *   discovery   ISSUER/.well-known/openid-configuration -> `jwks_uri` -> JWKS (OpenID Connect Discovery 1.0, section 4)
 *
 * A token names its key by `kid`. Three forms are in use for the same key: what a JWKS says, the thumbprint of RFC 7638, and
 * libtrust's fingerprint (distribution 2, GitLab). An id that is not known here proves nothing, so every key is then tried.
 */
import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { calculateJwkThumbprint, decodeProtectedHeader, exportJWK, importJWK, type JWK } from 'jose';
import { readTextFile } from '../../config/files/text-file.ts';
import { createWatchedFiles } from '../../config/files/watched-file.ts';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';

export type VerifyingKey = KeyObject | Awaited<ReturnType<typeof importJWK>>;

export interface IssuerKeys {
  /** Keys to try for this token, the likeliest first. `problem`: they cannot be had now. */
  candidates(token: string): Promise<Candidates>;
}

export type Candidates =
  | { readonly ok: true; readonly keys: readonly VerifyingKey[] }
  | { readonly ok: false; readonly problem: string };

/** Gets the JSON at a URL. Rejects with a sentence where there is none: then the issuer counts as unavailable. */
export type FetchJson = (url: string) => Promise<unknown>;

interface NamedKey {
  readonly ids: readonly string[];
  readonly key: VerifyingKey;
}

/** Keys that are tried for one token. */
const maxKeys = 32;
/** ms for which fetched keys count as fresh; ms between two fetches for an id that is not among them. */
const freshFor = 10 * 60_000;
const restFor = 30_000;

/** Keys of a file. Throws EntrepotError CONFIG_INVALID, CONFIG_UNREADABLE for one that cannot be used now. */
export async function readIssuerKeys(file: string): Promise<IssuerKeys> {
  const files = createWatchedFiles((path) => {
    const text = readTextFile(path);
    if (text === undefined) throw unusable(path, 'there is no such file');
    return keysIn(text, path);
  });
  await files.get(file);
  return {
    async candidates(token) {
      try {
        return { ok: true, keys: inOrder(await files.get(file), token) };
      } catch (error) {
        return { ok: false, problem: (error as Error).message };
      }
    },
  };
}

/** Keys of an issuer that publishes them. Nothing is fetched before the first token comes. */
export function createDiscoveredKeys(
  deps: { readonly clock: Clock; readonly fetchJson: FetchJson },
  issuer: string,
): IssuerKeys {
  const { clock, fetchJson } = deps;
  let known: { readonly keys: readonly NamedKey[]; readonly at: number } | undefined;
  let fetching: Promise<readonly NamedKey[]> | undefined;
  let lastTry = Number.NEGATIVE_INFINITY;
  let lastProblem = 'its keys were not fetched yet';

  async function fetchKeys(): Promise<readonly NamedKey[]> {
    lastTry = clock.monotonic();
    const base = issuer.replace(/\/+$/, '');
    const document = (await fetchJson(`${base}/.well-known/openid-configuration`)) as Record<
      string,
      unknown
    > | null;
    if (document?.issuer !== issuer)
      throw new Error(`the discovery document of ${issuer} names another issuer`);
    const { jwks_uri: uri } = document;
    if (typeof uri !== 'string') throw new Error(`the discovery document of ${issuer} has no jwks_uri`);
    if (issuer.startsWith('https:') && !uri.startsWith('https:')) {
      throw new Error(`the discovery document of ${issuer} has a jwks_uri without TLS`);
    }
    const keys = await keysOfSet(await fetchJson(uri));
    known = { keys, at: clock.monotonic() };
    return keys;
  }

  /** One fetch for all that wait. */
  function fetchOnce(): Promise<readonly NamedKey[]> {
    fetching ??= fetchKeys().finally(() => {
      fetching = undefined;
    });
    return fetching;
  }

  return {
    async candidates(token) {
      const now = clock.monotonic();
      const isFresh = known !== undefined && now - known.at < freshFor;
      const isKnown = known?.keys.some(({ ids }) => ids.includes(kidOf(token) ?? ''));
      const rests = now - lastTry < restFor;
      if (known && ((isFresh && isKnown) || rests)) return { ok: true, keys: inOrder(known.keys, token) };
      if (rests && !fetching) return { ok: false, problem: lastProblem };
      try {
        return { ok: true, keys: inOrder(await fetchOnce(), token) };
      } catch (error) {
        lastProblem = (error as Error).message;
        // Keys that were right stay right while the issuer is away; an id that is not among them cannot be judged.
        if (known && isKnown) return { ok: true, keys: inOrder(known.keys, token) };
        return { ok: false, problem: lastProblem };
      }
    },
  };
}

function kidOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined;
  }
}

function inOrder(keys: readonly NamedKey[], token: string): readonly VerifyingKey[] {
  const kid = kidOf(token);
  const named = keys.filter(({ ids }) => kid !== undefined && ids.includes(kid));
  return (named.length > 0 ? named : keys).slice(0, maxKeys).map(({ key }) => key);
}

async function keysIn(text: string, file: string): Promise<readonly NamedKey[]> {
  try {
    const keys = text.trimStart().startsWith('{') ? await keysOfSet(JSON.parse(text)) : await keysOfPem(text);
    if (keys.length === 0) throw new Error('it holds no key');
    return keys;
  } catch (cause) {
    throw unusable(file, 'its keys cannot be read', cause);
  }
}

async function keysOfSet(set: unknown): Promise<readonly NamedKey[]> {
  const { keys } = (set ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error('this is no JWKS: it has no list "keys"');
  const usable = (keys as JWK[]).filter(
    ({ kty, use }) => kty !== 'oct' && (use === undefined || use === 'sig'),
  );
  const read = await Promise.all(
    usable.slice(0, maxKeys).map(async (jwk): Promise<NamedKey | undefined> => {
      try {
        const key = await importJWK(jwk, jwk.alg ?? algorithmOf(jwk));
        const ids = [jwk.kid, await calculateJwkThumbprint(jwk)].filter((id) => id !== undefined);
        return { ids, key };
      } catch {
        // A kind of key that is not known here: others of the set may be.
        return undefined;
      }
    }),
  );
  return read.filter((key) => key !== undefined);
}

function algorithmOf({ kty, crv }: JWK): string {
  if (kty === 'EC') return crv === 'P-384' ? 'ES384' : crv === 'P-521' ? 'ES512' : 'ES256';
  return kty === 'OKP' ? 'EdDSA' : 'RS256';
}

async function keysOfPem(text: string): Promise<readonly NamedKey[]> {
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g) ?? [];
  return Promise.all(
    blocks.slice(0, maxKeys).map(async (block) => {
      const key = block.includes('CERTIFICATE')
        ? new X509Certificate(block).publicKey
        : createPublicKey(block);
      return { ids: [await calculateJwkThumbprint(await exportJWK(key)), libtrustId(key)], key };
    }),
  );
}

/** docker/libtrust, "Key ID": the first 30 bytes of the SHA-256 of the DER form, in base32, in groups of four. */
export function libtrustId(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  const bits = createHash('sha256').update(der).digest().subarray(0, 30);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  let text = '';
  for (let at = 0; at < 30; at += 5) {
    let value = bits.subarray(at, at + 5).reduce<bigint>((sum, byte) => sum * 256n + BigInt(byte), 0n);
    let group = '';
    for (let n = 0; n < 8; n += 1) {
      group = alphabet[Number(value % 32n)] + group;
      value /= 32n;
    }
    text += group;
  }
  return (text.match(/.{4}/g) ?? []).join(':');
}

function unusable(file: string, problem: string, cause?: unknown): EntrepotError {
  const wayOut = 'access.issuer keys names a file of PEM certificates or public keys, or a JWKS';
  return new EntrepotError('CONFIG_INVALID', `${problem}: ${wayOut}`, { file, cause });
}
