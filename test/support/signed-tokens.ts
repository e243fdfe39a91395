/** A registry that trusts the tokens of one issuer, as distribution does: the 401 says no more than `invalid_token`. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Guard } from './fake-registry-auth.ts';
import { errorAnswer } from './fake-registry-content.ts';

export interface Trust {
  readonly issuer?: string;
  readonly audience?: string;
  readonly kid?: string;
  /** Epoch ms. Default: the clock of the machine. */
  now?(): number;
  /** More parameters of a challenge that refuses a token. */
  readonly more?: string;
  /** What a token must allow, in place of the repository that is asked for. */
  readonly wants?: string;
}

export interface SeenToken {
  readonly header: Record<string, unknown>;
  readonly claims: Record<string, unknown>;
}

/** Seconds. */
const leeway = 60;

/** `privateKey`: its public half is trusted. Each token that comes is added to `seen`. */
export function trusting(privateKey: KeyObject, trust: Trust, seen: SeenToken[] = []): Guard {
  const { issuer = 'gitlab', audience = 'container_registry', kid, now = Date.now, more = '' } = trust;
  const publicKey = createPublicKey(privateKey);

  function judge(token: string, scope: string): string | undefined {
    const [head = '', body = '', signature = ''] = token.split('.');
    const part = (text: string) => JSON.parse(Buffer.from(text, 'base64url').toString());
    const [header, claims] = [part(head), part(body)];
    seen.push({ header, claims });
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
    const isSigned = verify(
      'sha256',
      Buffer.from(`${head}.${body}`),
      key,
      Buffer.from(signature, 'base64url'),
    );
    const seconds = now() / 1000;
    const isValid =
      isSigned &&
      (kid === undefined || header.kid === kid) &&
      claims.iss === issuer &&
      claims.aud === audience &&
      seconds <= claims.exp + leeway &&
      seconds >= claims.nbf - leeway;
    if (!isValid) return 'invalid_token';
    const [type, name, action] = scope.split(':');
    const allows = claims.access.some(
      (one: { type: string; name: string; actions: readonly string[] }) =>
        one.type === type && one.name === name && one.actions.includes(action ?? ''),
    );
    return allows ? undefined : 'insufficient_scope';
  }

  return ({ headers, repository, kind }) => {
    if (kind === 'file') return undefined;
    const scope = trust.wants ?? `repository:${repository}:pull`;
    const token = /^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1];
    const error = token === undefined ? '' : judge(token, scope);
    if (error === undefined) return undefined;
    const challenge =
      `Bearer realm="https://tokens.invalid/jwt/auth",service="${audience}",scope="${scope}"` +
      (error === '' ? '' : `,error="${error}"${more}`);
    const answered = { 'www-authenticate': challenge, date: new Date(now()).toUTCString() };
    return errorAnswer(401, 'UNAUTHORIZED', 'authentication required', answered);
  };
}
