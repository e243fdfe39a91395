/** The names in a client certificate, as access rules write them: `cn=`, `dns=`, `uri=`, `email=`, `ip=`. */
import type { PeerCertificate } from 'node:tls';
import type { Principal } from './principal.ts';

/** Kinds of names in the text form that Node gives of a subjectAltName. */
const kinds = new Map([
  ['DNS', 'dns'],
  ['URI', 'uri'],
  ['email', 'email'],
  ['IP Address', 'ip'],
]);

/** The common name first. Empty where the client has no certificate. */
export function certificateNames(certificate: Partial<PeerCertificate> | undefined): readonly string[] {
  if (!certificate?.subject) return [];
  const common = certificate.subject.CN as string | readonly string[] | undefined;
  const commons = common === undefined ? [] : [common].flat().map((name) => `cn=${name}`);
  return [...commons, ...alternatives(certificate.subjectaltname ?? '')];
}

/**
 * A name with a character of its own is quoted as JSON (Node, "tlsSocket.getPeerCertificate"), so that no name can pretend to be
 * two.
 */
function alternatives(text: string): readonly string[] {
  const names: string[] = [];
  for (const match of text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    const kind = kinds.get(match[1] ?? '');
    const value = match[2] ?? '';
    if (kind) names.push(`${kind}=${value.startsWith('"') ? JSON.parse(value) : value}`);
  }
  return names;
}

/** Undefined without a name. */
export function certificatePrincipal(names: readonly string[] | undefined): Principal | undefined {
  const [name] = names ?? [];
  return names && name !== undefined ? { kind: 'certificate', name, names } : undefined;
}
