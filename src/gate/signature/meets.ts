/** Whether an image meets one requirement of a policy. */
import type { Policy, Requirement, SignedBy, SigstoreSigned } from '../../config/gates/policy.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Checked } from '../gates.ts';
import { createGpgKeys } from './gpg.ts';
import { matchesIdentity } from './identity.ts';
import type { TransparencyCheck } from './logged-signature.ts';
import { payloadTypes, readPayload } from './payload.ts';
import { once, type SignedWith } from './signed-with.ts';
import { createVerifySigstore } from './sigstore.ts';
import { isAbout } from './statement.ts';

/** A manifest, and what it is signed with. */
export interface SignedManifest {
  /** As the image was asked for: with a tag, or with a digest. */
  readonly reference: Reference;
  readonly digest: Digest;
  /** Undefined where they are not here. */
  readonly bytes: Uint8Array | undefined;
  readonly signed: SignedWith;
}

export type Meets = (manifest: SignedManifest) => Promise<Checked>;

/** Reasons that a refusal names. */
const maxReasons = 3;

/** `now`: epoch ms. Throws for a key that node:crypto does not read. */
export function createMeets({ file }: Policy, requirement: Requirement, now: () => number): Meets {
  const rule = `${file}: ${requirement.field}`;
  const refused = (reason: string) => async () => ({ kind: 'refused', rule, reason }) as const;
  switch (requirement.type) {
    case 'insecureAcceptAnything':
      return async () => ({ kind: 'accepted' });
    case 'reject':
      return refused('the policy rejects it');
    case 'signedBaseLayer':
      return refused('no program checks signedBaseLayer');
    case 'signedBy':
      return requirement.keyType === 'GPGKeys'
        ? meetsSignedBy(requirement, rule, now)
        : refused(`no program checks keyType ${requirement.keyType}`);
    case 'sigstoreSigned':
      return meetsSigstoreSigned(requirement, rule);
  }
}

function meetsSignedBy(requirement: SignedBy, rule: string, now: () => number): Meets {
  const keys = createGpgKeys(requirement.keys, now);
  return async (manifest) => {
    const { signatures, unknown } = await manifest.signed.lookaside();
    const problems: string[] = [];
    for (const one of signatures) {
      if (one.kind === 'unreadable') return unreadable(rule);
      if (one.kind !== 'simple') continue;
      const opened = await keys.open(one.bytes);
      const problem = opened.ok
        ? problemOf(opened.content, payloadTypes.simple, requirement, manifest)
        : opened.problem;
      if (problem === undefined) return { kind: 'accepted' };
      problems.push(problem);
    }
    return withoutGoodOne(rule, problems, unknown);
  };
}

function meetsSigstoreSigned(requirement: SigstoreSigned, rule: string): Meets {
  const transparency = once(
    async (): Promise<TransparencyCheck> =>
      (await import('./transparency.ts')).createTransparencyCheck(requirement),
  );
  const verify = createVerifySigstore(requirement, transparency);
  return async (manifest) => {
    const { signed, digest, bytes } = manifest;
    const beside = await signed.lookaside();
    if (beside.signatures.some(({ kind }) => kind === 'unreadable')) return unreadable(rule);
    const attached = await signed.attachments();
    const all = [
      ...beside.signatures.flatMap((one) => (one.kind === 'sigstore' ? [one.signature] : [])),
      ...attached.signatures,
    ];
    const problems: string[] = [];
    for (const one of all) {
      const problem =
        (await verify(one)) ?? problemOf(one.payload, payloadTypes.sigstore, requirement, manifest);
      if (problem === undefined) return { kind: 'accepted' };
      problems.push(problem);
    }
    const bundles = await signed.bundles();
    for (const bundle of bundles.signatures) {
      const problem = isAbout(bundle, digest, bytes !== undefined)
        ? (await transparency()).verifyBundle(bundle, bytes ?? new Uint8Array())
        : 'is a bundle about something else';
      if (problem === undefined) return { kind: 'accepted' };
      problems.push(problem);
    }
    return withoutGoodOne(rule, problems, beside.unknown ?? attached.unknown ?? bundles.unknown);
  };
}

/** Undefined: the payload is of the manifest. */
function problemOf(
  bytes: Uint8Array,
  type: string,
  { identity }: Pick<SigstoreSigned, 'identity'>,
  { reference, digest }: SignedManifest,
): string | undefined {
  const payload = readPayload(bytes, type);
  if (!payload.ok) return `its payload ${payload.problem}`;
  const { value } = payload;
  if (!matchesIdentity(identity, reference, value.reference)) {
    return `is for ${JSON.stringify(value.reference.slice(0, 200))}, which signedIdentity ${identity.type} does not accept`;
  }
  return value.digest === digest ? undefined : `is for the digest ${value.digest}`;
}

function withoutGoodOne(rule: string, problems: readonly string[], unknown: string | undefined): Checked {
  if (unknown !== undefined) return { kind: 'unknown', rule, reason: unknown };
  if (problems.length === 0) return { kind: 'refused', rule, reason: 'it has no signature' };
  const named = [...new Set(problems)].slice(0, maxReasons).join('; ');
  return { kind: 'refused', rule, reason: `of ${problems.length} signatures none counts: one ${named}` };
}

function unreadable(rule: string): Checked {
  return { kind: 'refused', rule, reason: 'a signature has no known format' };
}
