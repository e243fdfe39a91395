/** Why no HTTP answer came, as a kind to decide by and a sentence to act on. */
import { foreignWords } from '../../lib/foreign-words.ts';
import type { FaultKind, Outcome } from '../outcome.ts';

export interface TransportFault {
  readonly kind: FaultKind;
  readonly reason: string;
  /** With `busy`: epoch ms when it may be tried again. */
  readonly until?: number;
  /** The parser refused the head of the answer: it may be acceptable to `lenient-heads.ts`. */
  readonly head?: true;
}

/** `where` begins the reason. */
export function outcomeOfFault(fault: TransportFault, where = ''): Outcome<never> {
  const reason = `${where}${fault.reason}`;
  if (fault.until !== undefined) return { kind: 'rateLimited', reason, until: fault.until };
  return { kind: fault.kind === 'forbidden' ? 'invalid' : 'unreachable', reason, fault: fault.kind };
}

/** A host has an address that the registry that named the host may not send us to. */
export class ForbiddenAddressError extends Error {
  readonly code = 'FORBIDDEN_ADDRESS';
}

/** Ends of sentences. */
export interface TlsAdvice {
  /** Where its CA belongs, such as `put its CA into certs.d/HOST`. */
  readonly ca: string;
  /** What allows plain HTTP. */
  readonly plainHttp: string;
}

export interface FaultContext {
  /** As in registries.conf: names the folder in certs.d. */
  readonly host: string;
  /** Milliseconds. */
  readonly connectTimeout: number;
  /** Default: what helps with a registry. */
  readonly advice?: TlsAdvice | undefined;
  /** `host:port` of the proxy that is used. */
  readonly proxy?: string | undefined;
  /** Whether the head of the answer was in before. */
  readonly hasHead?: boolean;
}

interface ErrorDetails {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  /** `valid_to` of the peer's certificate, put there by the connector. */
  readonly validTo: string | undefined;
  readonly names: string | undefined;
}

/** Reads an error of Node or undici. */
export function describeFault(error: unknown, context: FaultContext): TransportFault {
  const fault = describe(error, context);
  const { proxy } = context;
  if (proxy === undefined) return fault;
  // Through a tunnel, these can only be about the proxy itself: the proxy connects to what lies behind it.
  const isProxys = fault.kind === 'refused' || fault.kind === 'dns' || fault.kind === 'timeout';
  if (isProxys) return { ...fault, reason: `proxy ${proxy}: ${fault.reason}` };
  // The proxy or the host behind it may have closed.
  if (fault.kind !== 'closed') return fault;
  return { ...fault, reason: `${fault.reason} (through the proxy ${proxy})` };
}

