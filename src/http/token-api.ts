/**
 * `/token`: Docker's token protocol (distribution docs, "Token Authentication Specification" and "OAuth 2 Token Authentication").
 *
 *   GET  /token?service=S&scope=...&offline_token=true      credentials as Basic, a client certificate, or none
 *   POST /token  grant_type=password | refresh_token        credentials in a form
 *
 * An answer is never stored by a cache on its way (RFC 6749, section 5.1): `http-app.ts` says no-store on everything here.
 */
import type { IncomingMessage } from 'node:http';
import { type Context, Hono } from 'hono';
import type { Access, IssuedTokens, TokenRequest, TokenService } from '../access/access.ts';
import { limitedRequest } from '../lib/bytes/limited-request.ts';
import type { OciErrorCode } from '../oci/error-codes.ts';
import type { Router } from '../routing/router.ts';
import type { Log } from '../telemetry/log.ts';
import type { ClientAddress } from './client-address.ts';
import { clientFacts } from './client-facts.ts';

export interface TokenApiDeps extends Pick<ClientAddress, 'addressOf' | 'isSecure'> {
  /** In force now. */
  readonly access: () => Access;
  readonly route: Pick<Router, 'image'>;
  readonly log: Pick<Log, 'info'>;
}

type Env = { Bindings: { incoming: IncomingMessage } };
type Asked = Pick<TokenRequest, 'scopes' | 'service' | 'offline' | 'refreshToken'> & {
  /** Of a form: in place of the Authorization header. */
  readonly form?: { readonly authorization: string | undefined };
};
type Refusal = Exclude<Awaited<ReturnType<TokenService['issue']>>, { ok: true }>;

/** Bytes of a form: 200 scopes of 300 characters. */
const maxForm = 64 * 1024;

/** Status, the code of registries, and the error of OAuth 2 (RFC 6749, section 5.2), since clients read one or the other. */
const refusals: Readonly<
  Record<Refusal['reason'], { status: 400 | 401 | 429 | 503; code: OciErrorCode; error: string }>
> = {
  credentials: { status: 401, code: 'UNAUTHORIZED', error: 'invalid_grant' },
  request: { status: 400, code: 'UNSUPPORTED', error: 'invalid_request' },
  busy: { status: 429, code: 'TOOMANYREQUESTS', error: 'temporarily_unavailable' },
  unavailable: { status: 503, code: 'UNAVAILABLE', error: 'temporarily_unavailable' },
};

/** Routes for `http-app.ts`. 404 where tokens come from elsewhere, or nothing asks for them. */
export function createTokenApi({ access, addressOf, isSecure, route, log }: TokenApiDeps): Hono<Env> {
  const api = new Hono<Env>();

  async function respond(c: Context<Env>, { form, ...asked }: Asked): Promise<Response> {
    const { tokens } = access();
    if (!tokens) return c.json({ error: 'not_found' }, 404);
    const { incoming } = c.env;
    const around = { route, address: addressOf(incoming), secure: isSecure(incoming) };
    const facts = clientFacts(incoming, around);
    const issued = await tokens.issue({ ...facts, ...asked, ...form });
    if (issued.ok) {
      const { principal, granted } = issued;
      const grants = granted.map(({ match, may }) => `${match}:${may.join(',')}`);
      log.info(
        { event: 'access.tokenIssued', client: facts.address, principal: principal.name, grants },
        'a token was issued',
      );
      return c.json(bodyOf(issued), 200);
    }
    const { reason, message } = issued;
    const { status, code, error } = refusals[reason];
    if (status === 401 && form === undefined) c.header('WWW-Authenticate', 'Basic realm="entrepot"');
    if (status === 429 || status === 503) c.header('Retry-After', '5');
    return c.json({ errors: [{ code, message }], error, error_description: message }, status);
  }

  api.get('/token', (c) => {
    const query = new URL(c.req.url).searchParams;
    return respond(c, {
      scopes: query.getAll('scope'),
      service: query.get('service') ?? undefined,
      offline: query.get('offline_token') === 'true',
    });
  });

  api.post('/token', async (c) => {
    const request = await limitedRequest(c.req.raw, maxForm);
    if (!request) return c.json({ error: 'invalid_request' }, 413);
    const form = new URLSearchParams(await request.text());
    const grant = form.get('grant_type');
    const isPassword = grant === 'password';
    if (!isPassword && grant !== 'refresh_token') return c.json({ error: 'unsupported_grant_type' }, 400);
    const pair = `${form.get('username') ?? ''}:${form.get('password') ?? ''}`;
    return respond(c, {
      form: { authorization: isPassword ? `Basic ${Buffer.from(pair).toString('base64')}` : undefined },
      scopes: form.getAll('scope'),
      service: form.get('service') ?? undefined,
      offline: form.get('access_type') === 'offline',
      refreshToken: isPassword ? undefined : (form.get('refresh_token') ?? ''),
    });
  });

  return api;
}

function bodyOf({ token, expiresIn, issuedAt, refreshToken }: IssuedTokens): object {
  return {
    token,
    access_token: token,
    expires_in: expiresIn,
    issued_at: new Date(issuedAt).toISOString(),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
  };
}
