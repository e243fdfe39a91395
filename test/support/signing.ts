/** Signatures as cosign makes them, with keys of the test, and the files of a policy beside a program under test. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { blobOf, digestOf } from './byte-source.ts';
import type { FakeRegistry } from './fake-registry.ts';
import type { PlacedManifest } from './images.ts';
import { insecureRegistry, type MirroredOptions, startMirrored } from './mirrored-registry.ts';
import { type Cleanup, tempFolder } from './temp-folder.ts';

export interface SigningKey {
  readonly privateKey: KeyObject;
  /** PEM. */
  readonly publicKey: string;
  /** The PEM in base64: `keyData`. */
  readonly data: string;
}

/** A key as `cosign generate-key-pair` makes it. */
export function createSigningKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  return { privateKey, publicKey: pem, data: Buffer.from(pem).toString('base64') };
}

/** What is signed: a payload of simple signing, as cosign writes it. */
export function cosignPayload(reference: string, digest: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': reference },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: null,
    }),
  );
}

export interface CosignLayer {
  readonly payload: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One signature, as the layer of an attachment. */
export function cosignLayer({ privateKey }: SigningKey, payload: Uint8Array): CosignLayer {
  const signature = sign('sha256', payload, privateKey).toString('base64');
  return { payload, annotations: { 'dev.cosignproject.cosign/signature': signature } };
}

/** Puts signatures of `image` under cosign's tag, instead of those that are there. `configType`: that of cosign, if it is not said. */
export function putCosign(
  registry: FakeRegistry,
  repository: string,
  image: Pick<PlacedManifest, 'digest'>,
  layers: readonly CosignLayer[],
  configType: string | null = 'application/vnd.oci.image.config.v1+json',
): PlacedManifest {
  const config = blobOf('{"architecture":"","os":"","config":{},"rootfs":{"type":"layers","diff_ids":[]}}');
  registry.putBlob(config);
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: {
      ...(configType !== null && { mediaType: configType }),
      digest: config.digest,
      size: config.size,
    },
    layers: layers.map(({ payload, annotations }) => ({
      mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
      digest: registry.putBlob(payload),
      size: payload.length,
      annotations,
    })),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const placed = { bytes, mediaType: mediaTypes.ociManifest, digest: digestOf(bytes) };
  registry.putManifest(repository, cosignTag(image), placed);
  return placed;
}

/** `sha256-HEX.sig`. */
export function cosignTag({ digest }: Pick<PlacedManifest, 'digest'>): string {
  return `${digest.replace(':', '-')}.sig`;
}

export interface GatedOptions extends Omit<MirroredOptions, 'registries' | 'folder' | 'toml'> {
  /** policy.json as a value, or as text. */
  readonly policy?: (registry: FakeRegistry) => unknown;
  /** Of one file of registries.d. Default: attachments are used. */
  readonly registriesD?: (registry: FakeRegistry, folder: string) => string;
  /** Default: one signature gate named `signed`. */
  readonly toml?: string;
}

/** The whole program with a gate in front of one registry. */
export async function startGated(test: Cleanup, options: GatedOptions = {}) {
  const folder = tempFolder(test);
  const { policy, registriesD = () => 'default-docker:\n  use-sigstore-attachments: true\n' } = options;
  const writePolicy = (value: unknown) =>
    writeFileSync(join(folder, 'policy.json'), typeof value === 'string' ? value : JSON.stringify(value));
  const mirrored = await startMirrored(test, {
    ...options,
    folder,
    toml: options.toml ?? signatureGate,
    registries(registry) {
      mkdirSync(join(folder, 'registries.d'));
      writeFileSync(join(folder, 'registries.d', 'test.yaml'), registriesD(registry, folder));
      if (policy) writePolicy(policy(registry));
      return insecureRegistry(registry.host);
    },
  });
  return { ...mirrored, folder, writePolicy };
}

export const signatureGate =
  '[[gate]]\nname = "signed"\nkind = "signature"\npolicy = "policy.json"\nregistries_d = "registries.d"\n';

/** A policy that requires one requirement of every image. */
export function requiring(...requirements: readonly object[]): object {
  return { default: requirements };
}

/** `sigstoreSigned` by the key, for the repository as cosign names it. */
export function sigstoreBy({ data }: SigningKey, more: object = {}): object {
  return {
    type: 'sigstoreSigned',
    keyData: data,
    signedIdentity: { type: 'matchRepository' },
    ...more,
  };
}
