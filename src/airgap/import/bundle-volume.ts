/** Holds the entries of a volume against what its `entrepot-bundle.json` announces. */
import { EntrepotError } from '../../errors.ts';
import type { BundleBlob, BundleManifest } from '../bundle-manifest.ts';
import { layoutPaths, parseContentPath } from '../bundle-names.ts';
import type { WantedRef } from './archive.ts';
import type { Stage } from './stage.ts';

export interface VolumeCheck {
  /** Bytes of this volume that are not staged. */
  missingBytes(stage: Pick<Stage, 'find'>): Promise<number>;
  /** What the entry is. `part`: from 0; undefined for a whole content. Throws EntrepotError BUNDLE_INVALID. */
  entry(
    path: string,
    size: number,
  ): 'layout' | { readonly blob: BundleBlob; readonly part: number | undefined };
  /** Throws EntrepotError BUNDLE_INVALID where an announced entry did not come. */
  end(): void;
}

const layout: ReadonlySet<string> = new Set(Object.values(layoutPaths));

/** One check for one volume. */
export function createVolumeCheck(bundle: BundleManifest, file: string): VolumeCheck {
  const blobs = new Map(bundle.blobs.map((blob) => [blob.digest, blob]));
  const isHere = ({ parts }: BundleBlob) => parts.some(({ volume }) => volume === bundle.volume);
  const expected = new Set(bundle.blobs.filter(isHere).map(({ digest }) => digest));
  const fail = (problem: string): never => {
    throw new EntrepotError('BUNDLE_INVALID', problem, { file });
  };

  return {
    async missingBytes(stage) {
      let sum = 0;
      for (const digest of expected) {
        if (await stage.find(digest)) continue;
        const parts = blobs.get(digest)?.parts ?? [];
        sum += parts.reduce((all, { volume, size }) => all + (volume === bundle.volume ? size : 0), 0);
      }
      return sum;
    },
    entry(path, size) {
      if (layout.has(path)) return 'layout';
      const content = parseContentPath(path);
      if (!content) return fail(`${JSON.stringify(path)} is no entry of a bundle`);
      const blob = blobs.get(content.digest);
      const part = content.part === undefined ? undefined : content.part - 1;
      const place = blob?.parts[part ?? 0];
      const isWhole = part === undefined;
      if (!blob || !place || isWhole !== (blob.parts.length === 1) || place.volume !== bundle.volume)
        return fail(`${path} is in this volume, and the bundle does not say so`);
      if (place.size !== size) fail(`${path} has ${size} bytes, and the bundle says ${place.size}`);
      expected.delete(blob.digest);
      return { blob, part };
    },
    end() {
      const [missing] = expected;
      if (missing !== undefined) fail(`lacks ${missing}, which the bundle says is in this volume`);
    },
  };
}

/** What the bundle names. */
export function bundleRefs(bundle: BundleManifest): readonly WantedRef[] {
  const types = new Map(bundle.blobs.map(({ digest, mediaType }) => [digest, mediaType]));
  return bundle.refs.map((ref) => {
    const mediaType = types.get(ref.digest);
    return { ...ref, ...(mediaType !== undefined && { mediaType }) };
  });
}
