/**
 * `/token`: Docker's token protocol (distribution docs, "Token Authentication Specification" and "OAuth 2 Token Authentication").
 *
 *   GET  /token?service=S&scope=...&offline_token=true      credentials as Basic, or none
 *   POST /token  grant_type=password | refresh_token        credentials in a form
 *
 * An answer is never stored by a cache on its way (RFC 6749, section 5.1): `http-app.ts` says no-store on everything here.
 */
import type { IncomingMessage } from 'node:http';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { Access, TokenRequest } from '../access/access.ts';
import type { Router } from '../routing/router.ts';

export interface TokenApiDeps {
  /** In force now. */
  readonly access: () => Access;
  readonly route: Pick<Router, 'image'>;
}

/** Bytes of a form: 200 scopes of 300 characters. */
const maxForm = 64 * 1024;

/** Routes for `http-app.ts`. 404 where tokens come from elsewhere, or nothing asks for them. */
export function createTokenApi({
  access,
  route,
}: TokenApiDeps): Hono<{ Bindings: { incoming: IncomingMessage } }> {
  const api = new Hono<{ Bindings: { incoming: IncomingMessage } }>();

  async function answer(
    incoming: IncomingMessage,
    request: Omit<TokenRequest, 'address' | 'resolve' | 'certificate'>,
  ) {
    const { tokens } = access();
    if (!tokens) return { status: 404, body: { error: 'not_found' } } as const;
    const { host } = incoming.headers;
    const issued = await tokens.issue({
      ...request,
      address: incoming.socket.remoteAddress ?? '',
      resolve(name) {
        const routed = route.image(name, undefined, host);
        return routed.ok ? routed.image.name : undefined;
      },
    });
    if (issued.ok) {
      const { token, expiresIn, issuedAt, refreshToken } = issued;
      const body = {
        token,
        access_token: token,
        expires_in: expiresIn,
        issued_at: new Date(issuedAt).toISOString(),
        ...(refreshToken !== undefined && { refresh_token: refreshToken }),
      };
      return { status: 200, body } as const;
    }
    const status = { credentials: 401, request: 400, busy: 429, unavailable: 503 } as const;
    const code = issued.reason === 'request' ? 'UNSUPPORTED' : 'UNAUTHORIZED';
    return {
      status: status[issued.reason],
      body: {
        errors: [{ code, message: issued.message }],
        error: 'invalid_request',
        error_description: issued.message,
      },
    } as const;
  }

  api.get('/token', async (c) => {
    const query = new URL(c.req.url).searchParams;
    const { status, body } = await answer(c.env.incoming, {
      authorization: c.req.header('authorization'),
      scopes: query.getAll('scope'),
      service: query.get('service') ?? undefined,
      offline: query.get('offline_token') === 'true',
    });
    if (status === 401) c.header('WWW-Authenticate', 'Basic realm="entrepot"');
    return c.json(body, status);
  });

  api.post('/token', bodyLimit({ maxSize: maxForm }), async (c) => {
    const form = new URLSearchParams(await c.req.text());
    const grant = form.get('grant_type');
    const name = form.get('username') ?? '';
    const password = form.get('password') ?? '';
    const isPassword = grant === 'password';
    if (!isPassword && grant !== 'refresh_token') return c.json({ error: 'unsupported_grant_type' }, 400);
    const basic = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
    const { status, body } = await answer(c.env.incoming, {
      authorization: isPassword ? basic : undefined,
      scopes: form.getAll('scope'),
      service: form.get('service') ?? undefined,
      offline: form.get('access_type') === 'offline',
      refreshToken: isPassword ? undefined : (form.get('refresh_token') ?? ''),
    });
    return c.json(body, status);
  });

  return api;
}