function describe(error: unknown, context: FaultContext): TransportFault {
  const details = errorDetails(error);
  const { advice = registryAdvice(context.host) } = context;
  switch (details.code) {
    case 'FORBIDDEN_ADDRESS':
      return { kind: 'forbidden', reason: details.message };
    case 'ECONNREFUSED':
      return { kind: 'refused', reason: 'connection refused' };
    case 'ENOTFOUND':
      return { kind: 'dns', reason: 'DNS name not found' };
    case 'EAI_AGAIN':
      return { kind: 'dns', reason: 'no DNS server answered' };
    case 'LOOKUP_TIMEOUT':
      return { kind: 'dns', reason: details.message };
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return { kind: 'refused', reason: 'no route to the host' };
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return { kind: 'timeout', reason: `no connection within ${context.connectTimeout / 1000} s` };
    case 'UND_ERR_HEADERS_TIMEOUT':
      return { kind: 'timeout', reason: 'no answer in time' };
    case 'CERT_HAS_EXPIRED':
      return { kind: 'tls', reason: `certificate expired${dateOf(details.validTo)}` };
    case 'CERT_NOT_YET_VALID':
      return { kind: 'tls', reason: 'certificate is not valid yet: is this machine’s clock right?' };
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return {
        kind: 'tls',
        reason: `self-signed certificate: ${advice.ca}, or ${advice.plainHttp}`,
      };
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return { kind: 'tls', reason: `certificate of an unknown CA: ${advice.ca}` };
    case 'UNSPECIFIED':
      // What Node has no code for: "EE certificate key too weak", "CA signature digest algorithm too weak" and the like.
      return { kind: 'tls', reason: `certificate refused: ${foreignWords(details.message)}` };
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return {
        kind: 'tls',
        reason: `certificate is for ${details.names ?? 'another name'}, not for this host`,
      };
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_HTTP_REQUEST':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return notTls(advice);
    case 'UND_ERR_DESTROYED':
    case 'UND_ERR_CLOSED':
      return { kind: 'aborted', reason: 'given up: Entrepot is stopping' };
    case 'DIFFERENT_LENGTHS':
      return { kind: 'broken', reason: 'sent different Content-Lengths in one answer' };
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      // undici says this of whatever its parser refuses after a Content-Length, in the head too.
      if (!context.hasHead) return { ...notHttp, head: true };
      return { kind: 'broken', reason: 'body is not as long as its Content-Length' };
    case 'UND_ERR_HEADERS_OVERFLOW':
      return { kind: 'broken', reason: 'headers larger than 64 KiB' };
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      // undici says this of a 100 (Continue), which no request asks for.
      if (details.message === 'bad response') return { ...notHttp, head: true };
      return {
        kind: 'closed',
        reason: details.message.includes('before secure TLS connection')
          ? `connection closed in the TLS handshake: if it speaks plain HTTP, ${advice.plainHttp}`
          : 'connection closed before the answer was complete',
      };
    default:
      return describeOther(details, { ...context, advice });
  }
}

function registryAdvice(host: string): TlsAdvice {
  return { ca: `put its CA into certs.d/${host}`, plainHttp: 'mark the endpoint insecure' };
}

function notTls({ plainHttp }: TlsAdvice): TransportFault {
  return { kind: 'notTls', reason: `speaks plain HTTP, not HTTPS: ${plainHttp} if that is meant` };
}

/** What the parser says of a head that begins as an answer does. */
const oddHead = /Content-Length|Transfer-Encoding|header|after response line/;

const notHttp: TransportFault = { kind: 'broken', reason: 'sent no valid HTTP' };

function describeOther(
  { code, message, name }: ErrorDetails,
  { proxy, advice }: FaultContext & { readonly advice: TlsAdvice },
): TransportFault {
  const proxyStatus = /^Proxy (?:response|Authentication Required) \((\d{3})\)/.exec(message)?.[1];
  if (proxyStatus !== undefined && proxy !== undefined) {
    return { kind: 'broken', reason: `the proxy ${proxy} refused (HTTP ${proxyStatus})` };
  }
  if (/wrong version number|packet length too long|http request/.test(message)) return notTls(advice);
  if (/^(ERR_SSL|ERR_TLS|EPROTO|CERT_|ERR_OSSL)/.test(code)) {
    return { kind: 'tls', reason: `TLS handshake failed (${tlsAlert(message) ?? code})` };
  }
  if (code.startsWith('HPE_') || name === 'HTTPParserError') {
    return oddHead.test(message) ? { ...notHttp, head: true } : notHttp;
  }
  return { kind: 'broken', reason: `connection failed (${code === '' ? message : code})` };
}

function tlsAlert(message: string): string | undefined {
  return /alert ([a-z ]+)/.exec(message)?.[1]?.trim();
}

function dateOf(validTo: string | undefined): string {
  const time = validTo === undefined ? Number.NaN : Date.parse(validTo);
  return Number.isNaN(time) ? '' : ` on ${new Date(time).toISOString().slice(0, 10)}`;
}

function errorDetails(error: unknown): ErrorDetails {
  const value = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  const text = (key: string) => (typeof value[key] === 'string' ? value[key] : undefined);
  const cert = value.cert as { subjectaltname?: unknown } | undefined;
  const names = typeof cert?.subjectaltname === 'string' ? cert.subjectaltname : undefined;
  return {
    code: text('code') ?? '',
    name: text('name') ?? '',
    message: text('message') ?? String(error),
    validTo: text('validTo'),
    names: names?.replaceAll('DNS:', '').slice(0, 200),
  };
}
