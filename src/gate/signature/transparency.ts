/**
 * What Rekor's log and Fulcio's certificates say of a signature, by the library of sigstore. Trust comes from the files of the policy
 * alone: nothing is fetched. As in containers/image, certificates need no timestamp of a CT log.
 */
import { createHash, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { bundleFromJSON } from '@sigstore/bundle';
import { type TrustMaterial, toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';
import { certificatesIn } from '../../config/files/pem.ts';
import type { SigstoreSigned } from '../../config/gates/policy.ts';
import { foreignWords } from '../../lib/foreign-words.ts';
import { reasonOf } from '../../lib/thrown.ts';
import { isJsonObject } from '../../oci/parse-json.ts';
import type { LoggedSignature, TransparencyCheck } from './logged-signature.ts';

type Trust = Pick<SigstoreSigned, 'by' | 'rekor'>;

const v01 = 'application/vnd.dev.sigstore.bundle+json;version=0.1';
/** RFC 5280, section 4.2.1.12: code signing. */
const codeSigning = '1.3.6.1.5.5.7.3.3';
/** Intermediate certificates of one signature. */
const maxChain = 8;
const ever = { start: new Date(0), end: new Date(8_640_000_000_000_000) };

/** Throws for keys and certificates that the library does not read. */
export function createTransparencyCheck(trust: Trust): TransparencyCheck {
  const { by, rekor = [] } = trust;
  const keys = 'keys' in by ? by.keys.map((pem) => createPublicKey(pem)) : [undefined];
  const needsLog = rekor.length > 0;

  /** One try for each key. */
  function verifyJson(json: unknown, payload: Buffer | undefined, chain: string | undefined) {
    const problems: string[] = [];
    for (const key of keys) {
      try {
        const bundle = bundleFromJSON(json);
        const { content } = bundle.verificationMaterial;
        const leaf = certificateOf(content);
        if ('keys' in by === (leaf !== undefined))
          return 'is not by what the policy names: a key, or a certificate';
        if (!('keys' in by) && leaf) {
          const problem = identityProblem(leaf, by.subjectEmail);
          if (problem) return problem;
        }
        const verifier = new Verifier(materialOf(trust, key, chain), {
          ctlogThreshold: 0,
          tlogThreshold: needsLog ? 1 : 0,
          timestampThreshold: needsLog ? 1 : 0,
        });
        const policy = 'keys' in by ? undefined : { extensions: { issuer: by.oidcIssuer } };
        verifier.verify(toSignedEntity(bundle, payload), policy);
        return undefined;
      } catch (error) {
        problems.push(foreignWords(reasonOf(error)));
      }
    }
    return `is not valid: ${[...new Set(problems)].join('; ')}`;
  }

  return {
    verify({ payload, signature, entry, certificate, chain }) {
      const json = bundleOf({ payload, signature, entry, certificate, chain });
      return json === undefined
        ? 'has a log entry of another kind than hashedrekord 0.0.1'
        : verifyJson(json, Buffer.from(payload), chain);
    },
    verifyBundle: (json, content) => verifyJson(withLog(json, needsLog), Buffer.from(content), undefined),
  };
}

/** Entries of a log count only where the policy names its key, and times of other authorities never. */
function withLog(json: unknown, isLogged: boolean): unknown {
  if (!isJsonObject(json) || !isJsonObject(json.verificationMaterial)) return json;
  const { timestampVerificationData: _, ...material } = json.verificationMaterial;
  return { ...json, verificationMaterial: isLogged ? material : { ...material, tlogEntries: [] } };
}

/** The signature as a bundle of version 0.1, which holds the same facts. */
function bundleOf({ payload, signature, entry, certificate }: LoggedSignature): unknown {
  const { body, integratedTime, logIndex, logID } = entry.Payload;
  const leaf = certificate === undefined ? undefined : certificatesIn(certificate)[0];
  const material =
    leaf === undefined
      ? { publicKey: { hint: 'policy' } }
      : { x509CertificateChain: { certificates: [{ rawBytes: der(leaf).toString('base64') }] } };
  return {
    mediaType: v01,
    verificationMaterial: {
      ...material,
      tlogEntries: [
        {
          logIndex: String(logIndex),
          logId: { keyId: Buffer.from(logID, 'hex').toString('base64') },
          kindVersion: { kind: 'hashedrekord', version: '0.0.1' },
          integratedTime: String(integratedTime),
          inclusionPromise: { signedEntryTimestamp: entry.SignedEntryTimestamp },
          canonicalizedBody: body,
        },
      ],
    },
    messageSignature: {
      messageDigest: {
        algorithm: 'SHA2_256',
        digest: createHash('sha256').update(payload).digest('base64'),
      },
      signature: signature.toString('base64'),
    },
  };
}

function materialOf(
  { by, rekor = [] }: Trust,
  key: KeyObject | undefined,
  chain: string | undefined,
): TrustMaterial {
  const roots = 'keys' in by ? [] : certificatesIn(by.ca);
  const certificates = [...roots, ...provenIntermediates(roots, chain)].map((pem) => ({
    rawBytes: der(pem),
  }));
  const root = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    certificateAuthorities:
      certificates.length === 0
        ? []
        : [{ subject: undefined, uri: '', certChain: { certificates }, validFor: ever, operator: '' }],
    timestampAuthorities: [],
    tlogs: [],
    ctlogs: [],
  };
  const find = () => {
    if (!key) throw new Error('the policy names no key');
    return { publicKey: key, validFor: () => true };
  };
  const tlogs = rekor.map((pem) => {
    const publicKey = createPublicKey(pem);
    const logID = createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest();
    return { logID, baseURL: '', publicKey, validFor: ever };
  });
  return { ...toTrustMaterial(root, find), tlogs };
}

/** Those of an untrusted chain that a root leads to: the library trusts all that it is given. */
function provenIntermediates(roots: readonly string[], chain: string | undefined): readonly string[] {
  const trusted = roots.map((pem) => new X509Certificate(pem));
  const waiting = certificatesIn(chain ?? '')
    .slice(0, maxChain)
    .map((pem) => new X509Certificate(pem));
  const proven: string[] = [];
  for (let found = true; found; ) {
    found = false;
    for (const [at, one] of waiting.entries()) {
      const isProven =
        one.ca && trusted.some((issuer) => one.checkIssued(issuer) && one.verify(issuer.publicKey));
      if (!isProven) continue;
      trusted.push(one);
      proven.push(one.toString());
      waiting.splice(at, 1);
      found = true;
      break;
    }
  }
  return proven;
}

function certificateOf(
  content: ReturnType<typeof bundleFromJSON>['verificationMaterial']['content'],
): X509Certificate | undefined {
  if (content.$case === 'certificate') return new X509Certificate(content.certificate.rawBytes);
  if (content.$case !== 'x509CertificateChain') return undefined;
  const [leaf] = content.x509CertificateChain.certificates;
  return leaf && new X509Certificate(leaf.rawBytes);
}

function identityProblem(leaf: X509Certificate, email: string): string | undefined {
  if (!leaf.keyUsage?.includes(codeSigning)) return 'has a certificate that is not for code signing';
  // The text of subjectAltName would have to be parsed: Node quotes a name that holds a comma.
  const isOf = leaf.checkEmail(email, { subject: 'never' }) !== undefined;
  return isOf ? undefined : `has a certificate that is not of ${email}`;
}

function der(pem: string): Buffer {
  return new X509Certificate(pem).raw;
}
