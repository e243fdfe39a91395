/**
 * Public keys of a trusted issuer, from a file or from its discovery document.
 *
 *   file        PEM certificates or public keys, or a JWKS; read again when it changes
 *   discovery   ISSUER/.well-known/openid-configuration -> `jwks_uri` -> JWKS (OpenID Connect Discovery 1.0, section 4)
 *
 * A token names its key by `kid`. Three forms are in use for the same key: what a JWKS says, the thumbprint of RFC 7638, and
 * libtrust's fingerprint (distribution 2, GitLab). An id that is not known here proves nothing, so every key is then tried.
 */
import { createPublicKey, type JsonWebKey, type KeyObject, X509Certificate } from 'node:crypto';
import { calculateJwkThumbprint, decodeProtectedHeader, exportJWK, type JWK } from 'jose';
import { readTextFile } from '../../config/files/text-file.ts';
import { createWatchedFiles } from '../../config/files/watched-file.ts';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { libtrustId } from '../../lib/libtrust-id.ts';
import { reasonOf } from '../../lib/thrown.ts';

export interface IssuerKeys {
  /** Keys to try for this token, the likeliest first. `problem`: they cannot be had now. */
  candidates(token: string): Promise<Candidates>;
  /** Gets the keys now, so that the first token need not wait. Gives the problem where they cannot be had. */
  prepare(): Promise<string | undefined>;
}

export type Candidates =
  | { readonly ok: true; readonly keys: readonly KeyObject[] }
  | { readonly ok: false; readonly problem: string };

/** Gets the JSON at a URL. Rejects with a sentence where there is none: then the issuer counts as unavailable. */
export type FetchJson = (url: string) => Promise<unknown>;

interface NamedKey {
  readonly ids: readonly string[];
  readonly key: KeyObject;
  /** The one algorithm that the key is for (RFC 7517, section 4.4); undefined: any that fits it. */
  readonly alg?: string | undefined;
}

/** Keys that are read of one issuer, and so tried for one token. */
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
    prepare: async () => undefined,
    async candidates(token) {
      try {
        return { ok: true, keys: inOrder(await files.get(file), token) };
      } catch (error) {
        return { ok: false, problem: reasonOf(error) };
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
  /** Of the last fetch, if it failed. */
  let lastProblem: string | undefined;

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
    /**
     *   the id is among fresh keys                  those keys
     *   else, no fetch within the last 30 s         fetch, then judge by what came
     *   a fetch failed: the id is among old keys    those keys: what was right stays right while the issuer is away
     *   a fetch failed, the id is unknown           no judgement
     */
    async candidates(token) {
      const now = clock.monotonic();
      const isKnown = known?.keys.some(({ ids }) => ids.includes(kidOf(token) ?? '')) ?? false;
      if (known && isKnown && now - known.at < freshFor)
        return { ok: true, keys: inOrder(known.keys, token) };
      if (now - lastTry >= restFor || fetching) {
        await fetchOnce().then(
          () => {
            lastProblem = undefined;
          },
          (error: unknown) => {
            lastProblem = reasonOf(error);
          },
        );
      }
      if (known && (isKnown || lastProblem === undefined))
        return { ok: true, keys: inOrder(known.keys, token) };
      return { ok: false, problem: lastProblem ?? 'its keys were not fetched yet' };
    },
    prepare: () =>
      fetchOnce().then(
        () => undefined,
        (error: unknown) => {
          lastProblem = reasonOf(error);
          return lastProblem;
        },
      ),
  };
}

function kidOf(token: string): string | undefined {
  return headerOf(token).kid;
}

function headerOf(token: string): { readonly kid?: string; readonly alg?: string } {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return {};
  }
}

function inOrder(keys: readonly NamedKey[], token: string): readonly KeyObject[] {
  const { kid, alg } = headerOf(token);
  const fitting = keys.filter((key) => key.alg === undefined || key.alg === alg);
  const named = fitting.filter(({ ids }) => kid !== undefined && ids.includes(kid));
  return (named.length > 0 ? named : fitting).map(({ key }) => key);
}

async function keysIn(text: string, file: string): Promise<readonly NamedKey[]> {
  try {
    const keys = text.trimStart().startsWith('{') ? await keysOfSet(JSON.parse(text)) : await keysOfPem(text);
    if (keys.length === 0) throw new Error('it holds no key');
    return keys;
  } catch (cause) {
    throw unusable(file, `its keys cannot be read (${wordsOf(cause)})`, cause);
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
        // A set that holds private keys by mistake is read as well: this gives the public half of them.
        const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' });
        const ids = [jwk.kid, ...(await idsOf(key))].filter((id) => id !== undefined);
        return isStrong(key) ? { ids, key, alg: jwk.alg } : undefined;
      } catch {
        // A kind of key that is not known here: others of the set may be.
        return undefined;
      }
    }),
  );
  return read.filter((key) => key !== undefined);
}

/** RSA below 2048 bits signs nothing (RFC 7518, section 3.3). */
function isStrong({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  return asymmetricKeyType !== 'rsa' || (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048;
}

async function idsOf(key: KeyObject): Promise<readonly string[]> {
  return [await calculateJwkThumbprint(await exportJWK(key)), libtrustId(key)];
}

async function keysOfPem(text: string): Promise<readonly NamedKey[]> {
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g) ?? [];
  return Promise.all(
    blocks.slice(0, maxKeys).map(async (block) => {
      const key = block.includes('CERTIFICATE')
        ? new X509Certificate(block).publicKey
        : createPublicKey(block);
      if (!isStrong(key)) throw new Error('it holds an RSA key of fewer than 2048 bits');
      return { ids: await idsOf(key), key };
    }),
  );
}

/** Our own words. Those of a parser may quote a secret. */
function wordsOf(cause: unknown): string {
  const text = reasonOf(cause);
  return /^(?:it holds|this is no)/.test(text) ? text : 'neither PEM nor JSON that can be read';
}

function unusable(file: string, problem: string, cause?: unknown): EntrepotError {
  const wayOut = 'access.issuer keys names a file of PEM certificates or public keys, or a JWKS';
  return new EntrepotError('CONFIG_INVALID', `${problem}: ${wayOut}`, { file, cause });
}
