/**
 * Issues opaque bearer tokens as the Docker token specification has it: GET with Basic credentials or none, and the OAuth2
 * POST (password, refresh_token). A token knows its scopes; the fake registry asks here what it is worth.
 */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import type { Gate } from './gate.ts';
import { type Listener, type ListenerOptions, listen } from './listener.ts';

/** Such as a RegExp. */
export interface NameTest {
  test(name: string): boolean;
}

export interface TokenAccount {
  readonly password: string;
  /** Accepted by the OAuth2 POST as a refresh token. */
  readonly identityToken?: string;
  /** Repositories that this account may pull. Default: all. */
  readonly pulls?: NameTest;
}

export interface TokenServerOptions extends ListenerOptions {
  readonly accounts?: Readonly<Record<string, TokenAccount>>;
  /** Repositories that anybody may pull. Default: all without accounts, none with. */
  readonly anonymous?: NameTest;
  /** Seconds that a token lives. Default 300. */
  readonly expiresIn?: number;
  /** Whether the answer says so; the specification lets it be 60 s without. Default true. */
  readonly tellExpiry?: boolean;
  /** The field of the answer that bears the token. Default `token`. */
  readonly field?: 'token' | 'access_token' | 'both';
  /** Whether GET exists; without it 405, as where only the OAuth2 form is spoken. Default true. */
  readonly get?: boolean;
  /** Whether the OAuth2 POST exists; without it 404, as on many registries. Default true. */
  readonly post?: boolean;
  /** What scopes get of which none is granted. Default: a token that is worth nothing. */
  readonly refusesScope?: number;
  /** Status of a redirect to another path of this server, which gives the token. */
  readonly redirect?: number;
  /** Bytes of a token. Default 24. */
  readonly tokenBytes?: number;
  readonly clock?: Clock;
}

export interface TokenRequest {
  readonly method: string;
  readonly authorization: string | undefined;
  readonly account: string | undefined;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  /** All parameters, of the query or the form. */
  readonly parameters: URLSearchParams;
  readonly status: number;
}

export type TokenVerdict = 'ok' | 'missing' | 'invalid_token' | 'insufficient_scope';

export interface TokenServer extends Listener {
  /** The URL for a challenge. */
  readonly realm: string;
  readonly requests: readonly TokenRequest[];
  /** What `token` is worth for pulling `repository` (or for `/v2/`, without one). */
  judge(token: string | undefined, repository: string | undefined): TokenVerdict;
  /** Every token issued so far becomes invalid. */
  revokeAll(): void;
  /** Answers so from now on, with this body; undefined: works again. */
  fail(status: number | undefined, body?: string): void;
  /** Requests to `path` are sent to `to` with this status; what they asked for goes with them unless `to` has a query. */
  move(path: string, to: string, status?: number): void;
  /** Answers from now on wait for this gate. */
  hold(gate: Gate): void;
  stop(): Promise<void>;
}

type Asked = 'anonymous' | 'wrong' | { readonly account: string };

