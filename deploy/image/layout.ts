/** An image and its SBOM as an OCI image layout in a tar, as podman, skopeo, oras, crane and "entrepot import" read it. */
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { Architecture } from '../build/program-tree.ts';
import { digestOf, type Layer } from './layer.ts';
import { sbomType } from './sbom.ts';

export interface Image {
  readonly version: string;
  readonly architecture: Architecture;
  /** Seconds since 1970. */
  readonly date: number;
  readonly layers: readonly Layer[];
  readonly config: Readonly<Record<string, unknown>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** JSON, attached to the image as a referrer. */
  readonly sbom: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** The whole tar. The image is named by its version. */
export async function imageLayout(image: Image): Promise<Buffer> {
  const created = new Date(image.date * 1000).toISOString().replace('.000Z', 'Z');
  const blobs = new Map<string, Buffer>();
  const add = (mediaType: string, content: Buffer | string): Descriptor => {
    const bytes = Buffer.from(content);
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const platform = { architecture: image.architecture === 'x64' ? 'amd64' : image.architecture, os: 'linux' };
  const rootfs = { type: 'layers', diff_ids: image.layers.map(({ diffId }) => diffId) };
  const history = image.layers.map(() => ({ created, created_by: 'deploy/image/build.ts' }));
  const config = { created, ...platform, config: image.config, rootfs, history };
  const manifest = {
    ...{ schemaVersion: 2, mediaType: manifestType },
    config: add('application/vnd.oci.image.config.v1+json', JSON.stringify(config)),
    layers: image.layers.map(({ bytes }) => add('application/vnd.oci.image.layer.v1.tar+gzip', bytes)),
    annotations: { 'org.opencontainers.image.created': created, ...image.annotations },
  };
  const subject = add(manifestType, JSON.stringify(manifest));
  const attached = {
    ...{ schemaVersion: 2, mediaType: manifestType, artifactType: sbomType },
    config: { ...add('application/vnd.oci.empty.v1+json', '{}'), data: 'e30=' },
    layers: [
      { ...add(sbomType, image.sbom), annotations: { 'org.opencontainers.image.title': 'sbom.spdx.json' } },
    ],
    subject,
    annotations: { 'org.opencontainers.image.created': created },
  };
  const referrer = add(manifestType, JSON.stringify(attached));
  const named = { 'org.opencontainers.image.ref.name': image.version };
  const manifests = [
    { ...subject, platform, annotations: named },
    { ...referrer, artifactType: sbomType },
  ];
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests };

  const tar = pack();
  const whole = buffer(tar);
  const common = { mtime: new Date(image.date * 1000), mode: 0o644, uid: 0, gid: 0 };
  tar.entry({ name: 'oci-layout', ...common }, '{"imageLayoutVersion":"1.0.0"}');
  tar.entry({ name: 'index.json', ...common }, JSON.stringify(index));
  for (const digest of [...blobs.keys()].toSorted()) {
    tar.entry({ name: `blobs/${digest.replace(':', '/')}`, ...common }, blobs.get(digest));
  }
  tar.finalize();
  return await whole;
}
