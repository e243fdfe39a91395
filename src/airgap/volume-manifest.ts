/** The manifest of a volume that lies on a disk: its first entry. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { EntrepotError } from '../errors.ts';
import { systemCode } from '../lib/thrown.ts';
import { type BundleManifest, parseBundleManifest } from './bundle-manifest.ts';
import { bundleManifestPath } from './bundle-names.ts';
import { maxFileBytes } from './strict-fields.ts';

/** Throws EntrepotError BUNDLE_INVALID for a file that is no volume, and what the file system says. */
export async function readVolumeManifest(file: string): Promise<BundleManifest> {
  const { extract } = await import('tar-stream');
  const archive = extract();
  const done = new AbortController();
  const source = createReadStream(file, { signal: done.signal });
  const reading = pipeline(source, archive);
  // What fails of it is told below, or is the end that this function makes.
  reading.catch(() => {});
  try {
    for await (const entry of archive) {
      const { name, size = 0, type } = entry.header;
      if (name !== bundleManifestPath || type !== 'file') break;
      if (size > maxFileBytes) throw invalid(file, `its manifest has ${size} bytes`);
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry) chunks.push(chunk as Uint8Array);
      return parseBundleManifest(Buffer.concat(chunks), file);
    }
  } catch (error) {
    if (error instanceof EntrepotError || systemCode(error) !== undefined) throw error;
    throw invalid(file, 'it is no tar archive', error);
  } finally {
    done.abort();
    archive.destroy();
  }
  throw invalid(file, `its first entry is not ${bundleManifestPath}`);
}

function invalid(file: string, why: string, cause?: unknown): EntrepotError {
  return new EntrepotError('BUNDLE_INVALID', `is no volume of a bundle: ${why}`, { file, cause });
}
