/** What a bundle of cosign 3 says of an image (in-toto Statement v1 in a DSSE envelope). It names a digest and no repository. */
import { type Digest, digestAlgorithm, digestHex } from '../../oci/digest.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';

const signed = 'https://sigstore.dev/cosign/sign/v1';
const statementType = 'application/vnd.in-toto+json';

/**
 * Whether the bundle can be a signature of `digest`, and not an attestation about it. The signature itself is checked elsewhere.
 * `hasBytes`: that check has the manifest, which the signature of a message is over.
 */
export function isAbout(bundle: unknown, digest: Digest, hasBytes: boolean): boolean {
  if (!isJsonObject(bundle)) return false;
  if (isJsonObject(bundle.messageSignature)) return hasBytes;
  const envelope = bundle.dsseEnvelope;
  if (!isJsonObject(envelope) || envelope.payloadType !== statementType) return false;
  const parsed = parseJson(Buffer.from(String(envelope.payload), 'base64'));
  const statement = parsed.ok ? parsed.value : undefined;
  if (!isJsonObject(statement) || statement.predicateType !== signed) return false;
  const subjects = Array.isArray(statement.subject) ? statement.subject : [];
  return subjects.some(
    (one) =>
      isJsonObject(one) &&
      isJsonObject(one.digest) &&
      one.digest[digestAlgorithm(digest)] === digestHex(digest),
  );
}
