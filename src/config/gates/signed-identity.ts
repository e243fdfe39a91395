/** `signedIdentity` of a requirement (containers-policy.json(5), "signedIdentity"). */
import { isDomain, parseReference } from '../../oci/reference.ts';
import type { JsonValue } from './json-fields.ts';
import type { SignedIdentity } from './policy.ts';

/** Without a value, the usual identity. Throws EntrepotError CONFIG_INVALID. */
export function readSignedIdentity(value: JsonValue | undefined): SignedIdentity {
  if (!value) return { type: 'matchRepoDigestOrExact' };
  const fields = value.object();
  const type = fields.get('type')?.text();
  const required = (key: string): string => {
    const text = fields.get(key)?.text();
    if (text === undefined) throw value.fault(`needs the key "${key}"`);
    return text;
  };
  const identity = identityOf(type, required, value);
  fields.end();
  return identity;
}

function identityOf(
  type: string | undefined,
  required: (key: string) => string,
  value: JsonValue,
): SignedIdentity {
  switch (type) {
    case 'matchExact':
    case 'matchRepoDigestOrExact':
    case 'matchRepository':
      return { type };
    case 'exactReference': {
      const reference = required('dockerReference');
      const parsed = parseReference(reference);
      if (!parsed.ok) throw value.fault(`dockerReference "${reference}" ${parsed.problem}`);
      if (!parsed.value.tag && !parsed.value.digest)
        throw value.fault(`dockerReference "${reference}" has neither a tag nor a digest`);
      return { type, reference };
    }
    case 'exactRepository': {
      const repository = required('dockerRepository');
      const parsed = parseReference(repository);
      if (!parsed.ok) throw value.fault(`dockerRepository "${repository}" ${parsed.problem}`);
      return { type, repository };
    }
    case 'remapIdentity':
      return {
        type,
        prefix: prefixIn(required('prefix'), value),
        signedPrefix: prefixIn(required('signedPrefix'), value),
      };
    default:
      throw value.fault(
        type === undefined ? 'needs the key "type"' : `"${type}" is no type of a signed identity`,
      );
  }
}

/** A registry, or a repository or namespace of one, as it is in full. */
function prefixIn(text: string, value: JsonValue): string {
  const first = text.split('/', 1)[0] ?? '';
  const parsed = text.includes('/') ? parseReference(text) : undefined;
  const isNamespace =
    parsed?.ok === true &&
    !parsed.value.tag &&
    !parsed.value.digest &&
    `${parsed.value.registry}/${parsed.value.repository}` === text;
  if (isNamespace || (text === first && isDomain(text))) return text;
  throw value.fault(`the prefix "${text}" is neither a registry nor a name below one in full`);
}
