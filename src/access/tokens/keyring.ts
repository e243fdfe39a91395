/**
 * The keys that sign this server's own tokens. Either keys of a PEM file (`access.token_key`, the same on all replicas: the first
 * one signs, all of them verify), or keys that are made here (ES256) and kept in the data folder:
 *
 *   a key signs for 30 days, then the next one does; it still verifies until the last token that it signed has ended
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { type SigningAlgorithm, signingAlgorithm, signingKeys } from '../../config/credentials/token-key.ts';
import { readTextFile } from '../../config/files/text-file.ts';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { writeFileSafely } from '../../lib/safe-write.ts';
import { reasonOf } from '../../lib/thrown.ts';

export interface SigningKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export interface Keyring {
  /** The key for new tokens. Makes the next one when its time has come. */
  signing(): Promise<SigningKey>;
  /** The key of this id, if tokens of it may still be out. */
  find(kid: string): SigningKey | undefined;
}

interface OwnKey extends SigningKey {
  /** Epoch ms. */
  readonly created: number;
}

const day = 86_400_000;
const signsFor = 30 * day;
/** ms for which a key verifies after its last signature; no token of this server lives longer. */
export const longestTokenLife = 30 * day;

/** Keys of a PEM file. Throws EntrepotError CONFIG_INVALID, CONFIG_UNREADABLE. */
export async function readKeyring(file: string): Promise<Keyring> {
  const text = readTextFile(file);
  if (text === undefined) throw unusable(file, 'there is no such file');
  const blocks = text.match(/-----BEGIN ([A-Z ]*PRIVATE KEY)-----[\s\S]+?-----END \1-----/g) ?? [];
  const keys: SigningKey[] = [];
  for (const block of blocks) {
    try {
      keys.push(await signingKey(createPrivateKey(block)));
    } catch (error) {
      if (error instanceof EntrepotError) throw unusable(file, error.message, error);
      throw unusable(file, 'it holds a private key that cannot be read', error);
    }
  }
  const [first] = keys;
  if (!first) throw unusable(file, 'it holds no private key');
  return { signing: async () => first, find: (kid) => keys.find((key) => key.kid === kid) };
}

/**
 * Keys of `file` in the data folder, which need not exist yet. Throws EntrepotError DATA_UNUSABLE for one that cannot be read. A new key
 * that cannot be stored serves until the next start; `onProblem` is told.
 */
export async function openKeyring(
  { clock, onProblem }: { readonly clock: Clock; onProblem(problem: EntrepotError): void },
  file: string,
): Promise<Keyring> {
  let keys = await readKeys(file, clock.now());
  let making: Promise<OwnKey> | undefined;

  async function make(): Promise<OwnKey> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const made = { ...(await signingKey(privateKey)), created: clock.now() };
    const kept = keys.filter(({ created }) => clock.now() - created < signsFor + longestTokenLife);
    const next = [...kept, made];
    const stored = next.map((key) => ({
      created: key.created,
      pem: key.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    }));
    keys = next;
    try {
      writeFileSafely(file, `${JSON.stringify({ version: 1, keys: stored }, undefined, 2)}\n`);
    } catch (cause) {
      const message = `a new key for tokens cannot be stored, and serves until the next start: ${reasonOf(cause)}`;
      onProblem(new EntrepotError('DATA_UNUSABLE', message, { file, cause }));
    }
    return made;
  }

  return {
    signing() {
      const newest = keys.at(-1);
      if (newest && clock.now() - newest.created < signsFor) return Promise.resolve(newest);
      making ??= make().finally(() => {
        making = undefined;
      });
      return making;
    },
    find: (kid) =>
      keys.find((key) => key.kid === kid && clock.now() - key.created < signsFor + longestTokenLife),
  };
}

async function readKeys(file: string, now: number): Promise<readonly OwnKey[]> {
  const text = readTextFile(file, { code: 'DATA_UNUSABLE' });
  if (text === undefined) return [];
  try {
    const { keys } = JSON.parse(text) as { keys: readonly { created: number; pem: string }[] };
    return await Promise.all(
      keys.map(async ({ created, pem }) => ({
        ...(await signingKey(createPrivateKey(pem))),
        // A key from the future was made while the clock was ahead. It counts from now on, or it would sign until that time.
        created: Math.min(Number(created), now),
      })),
    );
  } catch (cause) {
    const message =
      'is no file of token keys: remove it, and every client gets a new token at its next request';
    throw new EntrepotError('DATA_UNUSABLE', message, { file, cause });
  }
}

async function signingKey(privateKey: KeyObject): Promise<SigningKey> {
  const alg = signingAlgorithm(privateKey);
  if (!alg) {
    const message = `it holds a key (${privateKey.asymmetricKeyType}) that signs no tokens`;
    throw new EntrepotError('CONFIG_INVALID', message);
  }
  const publicKey = createPublicKey(privateKey);
  return { kid: await calculateJwkThumbprint(await exportJWK(publicKey)), alg, privateKey, publicKey };
}

function unusable(file: string, problem: string, cause?: unknown): EntrepotError {
  const wayOut = `access.token_key names a PEM file with private keys: ${signingKeys}`;
  return new EntrepotError('CONFIG_INVALID', `${problem}: ${wayOut}`, { file, cause });
}
