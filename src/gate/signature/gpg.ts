/** Signatures by GPG keys. The library is loaded with the first signature. */
import type { Key, Message } from 'openpgp';
import { foreignWords } from '../../lib/foreign-words.ts';
import { reasonOf } from '../../lib/thrown.ts';

type OpenPgp = typeof import('openpgp');

export type Opened =
  | { readonly ok: true; readonly content: Uint8Array }
  | { readonly ok: false; readonly problem: string };

export interface GpgKeys {
  /** What was signed, if one of the keys has signed it. Problems are sentence fragments. Never rejects. */
  open(signature: Uint8Array): Promise<Opened>;
}

/** Bytes of a signature once it is decompressed. */
const config = { maxDecompressedMessageSize: 1024 * 1024 };

/** `sources`: keys, armored or not, in base64. `now`: epoch ms. */
export function createGpgKeys(sources: readonly string[], now: () => number): GpgKeys {
  let loading: Promise<{ pgp: OpenPgp; keys: readonly Key[] }> | undefined;

  async function load() {
    const pgp = await import('openpgp');
    const read = await Promise.all(
      sources.map((source) => keysIn(pgp, Buffer.from(source, 'base64')).catch(() => [])),
    );
    return { pgp, keys: read.flat() };
  }

  async function open(signature: Uint8Array): Promise<Opened> {
    loading ??= load();
    const { pgp, keys } = await loading;
    if (keys.length === 0) return failed('the policy has no usable GPG key');
    let message: Message<Uint8Array>;
    try {
      message = await pgp.readMessage({ binaryMessage: signature, config });
    } catch {
      return failed('is no OpenPGP message');
    }
    const date = new Date(now());
    try {
      const { data, signatures } = await pgp.verify({
        message,
        verificationKeys: [...keys],
        format: 'binary',
        date,
        config,
      });
      const [one, ...others] = signatures;
      if (!one || others.length > 0) return failed(`has ${signatures.length} signatures instead of one`);
      const signer = keys.find((key) => key.getKeys(one.keyID).length > 0);
      if (!signer) return failed(`is by the unknown key ${one.keyID.toHex()}`);
      await one.verified;
      await signer.verifyPrimaryKey(date);
      const made = await one.signature;
      if (made.packets.some((packet) => packet.isExpired(date))) return failed('is expired');
      return { ok: true, content: data };
    } catch (error) {
      return failed(`is not valid: ${foreignWords(reasonOf(error))}`);
    }
  }

  return { open };
}

async function keysIn(pgp: OpenPgp, bytes: Buffer): Promise<readonly Key[]> {
  const text = bytes.toString('latin1');
  const isArmored = text.includes('-----BEGIN PGP');
  return isArmored ? pgp.readKeys({ armoredKeys: text }) : pgp.readKeys({ binaryKeys: bytes });
}

function failed(problem: string): Opened {
  return { ok: false, problem };
}
