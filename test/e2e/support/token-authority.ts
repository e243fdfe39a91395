/**
 * A token server that docker-registry believes: JSON web tokens signed with a key whose certificate the registry trusts
 * (`auth.token.rootcertbundle`). Claims and header as in the distribution project's token specification.
 */
import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { selfSigned } from '../../support/certificates.ts';
import { listen } from '../../support/listener.ts';

export interface TokenAuthorityOptions {
  readonly username: string;
  readonly password: string;
  /** Whether somebody without an account may pull this repository. */
  readonly isPublic: (repository: string) => boolean;
}

export interface TokenAuthority {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** PEM; of the key that signs. */
  readonly certificate: string;
  /** Scopes for which a token was given, and to whom. */
  readonly granted: readonly { readonly scope: string; readonly account: string | undefined }[];
  stop(): Promise<void>;
}

const service = 'origin.test';
const issuer = 'authority.test';
const lifetimeSeconds = 300;

export async function startTokenAuthority(options: TokenAuthorityOptions): Promise<TokenAuthority> {
  const { key: pem, cert: certificate } = selfSigned({ commonName: issuer });
  const key = createPrivateKey(pem);
  const header = { typ: 'JWT', alg: 'ES256', x5c: [new X509Certificate(certificate).raw.toString('base64')] };
  const accepted = `Basic ${Buffer.from(`${options.username}:${options.password}`).toString('base64')}`;
  const granted: { scope: string; account: string | undefined }[] = [];

  const listener = await listen({}, (request, response) => {
    const { authorization } = request.headers;
    if (authorization !== undefined && authorization !== accepted) {
      response.writeHead(401).end();
      return;
    }
    const account = authorization === undefined ? undefined : options.username;
    const scopes = new URL(request.url ?? '/', 'http://authority').searchParams.getAll('scope');
    const access = scopes.flatMap((scope) => {
      const [type = '', name = '', wanted = ''] = scope.split(':');
      const actions = wanted
        .split(',')
        .filter((action) => account !== undefined || (action === 'pull' && options.isPublic(name)));
      if (actions.length > 0) granted.push({ scope, account });
      return actions.length > 0 ? [{ type, name, actions }] : [];
    });
    const now = Math.floor(Date.now() / 1000);
    const token = signed({
      ...{ iss: issuer, sub: account ?? '', aud: service, jti: randomUUID() },
      ...{ iat: now, nbf: now - 10, exp: now + lifetimeSeconds },
      access,
    });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ token, expires_in: lifetimeSeconds }));
  });

  function signed(claims: object): string {
    const text = [header, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }

  const { host } = listener;
  return {
    host,
    realm: `http://${host}/token`,
    service,
    issuer,
    certificate,
    granted,
    stop: listener.close,
  };
}
