/**
 * What lies beside the volumes of a bundle: `NAME.sha256sums`, and its signature. With a key nothing is read into the data folder before
 * both are right; without one, a volume that does not fit its sum is refused as well, if the sums are there.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { EntrepotError } from '../../errors.ts';
import { signatureName, sumsName } from '../bundle-names.ts';
import { isSigned, readVerifyKey } from '../sums-signature.ts';
import { parseSums } from '../volume-sums.ts';
import type { ArchiveFile } from './archive-files.ts';

const volumeForm = /^(.+)\.[0-9]{4}\.tar$/;

/** `NAME` of `NAME.0001.tar`; undefined for a file that is no volume. */
export function bundleNameOf(file: string): string | undefined {
  return volumeForm.exec(basename(file))?.[1];
}

/**
 * Reads the archives and holds them against their sums. `keyFile`: a public key that must have signed the sums. Gives the archives for the
 * next reading, which is held against the sums as well: a file may change in between. Throws EntrepotError: CREDENTIALS_UNUSABLE for
 * a key that is none, BUNDLE_INVALID for an archive that is not as it was signed.
 */
export async function checkSums(
  archives: readonly ArchiveFile[],
  keyFile: string | undefined,
  signal: AbortSignal,
): Promise<readonly ArchiveFile[]> {
  const key = keyFile === undefined ? undefined : readVerifyKey(keyFile);
  const all: ArchiveFile[] = [];
  for (const archive of archives) {
    const checked = withSum(archive, key);
    if (checked) for await (const _ of checked.open(signal));
    all.push(checked ?? archive);
  }
  return all;
}

/** The archive, whose reading ends with an error if its sum is another one; undefined if no sums lie beside it. */
function withSum(archive: ArchiveFile, key: KeyObject | undefined): ArchiveFile | undefined {
  const { file, open } = archive;
  const name = bundleNameOf(file);
  const path = name === undefined ? undefined : join(dirname(file), sumsName(name));
  if (path === undefined || !existsSync(path)) {
    if (key) throw invalid(file, 'has no *.sha256sums beside it, which --key is to check');
    return undefined;
  }
  const bytes = readFileSync(path);
  if (key) {
    const signed = join(dirname(file), signatureName(name ?? ''));
    if (!existsSync(signed)) throw invalid(signed, 'is missing, and --key is to check it');
    if (!isSigned(bytes, readFileSync(signed), key))
      throw invalid(signed, 'is no signature by the key of --key');
  }
  const wanted = parseSums(bytes.toString('utf8')).get(basename(file));
  if (wanted === undefined) throw invalid(path, `has no sum of ${basename(file)}`);
  return {
    ...archive,
    async *open(signal) {
      const hash = createHash('sha256');
      // The last piece waits for the sum: without it no reader takes the archive for whole.
      let last: Uint8Array | undefined;
      for await (const part of open(signal)) {
        hash.update(part);
        if (last) yield last;
        last = part;
      }
      if (hash.digest('hex') !== wanted)
        throw invalid(file, `is not as ${path} says: it is damaged or altered`);
      if (last) yield last;
    },
  };
}

function invalid(file: string, message: string): EntrepotError {
  return new EntrepotError('BUNDLE_INVALID', message, { file });
}
