/** Images that are pulled whole through a mirrored registry, and which of them are still there. */
import assert from 'node:assert/strict';
import { buildImage, type Image } from './images.ts';
import { type MirroredRegistry, settled } from './mirrored-registry.ts';

export function imageOf(name: string, ...layers: number[]): Image {
  return buildImage({ seed: name, layers });
}

/** Puts an image upstream, pulls it through whole, and lets a second pass. */
export async function pull(
  { registry, proxy, get, clock }: MirroredRegistry,
  name: string,
  image: Image,
): Promise<void> {
  registry.putImage(name, '1', image);
  assert.equal((await get(name, 'manifests/1')).status, 200);
  for (const { digest, size } of image.blobs) {
    const answer = await get(name, `blobs/${digest}`);
    assert.deepEqual([answer.status, answer.body.length, answer.complete], [200, size, true]);
  }
  await settled(proxy);
  await clock.advance(1000);
}

/** Names of those whose layer is still served without the registry. */
export async function kept(mirrored: MirroredRegistry, images: Record<string, Image>): Promise<string[]> {
  await mirrored.registry.refuse();
  const names: string[] = [];
  for (const [name, image] of Object.entries(images)) {
    const answer = await mirrored.get(name, `blobs/${image.layers[0]!.digest}`);
    if (answer.status === 200) names.push(name);
  }
  await mirrored.registry.restart();
  return names;
}
