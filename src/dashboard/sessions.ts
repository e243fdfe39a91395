/**
 * Sessions of browsers. They live in memory: a restart ends them all.
 *
 *   sign-in form         account or token -> Access.identify -> session of that principal
 *   entrepot dashboard   code over the admin socket (60 s, once) -> session that may administer
 *
 * A session ends after 12 hours, with the password or the token that it was begun with, or when the bearer token of an issuer
 * expires. What is kept is the SHA-256 of each cookie and code, so a dump of the memory holds no usable one.
 */
import { createHash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../access/principal.ts';
import type { Clock } from '../lib/clock.ts';

export interface Sessions {
  /** The principal of the session with this value of the cookie; undefined where there is none, or it is over. */
  principalOf(cookie: string): SessionPrincipal | undefined;
  /** Gives the value of the cookie. `expires`: epoch ms at which the credentials end, if they do. */
  begin(principal: Principal, expires?: number): string;
  /** Ends the session, if there is one. */
  end(cookie: string | undefined): void;
  /** A code that makes one session, within a minute. */
  makeCode(): string;
  /** Gives the value of a cookie; undefined for a code that is unknown, used or too old. */
  redeem(code: string): string | undefined;
}

export interface SessionPrincipal {
  readonly principal: Principal;
  /** It began over the admin socket, whose file mode is its right; else its principal needs `administer` at each request. */
  readonly isFromSocket: boolean;
}

export interface SessionsDeps {
  readonly clock: Clock;
  /** A print of the secret that the principal has now; undefined where this server keeps none. */
  readonly printOf: (principal: Principal) => string | undefined;
}

interface Session {
  readonly principal: Principal;
  readonly print: string | undefined;
  /** Epoch ms. */
  readonly expires: number;
}

export const sessionCookie = 'entrepot_session';
/** ms. */
export const sessionLife = 12 * 3_600_000;
const codeLife = 60_000;
const maxSessions = 1000;
const maxCodes = 20;

/** Stands for the user of the machine that can open the admin socket. */
const operator: Principal = { kind: 'operator', name: 'operator', names: [] };

/** Sessions and codes are bounded in number; the oldest makes room. */
export function createSessions({ clock, printOf }: SessionsDeps): Sessions {
  const sessions = new LRUCache<string, Session>({ max: maxSessions });
  const codes = new Map<string, number>();

  function begin(principal: Principal, expires = Number.POSITIVE_INFINITY): string {
    // 256 random bits.
    const secret = randomBytes(32).toString('base64url');
    const end = Math.min(expires, clock.now() + sessionLife);
    sessions.set(digestOf(secret), { principal, print: printOf(principal), expires: end });
    return secret;
  }

  return {
    begin,
    principalOf(cookie) {
      const key = digestOf(cookie);
      const session = sessions.get(key);
      if (!session) return undefined;
      const { principal, print, expires } = session;
      if (clock.now() < expires && print === printOf(principal))
        return { principal, isFromSocket: principal === operator };
      sessions.delete(key);
      return undefined;
    },
    end(cookie) {
      if (cookie !== undefined) sessions.delete(digestOf(cookie));
    },
    makeCode() {
      const secret = randomBytes(32).toString('base64url');
      const [oldest] = codes.keys();
      if (oldest !== undefined && codes.size >= maxCodes) codes.delete(oldest);
      codes.set(digestOf(secret), clock.now() + codeLife);
      return secret;
    },
    redeem(code) {
      const key = digestOf(code);
      const expires = codes.get(key);
      codes.delete(key);
      return expires !== undefined && clock.now() < expires ? begin(operator) : undefined;
    },
  };
}

function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64');
}
