/**
 * Tags that belong to a manifest and not to people: `sha256-HEX` is the referrers of a registry without the referrers API
 * (distribution-spec, "Referrers Tag Schema"), `sha256-HEX.sig`, `.att` and `.sbom` are those of cosign.
 */
import { type Digest, parseDigest } from './digest.ts';

const form = /^((sha256|sha512)-([0-9a-f]{32,64}))(?:\.(?:sig|att|sbom))?$/;

/** The tags of `listed` that are attached to one of `manifests`. */
export function attachedTags(listed: readonly string[], manifests: Iterable<Digest>): readonly string[] {
  // The tag schema cuts a digest at 64 characters.
  const names = new Set(
    [...manifests].map((digest) => {
      const [algorithm = '', hex = ''] = digest.split(':');
      return `${algorithm}-${hex.slice(0, 64)}`;
    }),
  );
  return listed.filter((tag) => names.has(form.exec(tag)?.[1] ?? ''));
}

/** Whether a tag belongs to a manifest, and not to people. */
export function isAttached(tag: string): boolean {
  return form.test(tag);
}

/** The manifest that a tag is attached to; undefined for other tags, and for a digest that the tag holds in part. */
export function subjectOf(tag: string): Digest | undefined {
  const [, , algorithm, hex] = form.exec(tag) ?? [];
  return parseDigest(`${algorithm}:${hex}`);
}
