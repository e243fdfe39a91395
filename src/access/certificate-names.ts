/** The names in a client certificate, as access rules write them: `cn=`, `dns=`, `uri=`, `email=`, `ip=`. */
import type { PeerCertificate } from 'node:tls';
import { plainAddress } from '../lib/address-kind.ts';
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
 * Node quotes a name as JSON if it holds a comma, a quote or a control character (Node, "tlsSocket.getPeerCertificate"), so no name
 * can pretend to be two. Text that has not this form ends the list.
 */
function alternatives(text: string): readonly string[] {
  const names: string[] = [];
  const entry = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
  for (let match = entry.exec(text); match && match[0] !== ''; match = entry.exec(text)) {
    const [, label = '', value = ''] = match;
    const kind = kinds.get(label);
    const name = kind && value.startsWith('"') ? unquoted(value) : value;
    if (kind && name) names.push(`${kind}=${kind === 'ip' ? plainAddress(name) : name}`);
  }
  return names;
}

/** Undefined for what is no JSON text. */
function unquoted(value: string): string | undefined {
  try {
    return JSON.parse(value) as string;
  } catch {
    return undefined;
  }
}

/** Undefined without a name. */
export function certificatePrincipal(names: readonly string[] | undefined): Principal | undefined {
  const [name] = names ?? [];
  return names && name !== undefined ? { kind: 'certificate', name, names } : undefined;
}
