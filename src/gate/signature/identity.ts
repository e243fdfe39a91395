/** Whether what was signed is what was asked for (containers-policy.json(5), "signedIdentity"). */
import type { SignedIdentity } from '../../config/gates/policy.ts';
import { formatReference, parseReference, type Reference, referenceName } from '../../oci/reference.ts';

/**
 * `signed`: the reference in a signature. `wanted` has a tag or a digest. A signature without a tag or digest names a repository only,
 * as cosign's do.
 */
export function matchesIdentity(identity: SignedIdentity, wanted: Reference, signed: string): boolean {
  const parsed = parseReference(signed);
  if (!parsed.ok) return false;
  const signature = parsed.value;
  switch (identity.type) {
    case 'matchExact':
      return isExact(wanted, signature);
    case 'matchRepoDigestOrExact':
      return isRepoDigestOrExact(wanted, signature);
    case 'matchRepository':
      return isSameRepository(wanted, signature);
    case 'exactReference': {
      const expected = parseReference(identity.reference);
      return expected.ok && isExact(expected.value, signature);
    }
    case 'exactRepository': {
      const expected = parseReference(identity.repository);
      return expected.ok && isSameRepository(expected.value, signature);
    }
    case 'remapIdentity': {
      const remapped = remap(wanted, identity);
      return remapped !== undefined && isRepoDigestOrExact(remapped, signature);
    }
  }
}

function isNameOnly({ tag, digest }: Reference): boolean {
  return tag === undefined && digest === undefined;
}

function isExact(one: Reference, other: Reference): boolean {
  return !isNameOnly(one) && !isNameOnly(other) && formatReference(one) === formatReference(other);
}

function isSameRepository(one: Reference, other: Reference): boolean {
  return referenceName(one) === referenceName(other);
}

/** An image that is asked for by digest is the one that was signed, whatever tag it had then. */
function isRepoDigestOrExact(wanted: Reference, signature: Reference): boolean {
  if (isNameOnly(signature)) return false;
  if (wanted.tag !== undefined) return isExact(wanted, signature);
  return wanted.digest !== undefined && isSameRepository(wanted, signature);
}

/** The prefix is a whole name, or ends before a slash. A reference without it stays as it is. */
function remap(
  wanted: Reference,
  { prefix, signedPrefix }: { readonly prefix: string; readonly signedPrefix: string },
): Reference | undefined {
  const name = referenceName(wanted);
  if (name !== prefix && !name.startsWith(`${prefix}/`)) return wanted;
  const parsed = parseReference(signedPrefix + formatReference(wanted).slice(prefix.length));
  return parsed.ok ? parsed.value : undefined;
}
