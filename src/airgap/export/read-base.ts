/** What the other site has: the digests of its receipts, and of earlier bundles that are taken as delivered. */
import { readFile } from 'node:fs/promises';
import { EntrepotError } from '../../errors.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseReceipt } from '../receipt.ts';
import { readVolumeManifest } from '../volume-manifest.ts';
import type { ExportBase } from './export-request.ts';

/** `receipts`, `volumes`: paths of files. Throws EntrepotError BUNDLE_INVALID. */
export async function readBase(receipts: readonly string[], volumes: readonly string[]): Promise<ExportBase> {
  const ids: Digest[] = [];
  const stores = new Map<string, Set<Digest>>();
  const notes: string[] = [];
  for (const file of receipts) {
    const read = parseReceipt(await readFile(file).catch((error: unknown) => unreadable(file, error)), file);
    ids.push(read.receipt);
    const known = stores.get(read.store) ?? new Set();
    for (const digest of read.digests) known.add(digest);
    stores.set(read.store, known);
  }
  // What goes to several sites may lack only what all of them have.
  const [first = new Set<Digest>(), ...others] = stores.values();
  const digests = new Set([...first].filter((digest) => others.every((store) => store.has(digest))));
  for (const file of volumes) {
    const read = await readVolumeManifest(file).catch((error: unknown) => unreadable(file, error));
    ids.push(read.bundle);
    for (const { digest } of read.blobs) digests.add(digest);
    for (const { digest, why } of read.omitted) if (why === 'base') digests.add(digest);
    notes.push(`all volumes of the bundle ${read.bundle} are taken as delivered: no receipt says so`);
  }
  return { ids: [...new Set(ids)].toSorted(), digests: [...digests], notes };
}

function unreadable(file: string, error: unknown): never {
  if (error instanceof EntrepotError) throw error;
  throw new EntrepotError('BUNDLE_INVALID', `cannot be read: ${reasonOf(error)}`, { file, cause: error });
}
