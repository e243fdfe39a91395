/**
 * A real OpenID Connect issuer (oidc-provider) on loopback, with discovery, keys and a token endpoint, which gives workload tokens:
 * grant `client_credentials`, and a JWT for the resource that the client names.
 */
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

export interface OidcIssuer {
  /** `http://127.0.0.1:PORT`. */
  readonly issuer: string;
  /** An access token of this client, for the audience that the issuer was started with. */
  token(): Promise<string>;
  stop(): Promise<unknown>;
}

export interface OidcIssuerOptions {
  readonly audience: string;
  /** The one client; it is the subject of its tokens. */
  readonly client: string;
  readonly groups: readonly string[];
}

export async function startOidcIssuer({ audience, client, groups }: OidcIssuerOptions): Promise<OidcIssuer> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const secret = 'only for tests';
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client,
        client_secret: secret,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: '',
          audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kty: 'RSA', use: 'sig', alg: 'RS256' }] },
    ttl: { ClientCredentials: 600 },
    extraTokenClaims: () => ({ groups }),
  });
  server.on('request', provider.callback());
  return {
    issuer,
    async token() {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${client}:${encodeURIComponent(secret)}`).toString('base64')}`,
        },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource: 'urn:entrepot' }),
      });
      const answer = (await response.json()) as { access_token?: string };
      if (answer.access_token === undefined) throw new Error(`no token: ${JSON.stringify(answer)}`);
      return answer.access_token;
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}
