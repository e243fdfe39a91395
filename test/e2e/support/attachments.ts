/** What signers and builders attach to an image of a registry: a signature under cosign's tag, and an SBOM as a referrer. */

import type { Digest } from '../../../src/oci/digest.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import type { Blob } from '../../support/byte-source.ts';
import {
  buildArtifact,
  buildImage,
  buildIndexOf,
  type Image,
  type PlacedManifest,
} from '../../support/images.ts';

export interface Attachments {
  readonly signature: Image;
  /** Tag of the signature. */
  readonly signatureTag: string;
  readonly sbom: Image;
}

/** The registry, without TLS and accounts, has no referrers API: the SBOM is listed under the fallback tag. */
export async function attach(host: string, repository: string, digest: string): Promise<Attachments> {
  const base = `http://${host}/v2/${repository}`;
  const answer = await fetch(`${base}/manifests/${digest}`, {
    headers: { accept: Object.values(mediaTypes).join() },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const subject: PlacedManifest = {
    bytes,
    digest: digest as Digest,
    mediaType: answer.headers.get('content-type') ?? '',
  };
  const signature = buildImage({
    layers: [{ payload: digest }],
    annotations: { 'dev.cosignproject.cosign/signature': 'c2ln' },
  });
  const sbom = buildArtifact(subject);
  const tag = digest.replace(':', '-');
  for (const { blobs } of [signature, sbom]) for (const blob of blobs) await pushBlob(base, blob);
  await pushManifest(base, signature, `${tag}.sig`);
  await pushManifest(base, sbom, sbom.digest);
  await pushManifest(base, buildIndexOf([sbom]), tag);
  return { signature, signatureTag: `${tag}.sig`, sbom };
}

async function pushBlob(base: string, blob: Blob): Promise<void> {
  const begun = await fetch(`${base}/blobs/uploads/`, { method: 'POST' });
  const to = new URL(begun.headers.get('location') ?? '', base);
  to.searchParams.set('digest', blob.digest);
  const headers = { 'content-type': 'application/octet-stream' };
  await created(await fetch(to, { method: 'PUT', headers, body: new Uint8Array(blob.bytes()) }));
}

async function pushManifest(
  base: string,
  { bytes, mediaType }: PlacedManifest,
  reference: string,
): Promise<void> {
  const headers = { 'content-type': mediaType };
  await created(
    await fetch(`${base}/manifests/${reference}`, { method: 'PUT', headers, body: new Uint8Array(bytes) }),
  );
}

async function created(answer: Response): Promise<void> {
  if (answer.status !== 201) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`);
}
