/**
 * Which requests may use the admin API and the dashboard over HTTP. It is decided here alone, in this order:
 *
 *   a change from another site                            403   (`otherSiteRefusal`)
 *   wrong credentials                                     401, 429 or 503, as under /v2
 *   a principal with `administer`                         may change
 *   a session of the dashboard                            may change, while its principal has the right
 *   no [access]: this machine, without a proxy            may look (see `isOnLoopback`)
 *   all else                                              401 with a Basic challenge; 403 for a known principal, or without [access]
 */
import type { IncomingMessage } from 'node:http';
import type { Access } from '../../access/access.ts';
import type { Principal } from '../../access/principal.ts';
import type { Administrator, TypedCredentials } from '../../admin/administrator.ts';
import { addressKind, literalKind } from '../../lib/address-kind.ts';
import type { Router } from '../../routing/router.ts';
import type { ClientAddress } from '../client-address.ts';
import { clientFacts } from '../client-facts.ts';

/** Sessions of browsers. The dashboard makes them at its sign-in. */
export interface Sessions {
  /** `cookie`: the value of `entrepot_session`. Undefined for one that is unknown or over. */
  principalOf(cookie: string): SessionPrincipal | undefined;
}

export interface SessionPrincipal {
  readonly principal: Principal;
  /** It began over the admin socket, whose file mode is its right; else the principal needs `administer` at each request. */
  readonly isFromSocket: boolean;
}

export interface AdministerDeps extends Pick<ClientAddress, 'addressOf' | 'isSecure' | 'isProxy'> {
  /** In force now. */
  readonly access: () => Access;
  readonly route: Pick<Router, 'image'>;
  readonly sessions?: Sessions | undefined;
}

export type Administered =
  | { readonly ok: true; readonly administrator: Administrator }
  | ({ readonly ok: false } & AdministerRefusal);

export interface AdministerRefusal {
  readonly status: 401 | 403 | 429 | 503;
  readonly message: string;
  /** Of the client, if it is known. */
  readonly name?: string;
  /** Value of WWW-Authenticate, with 401. */
  readonly challenge?: string;
}

/** Never rejects for what a client sends. */
export type Administer = (incoming: IncomingMessage) => Promise<Administered>;

export const sessionCookie = 'entrepot_session';

/** Reads the access in force at each request. */
export function createAdminister(deps: AdministerDeps): Administer {
  const { addressOf, isSecure, isProxy, route, sessions } = deps;

  function bySession(incoming: IncomingMessage, access: Access): Administrator | undefined {
    const cookie = cookieOf(incoming, sessionCookie);
    const session = cookie === undefined ? undefined : sessions?.principalOf(cookie);
    if (!session) return undefined;
    const { principal, isFromSocket } = session;
    if (!isFromSocket && !access.allowance(principal, 'administer', undefined)) return undefined;
    return { name: principal.name, by: 'session', mayChange: true, client: addressOf(incoming) };
  }

  return async (incoming) => {
    const access = deps.access();
    const around = { route, address: addressOf(incoming), secure: isSecure(incoming) };
    const client = around.address;
    const found = await access.identify(clientFacts(incoming, around));
    if (!found.ok) {
      if (found.reason === 'credentials') return challenged(found.message);
      return refused(found.reason === 'busy' ? 429 : 503, found.message);
    }
    const { principal } = found;
    const isAnonymous = principal.kind === 'anonymous';
    const session = isAnonymous ? bySession(incoming, access) : undefined;
    if (session) return allowed(session);
    // A name that an attacker's DNS leads here would make a browser on this machine speak for the attacker.
    const isRebound = isAnonymous && isLocal(incoming) && !isLoopbackHost(incoming);
    if (!isRebound && access.allowance(principal, 'administer', undefined))
      return allowed({ name: principal.name, by: 'principal', mayChange: true, client });
    if (!access.isOpen) {
      if (isAnonymous)
        return challenged('an account with the right administer is needed: --token-file gives a command one');
      const { name } = principal;
      return {
        ...refused(403, `${name} has not the right administer: an [[access.rule]] can give it`),
        name,
      };
    }
    if (!isOnLoopback(incoming) || isProxy(incoming))
      return refused(
        403,
        'without accounts, this is for the machine of the server alone: configure [access] with an account that may administer',
      );
    if (isChange(incoming))
      return refused(
        403,
        'without accounts, a client may look and change nothing: use the commands of entrepot on the machine of the server, or configure [access]',
      );
    return allowed({ name: 'loopback', by: 'loopback', mayChange: false, client });
  };
}

/** Credentials that came in a form of this request, as if they had come in its header. */
export function createTypedCredentials(
  deps: Omit<AdministerDeps, 'sessions' | 'isProxy'>,
): (incoming: IncomingMessage) => TypedCredentials {
  const { addressOf, isSecure, route } = deps;
  return (incoming) => {
    const secure = isSecure(incoming);
    return {
      isSecure: secure,
      async identify(authorization) {
        const facts = clientFacts(incoming, { route, address: addressOf(incoming), secure });
        return await deps.access().identify({ ...facts, authorization });
      },
    };
  };
}

function allowed(administrator: Administrator): Administered {
  return { ok: true, administrator };
}

function refused(status: AdministerRefusal['status'], message: string): Administered {
  return { ok: false, status, message };
}

/** Basic, since browsers and curl answer it. */
function challenged(message: string): Administered {
  return { ok: false, status: 401, message, challenge: 'Basic realm="entrepot", charset="UTF-8"' };
}

function isChange({ method }: IncomingMessage): boolean {
  return method !== 'GET' && method !== 'HEAD';
}

/** The refusal of a change that a browser asks for a page of another site; it comes first, also where no right is needed. */
export function otherSiteRefusal(incoming: IncomingMessage): AdministerRefusal | undefined {
  if (!isChange(incoming) || !isFromOtherSite(incoming)) return undefined;
  return { status: 403, message: 'a page of another site may not change anything here' };
}

/**
 * Browsers say so in `Sec-Fetch-Site`, older ones only in `Origin`; a client that sends neither is no browser. `none`: the user typed the
 * address.
 */
function isFromOtherSite({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}

/**
 * A client on this machine that no proxy stands before, and that asked for this machine by name: not for a name of an attacker's DNS. A
 * proxy that adds no header can still be known by HTTP/1.0, which nginx speaks unless it is told otherwise.
 */
function isOnLoopback(incoming: IncomingMessage): boolean {
  const isDirect = incoming.httpVersion !== '1.0' && !proxyHeaders.some((name) => incoming.headers[name]);
  return isDirect && isLocal(incoming) && isLoopbackHost(incoming);
}

const proxyHeaders = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

/** By the connection, not by what a header says. */
function isLocal({ socket }: IncomingMessage): boolean {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  return address !== '' && addressKind(address) === 'loopback';
}

function isLoopbackHost({ headers: { host = '' } }: IncomingMessage): boolean {
  const url = `http://${host}`;
  return URL.canParse(url) && literalKind(new URL(url).hostname) === 'loopback';
}

/** The first cookie of this name (RFC 6265, section 4.2). */
function cookieOf({ headers }: IncomingMessage, name: string): string | undefined {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}
