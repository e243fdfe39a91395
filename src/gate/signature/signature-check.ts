/**
 * The check of a signature gate: what containers-policy.json(5) requires of an image, as containers/image decides it.
 *
 *   requirements of the scope, all of them    insecureAcceptAnything, reject, signedBaseLayer (never holds)
 *                                             signedBy           one simple signature of the lookaside is enough
 *                                             sigstoreSigned     one attachment of the registry, or of the lookaside, is enough
 *   an index that is accepted                 its manifests are accepted with it
 *   an index without a signature of its own   is accepted if one of its manifests is, since podman checks the manifest of its
 *                                             platform alone. It vouches for none: each is checked when it is asked for
 */
import type { LoadedGate } from '../../config/gates/gate-config.ts';
import type { Requirement } from '../../config/gates/policy.ts';
import { readManifest } from '../../oci/manifest.ts';
import { isIndexType, isManifestType } from '../../oci/media-types.ts';
import { formatReference } from '../../oci/reference.ts';
import type { Check, Checked, GatedImage } from '../gates.ts';
import { createMeets, type Meets, type SignedManifest } from './meets.ts';
import { requirementsFor } from './requirements.ts';
import { createSignaturesOf, type SignedWithDeps } from './signed-with.ts';

export interface SignatureCheckDeps extends SignedWithDeps {
  /** Epoch ms. */
  readonly now: () => number;
}

type Gate = Extract<LoadedGate, { readonly kind: 'signature' }>;

/** ms that a refusal counts: the signature may be pushed a moment after the image. */
const keepRefused = 30_000;
/** Manifests of an index without a signature of its own that are looked at. */
const maxManifests = 16;

/** Throws for a key that node:crypto does not read. */
export function createSignatureCheck({ now, ...deps }: SignatureCheckDeps, gate: Gate): Check {
  const { rules } = gate;
  const signaturesOf = createSignaturesOf(deps, gate);
  const meets = new Map<Requirement, Meets>();
  for (const one of [rules.default, ...rules.docker.values()].flat()) {
    meets.set(one, createMeets(rules, one, now));
  }

  async function meetsAll(all: readonly Requirement[], manifest: SignedManifest): Promise<Checked> {
    for (const one of all) {
      const meetsOne = meets.get(one);
      if (!meetsOne) throw new TypeError(`the requirement ${one.field} has no check`);
      const checked = await meetsOne(manifest);
      if (checked.kind !== 'accepted') return checked;
    }
    // Not where anything goes: if that is one tag, what it lists must not pass by digest, which may be under another tag.
    return { kind: 'accepted', vouches: all.some(({ type }) => type !== 'insecureAcceptAnything') };
  }

  async function listsAccepted(
    all: readonly Requirement[],
    { reference, bytes, mediaType }: GatedImage,
    signal: AbortSignal,
  ): Promise<boolean> {
    const manifest = readManifest(bytes, mediaType);
    if ('problem' in manifest || !isIndexType(manifest.mediaType)) return false;
    const listed = manifest.children.filter((child) => isManifestType(child.mediaType));
    for (const { digest } of listed.slice(0, maxManifests)) {
      if (signal.aborted) return false;
      const signed = signaturesOf(reference, digest, signal);
      const { kind } = await meetsAll(all, { reference, digest, bytes: undefined, signed });
      if (kind === 'accepted') return true;
    }
    return false;
  }

  return {
    fail: 'closed',
    keepRefused,
    scopeOf: ({ reference: { registry, repository, tag } }) =>
      formatReference({ registry, repository, ...(tag !== undefined && { tag }) }),
    async check(image, signal) {
      const { reference, digest, bytes } = image;
      const all = requirementsFor(rules, reference);
      const signed = signaturesOf(reference, digest, signal);
      const checked = await meetsAll(all, { reference, digest, bytes, signed });
      if (checked.kind !== 'refused' || all.some(({ type }) => type === 'reject')) return checked;
      return (await listsAccepted(all, image, signal)) ? { kind: 'accepted' } : checked;
    },
  };
}
