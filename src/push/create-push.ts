/** Pushes, put together: rules, sessions, manifests and deletions. */

import type { HostedContent } from '../cache/hosted-content.ts';
import type { EventCause } from '../cache/index/outbox/outbox-event.ts';
import type { Agreement } from '../cache/shared/agreement.ts';
import type { PushRule } from '../config/config.ts';
import { createPushRules } from '../config/push-rules.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageName } from '../routing/target.ts';
import type { NotDurable, Push, Removed, StoredUpload } from './push.ts';
import { createPushManifest, type PushManifestDeps } from './push-manifest.ts';
import type { Uploads } from './uploads.ts';

/** What has come by one push. */
export interface PushedContent {
  readonly image: ImageName;
  readonly digest: Digest;
  readonly kind: 'blob' | 'manifest';
  /** Tags that point to it now. */
  readonly tags: readonly string[];
}

export interface PushDeps extends PushManifestDeps {
  readonly agreement: Agreement;
  readonly content: HostedContent;
  readonly uploads: Uploads;
  /** Content has come to an image by a push. Told after it is durable. */
  onStored(stored: PushedContent): void;
}

/** Repositories that a mount without `from` looks at. */
const maxSources = 100;

/** The first rule that matches an image counts. */
export function createPush(deps: PushDeps, rules: readonly PushRule[]): Push {
  const { content, uploads, onStored, durable, agreement } = deps;
  const ruleFor = createPushRules(rules);
  const putManifest = createPushManifest(deps);

  const ruleOf = (image: ImageName) => ruleFor(image.name);
  const keptBy = (image: ImageName) => ({ hosted: ruleOf(image)?.mode !== 'fill' });

  async function stored(image: ImageName, digest: Digest): Promise<StoredUpload | NotDurable> {
    const failure = await durable.stored(image, digest, ruleOf(image));
    if (failure) return failure;
    await agreement.told();
    onStored({ image, digest, tags: [], kind: 'blob' });
    return { kind: 'stored', digest };
  }

  /** In `local` all that is here is ours; beside endpoints, what clients pushed. */
  async function remove(
    image: ImageName,
    isPushed: () => Promise<boolean | undefined>,
    work: () => Promise<boolean>,
  ): Promise<Removed> {
    const rule = ruleOf(image);
    if (!rule?.delete) return { kind: 'disabled' };
    const attempt = async (): Promise<Removed> => {
      if (rule.mode !== 'local' && (await isPushed()) === false) return { kind: 'upstream' };
      return { kind: (await work()) ? 'removed' : 'unknown' };
    };
    let removed = await attempt();
    // Another replica may have taken it a moment ago.
    if (removed.kind === 'unknown' && (await agreement.heard())) removed = await attempt();
    if (removed.kind === 'removed') await agreement.told();
    return removed;
  }

  const removeDigest = (
    image: ImageName,
    digest: Digest,
    work: HostedContent['removeBlob'],
    cause: EventCause | undefined,
  ) =>
    remove(
      image,
      () => content.isPushed(image.name, digest),
      () => work(image.name, digest, cause),
    );

  return {
    rule: ruleOf,
    async imagesServing(digest, isWanted) {
      const images = (await content.imagesServing(digest)).map(imageName);
      return images.filter(isWanted).slice(0, maxSources);
    },
    begin: uploads.begin,
    async mount(image, digest, from) {
      for (const source of from) {
        if (!(await content.serves(source.name, digest))) continue;
        // A manifest comes by its own PUT, which looks at what it lists.
        if (await content.manifest(source.name, digest)) continue;
        if (!(await content.mountBlob(image.name, digest, keptBy(image)))) continue;
        const mounted = await stored(image, digest);
        // The client sends it then, and is told what the matter is.
        return mounted.kind === 'stored' ? mounted : undefined;
      }
      return undefined;
    },
    status: async (key) => uploads.status(key),
    append: uploads.append,
    async finish(key, digest, chunk) {
      const { image } = key;
      const finished = await uploads.finish(key, digest, chunk, (file, size) =>
        content.commitBlob(image.name, digest, size, file, keptBy(image)),
      );
      return finished.kind === 'stored' ? stored(image, digest) : finished;
    },
    cancel: uploads.cancel,
    async putManifest(image, manifest) {
      const rule = ruleOf(image);
      // The caller has checked that there is a rule; without one nothing is taken.
      if (!rule) return { kind: 'manifestInvalid', problem: `no [[push]] rule matches ${image.name}` };
      const result = await putManifest(image, manifest, rule);
      if (result.kind === 'stored') {
        await agreement.told();
        onStored({ image, digest: result.digest, tags: result.tags, kind: 'manifest' });
      }
      return result;
    },
    removeTag: (image, tag, cause) =>
      remove(
        image,
        () => content.isPushedTag(image.name, tag),
        () => content.removeTag(image.name, tag, cause),
      ),
    removeManifest: (image, digest, cause) => removeDigest(image, digest, content.removeManifest, cause),
    removeBlob: (image, digest, cause) => removeDigest(image, digest, content.removeBlob, cause),
  };
}

/** `registry/repository`, which was checked when it came into the cache. */
function imageName(name: string): ImageName {
  const slash = name.indexOf('/');
  return {
    registry: name.slice(0, slash),
    repository: name.slice(slash + 1) as ImageName['repository'],
    name,
  };
}
