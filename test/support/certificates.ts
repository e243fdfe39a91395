/**
 * A throw-away certificate authority and what it signs, made with node:crypto alone (ECDSA P-256), so that no program and no file
 * is needed and nothing expires between two runs. Encoded after RFC 5280.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP, isIPv4 } from 'node:net';
import { bits, boolean, der, integer, objectId, octets, sequence, set, time, utf8 } from './der.ts';

/** PEM. */
export interface KeyAndCertificate {
  readonly key: string;
  readonly cert: string;
}

export interface CertificateOptions {
  /** Names and addresses that the certificate is for. Default 127.0.0.1, ::1 and localhost; none for a client. */
  readonly hosts?: readonly string[];
  /** Default: a day ago. */
  readonly notBefore?: Date;
  /** Default: in thirty days. */
  readonly notAfter?: Date;
  /** For a client instead of a server. */
  readonly client?: boolean;
  readonly commonName?: string;
  /** The group of an account of Kubernetes. */
  readonly organization?: string;
  /** For a person who signs code, as Fulcio issues it: an address, and who has vouched for it. */
  readonly signer?: { readonly email: string; readonly issuer: string };
  /** The kind of its key. Default `ec`. */
  readonly keys?: 'ec' | 'rsa';
}

export interface CertificateAuthority {
  /** PEM of the authority's own certificate: what a client must trust. */
  readonly cert: string;
  issue(options?: CertificateOptions): KeyAndCertificate;
  /** An authority that this one vouches for. */
  subordinate(commonName?: string): CertificateAuthority;
}

const day = 24 * 60 * 60 * 1000;
const ecdsaWithSha256 = sequence(objectId('1.2.840.10045.4.3.2'));

export function createCertificateAuthority(commonName = 'Test authority'): CertificateAuthority {
  return authorityOf(commonName, undefined);
}

function authorityOf(commonName: string, parent: Issuer | undefined): CertificateAuthority {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name: commonName, key: keys.privateKey, keyId: keyIdOf(keys.publicKey) };
  const cert = build({
    issuer: parent ?? issuer,
    subject: commonName,
    publicKey: keys.publicKey,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + 90 * day),
    extensions: [
      extension('2.5.29.19', sequence(boolean(true)), true),
      extension('2.5.29.15', der(0x03, Buffer.from([1, 0b0000_0110])), true),
      extension('2.5.29.14', octets(issuer.keyId)),
    ],
  });
  return {
    cert,
    issue: (options = {}) => issueFrom(issuer, options),
    subordinate: (name = 'Test issuing authority') => authorityOf(name, issuer),
  };
}

/** A certificate that vouches for itself. */
export function selfSigned(options: CertificateOptions = {}): KeyAndCertificate {
  return issueFrom(undefined, options);
}

/** One that was good until yesterday: `authority.issue(expired())`. */
export function expired(): CertificateOptions {
  return { notBefore: new Date(Date.now() - 20 * day), notAfter: new Date(Date.now() - day) };
}

interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
  readonly keyId: Buffer;
}

function issueFrom(issuer: Issuer | undefined, options: CertificateOptions): KeyAndCertificate {
  const keys =
    options.keys === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = options.commonName ?? (options.client ? 'Test client' : 'Test server');
  const self = { name: subject, key: keys.privateKey, keyId: keyIdOf(keys.publicKey) };
  const by = issuer ?? self;
  const { signer } = options;
  const codeSigning = signer && '1.3.6.1.5.5.7.3.3';
  const purpose = codeSigning ?? (options.client ? '1.3.6.1.5.5.7.3.2' : '1.3.6.1.5.5.7.3.1');
  const hosts = options.hosts ?? (options.client || signer ? [] : ['127.0.0.1', '::1', 'localhost']);
  const cert = build({
    issuer: by,
    subject,
    organization: options.organization,
    publicKey: keys.publicKey,
    notBefore: options.notBefore ?? new Date(Date.now() - day),
    notAfter: options.notAfter ?? new Date(Date.now() + 90 * day),
    extensions: [
      extension('2.5.29.15', der(0x03, Buffer.from([7, 0b1000_0000])), true),
      extension('2.5.29.37', sequence(objectId(purpose))),
      extension('2.5.29.35', sequence(der(0x80, by.keyId))),
      ...(signer
        ? [
            extension('2.5.29.17', sequence(der(0x81, Buffer.from(signer.email))), true),
            extension('1.3.6.1.4.1.57264.1.8', utf8(signer.issuer)),
          ]
        : []),
      ...(hosts.length === 0 ? [] : [extension('2.5.29.17', sequence(...hosts.map(generalName)))]),
    ],
  });
  return { key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert };
}

interface CertificateFields {
  readonly issuer: Issuer;
  readonly subject: string;
  readonly organization?: string | undefined;
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Buffer[];
}

/** TBSCertificate and its signature (RFC 5280, section 4.1), as PEM. */
function build(fields: CertificateFields): string {
  // A leading byte between 1 and 127 keeps the serial positive and minimal.
  const serial = Buffer.concat([Buffer.from([0x42]), randomBytes(11)]);
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ecdsaWithSha256,
    distinguishedName(fields.issuer.name),
    sequence(time(fields.notBefore), time(fields.notAfter)),
    distinguishedName(fields.subject, fields.organization),
    fields.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...fields.extensions)),
  );
  const signed = sequence(body, ecdsaWithSha256, bits(sign('sha256', body, fields.issuer.key)));
  const lines = signed.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

function distinguishedName(commonName: string, organization?: string): Buffer {
  const group = organization === undefined ? [] : [set(sequence(objectId('2.5.4.10'), utf8(organization)))];
  return sequence(...group, set(sequence(objectId('2.5.4.3'), utf8(commonName))));
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(objectId(id), ...(critical ? [boolean(true)] : []), octets(value));
}

/** A subjectAltName entry: iPAddress or dNSName. */
function generalName(host: string): Buffer {
  return isIP(host) === 0 ? der(0x82, Buffer.from(host)) : der(0x87, addressBytes(host));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined) => (text ? text.split(':') : []);
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [
    ...groups(head),
    ...Array<string>(tail === undefined ? 0 : missing).fill('0'),
    ...groups(tail),
  ];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function keyIdOf(publicKey: KeyObject): Buffer {
  return createHash('sha1')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest();
}
