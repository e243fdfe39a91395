/** Which requirements of a policy hold for a reference (containers-policy.json(5), "Supported transports and their scopes"). */

import type { Policy, Requirement } from '../../config/gates/policy.ts';
import type { Lookasides } from '../../config/gates/registries-d.ts';
import { formatReference, type Reference, referenceName } from '../../oci/reference.ts';

/** For a reference with a tag or a digest. */
export function requirementsFor(policy: Policy, reference: Reference): readonly Requirement[] {
  for (const scope of [...scopesOf(reference), '']) {
    const found = policy.docker.get(scope);
    if (found) return found;
  }
  return policy.default;
}

/** Where simple signatures of the image are, and whether its sigstore attachments count: each by the first section that says so. */
export function lookasideFor(
  { docker, default: ordinary }: Lookasides,
  reference: Reference,
): { readonly url: string | undefined; readonly attachments: boolean } {
  const sections = scopesOf(reference).map((scope) => docker.get(scope));
  const all = [...sections, ordinary].filter((section) => section !== undefined);
  return {
    url: all.find(({ url }) => url !== undefined)?.url,
    attachments: all.find(({ attachments }) => attachments !== undefined)?.attachments ?? false,
  };
}

/** The most specific one first: the reference, the repository, each namespace, the registry, and the domains above it. */
export function scopesOf(reference: Reference): readonly string[] {
  const scopes = [formatReference(reference)];
  let name = referenceName(reference);
  for (;;) {
    scopes.push(name);
    const slash = name.lastIndexOf('/');
    if (slash < 0) break;
    name = name.slice(0, slash);
  }
  let domain = name.replace(/:.*$/, '');
  for (let dot = domain.indexOf('.'); dot >= 0; dot = domain.indexOf('.')) {
    domain = domain.slice(dot + 1);
    scopes.push(`*.${domain}`);
  }
  return scopes;
}
