/** The manifest of a volume that lies on a disk: its first entry. */
import { createReadStream } from 'node:fs';
import { EntrepotError } from '../errors.ts';
import { type BundleManifest, parseBundleManifest } from './bundle-manifest.ts';
import { bundleManifestPath } from './bundle-names.ts';
import { maxFileBytes } from './strict-fields.ts';
import { readTar } from './tar-reader.ts';

/** One entry is read. */
const bounds = { entries: 1, paths: 1024 };

/** Throws EntrepotError BUNDLE_INVALID for a file that is no volume, and what the file system says. */
export async function readVolumeManifest(file: string): Promise<BundleManifest> {
  const fail = (why: string): never => {
    throw new EntrepotError('BUNDLE_INVALID', `is no volume of a bundle: ${why}`, { file });
  };
  const source = createReadStream(file);
  try {
    for await (const { path, size, isFolder, target, body } of readTar(source, file, bounds)) {
      if (path !== bundleManifestPath || isFolder || target !== undefined) break;
      if (size > maxFileBytes) fail(`its manifest has ${size} bytes`);
      const chunks: Uint8Array[] = [];
      for await (const chunk of body()) chunks.push(chunk);
      return parseBundleManifest(Buffer.concat(chunks), file);
    }
  } finally {
    source.destroy();
  }
  return fail(`its first entry is not ${bundleManifestPath}`);
}