export async function startTokenServer(options: TokenServerOptions = {}): Promise<TokenServer> {
  const clock = options.clock ?? systemClock;
  const accounts = options.accounts ?? {};
  const anonymous = options.anonymous ?? (options.accounts ? /^$/ : /.*/);
  const expiresIn = options.expiresIn ?? 300;
  const issued = new Map<string, { repositories: ReadonlySet<string>; until: number }>();
  const requests: TokenRequest[] = [];
  let held: Gate | undefined;
  const moved = new Map<string, { to: string; status: number }>();
  let failure: { status: number; body: string } | undefined;
  const listener = await listen(options, (message, response) => void answer(message, response));

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => {});
    const [path = '', asIs = ''] = (message.url ?? '').split(/\?(.*)/s);
    if (options.redirect !== undefined && !path.startsWith('/moved')) {
      response.writeHead(options.redirect, { location: `/moved${path}?${asIs}` }).end();
      return;
    }
    const form = await readForm(message);
    const query = new URLSearchParams(asIs);
    const parameters = message.method === 'POST' ? form : query;
    const authorization = message.headers.authorization;
    const asked = message.method === 'POST' ? formAccount(parameters) : basicAccount(authorization);
    const scopes = parameters.getAll('scope').flatMap((scope) => scope.split(' '));
    const move = moved.get(path);
    const { status, body } = move
      ? { status: move.status, body: '' }
      : decide(message.method ?? '', asked, scopes);
    requests.push({
      method: message.method ?? '',
      authorization,
      account: typeof asked === 'object' ? asked.account : undefined,
      service: parameters.get('service') ?? undefined,
      scopes,
      parameters,
      status,
    });
    await held?.pass();
    const location = move && (move.to.includes('?') || asIs === '' ? move.to : `${move.to}?${asIs}`);
    response.writeHead(status, { 'content-type': 'application/json', ...(move && { location }) });
    response.end(body);
  }

  function decide(method: string, asked: Asked, scopes: readonly string[]): { status: number; body: string } {
    if (failure) return failure;
    if (method === 'POST' && options.post === false) return refused(404, 'no such page');
    if (method === 'GET' && options.get === false) return refused(405, 'method not allowed');
    if (asked === 'wrong') return refused(401, 'incorrect username or password');
    const pulls = asked === 'anonymous' ? anonymous : (accounts[asked.account]?.pulls ?? /.*/);
    const repositories = scopes
      .map((scope) => /^repository:(.+):([a-z,*]+)$/.exec(scope)?.[1] ?? '')
      .filter((name) => name !== '' && (pulls.test(name) || anonymous.test(name)));
    if (options.refusesScope !== undefined && scopes.length > 0 && repositories.length === 0) {
      return refused(options.refusesScope, 'requested access to the resource is denied');
    }
    const token = randomBytes(options.tokenBytes ?? 24).toString('base64url');
    issued.set(token, { repositories: new Set(repositories), until: clock.now() + expiresIn * 1000 });
    const field = options.field ?? 'token';
    const answer = {
      ...(field !== 'access_token' && { token }),
      ...(field !== 'token' && { access_token: token }),
      ...(options.tellExpiry !== false && { expires_in: expiresIn }),
      issued_at: new Date(clock.now()).toISOString(),
    };
    return { status: 200, body: JSON.stringify(answer) };
  }

  function basicAccount(authorization: string | undefined): Asked {
    if (authorization === undefined) return 'anonymous';
    const [, encoded = ''] = /^Basic (.+)$/i.exec(authorization) ?? [];
    const [name = '', password = ''] = Buffer.from(encoded, 'base64').toString().split(/:(.*)/s);
    return accounts[name]?.password === password ? { account: name } : 'wrong';
  }

  function formAccount(form: URLSearchParams): Asked {
    if (form.get('grant_type') === 'refresh_token') {
      const found = Object.entries(accounts).find(
        ([, account]) =>
          account.identityToken !== undefined && account.identityToken === form.get('refresh_token'),
      );
      return found ? { account: found[0] } : 'wrong';
    }
    const name = form.get('username') ?? '';
    return accounts[name] && accounts[name].password === form.get('password') ? { account: name } : 'wrong';
  }

  return {
    ...listener,
    realm: `${listener.url}/token`,
    requests,
    judge(token, repository) {
      if (token === undefined) return 'missing';
      const known = issued.get(token);
      if (!known || clock.now() >= known.until) return 'invalid_token';
      return repository === undefined || known.repositories.has(repository) ? 'ok' : 'insufficient_scope';
    },
    revokeAll: () => issued.clear(),
    fail(status, body = '{"details":"out of order"}') {
      failure = status === undefined ? undefined : { status, body };
    },
    move: (path, to, status = 307) => void moved.set(path, { to, status }),
    hold(gate) {
      held = gate;
    },
    stop: listener.close,
  };
}

function refused(status: number, details: string): { status: number; body: string } {
  return { status, body: JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: details }], details }) };
}

async function readForm(message: IncomingMessage): Promise<URLSearchParams> {
  const parts: Buffer[] = [];
  try {
    for await (const part of message) parts.push(part as Buffer);
  } catch {
    // The client broke off; the answer goes nowhere.
  }
  return new URLSearchParams(Buffer.concat(parts).toString());
}
