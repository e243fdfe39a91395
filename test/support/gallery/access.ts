/** Who may do what in a registry of the gallery, and in which words the others are refused. */
import type { OutgoingHttpHeaders } from 'node:http';
import { type Answer, errorAnswer, textAnswer } from '../fake-registry-content.ts';
import type { SeenRequest } from '../fake-registry-journal.ts';
import type { TokenServer } from '../token-server.ts';
import { names } from './content.ts';
import type { BearerAccess, Personality, Refusal } from './personality.ts';

export interface Account {
  readonly username: string;
  password: string;
}

export interface AccessDeps {
  readonly personality: Personality;
  readonly account: Account;
  /** Undefined without Bearer. */
  readonly tokens: TokenServer | undefined;
  /** A token server that refuses everything. */
  readonly deadRealm: () => string;
  /** Whether the account may pull this repository. */
  readonly mayPull: (repository: string) => boolean;
}

/** Gives the refusal of a request, or undefined if it may go on. */
export function createAccess(deps: AccessDeps): (request: SeenRequest) => Answer | undefined {
  const { personality, account, tokens } = deps;
  const { access } = personality;

  function withoutRight(request: SeenRequest): Answer | undefined {
    const { repository } = request;
    if (repository === undefined) return undefined;
    const { unknownRepository = { status: 404, code: 'NAME_UNKNOWN' } } = personality;
    const isForbidden = personality.forbidden !== undefined && !deps.mayPull(repository);
    if (isForbidden) return refusal(personality.forbidden, challenges(request, 'insufficient_scope'));
    if (isKnown(repository)) return undefined;
    const chosen = unknownRepository === 'asForbidden' ? personality.forbidden : unknownRepository;
    return chosen && refusal(chosen, challenges(request, 'insufficient_scope'));
  }

  function challenges(request: SeenRequest, error?: string, realm?: string): readonly string[] {
    if (access.kind === 'open') return [];
    if (access.kind === 'basic') return [`Basic realm="${access.realm}"`];
    const bearer = bearerChallenge(access, request, realm ?? realmOf(access, tokens), error);
    if (access.basic === undefined) return [bearer];
    const basic = `Basic realm="${access.basic.realm}"`;
    return access.basic.order === 'before' ? [basic, bearer] : [bearer, basic];
  }

  return (request) => {
    if (request.kind === 'file' || access.kind === 'open') return withoutRight(request);
    const sent = request.headers.authorization;
    if (access.kind === 'basic') {
      if (sent === undefined) return refusal(unauthorized, challenges(request));
      return sent === basicHeader(account)
        ? withoutRight(request)
        : refusal(access.ended, challenges(request));
    }
    if (access.asked === 'ping' && request.kind !== 'ping') return withoutRight(request);
    if (access.basic !== undefined && sent === basicHeader(account)) return withoutRight(request);
    const token = /^Bearer (.+)$/i.exec(sent ?? '')?.[1];
    switch (tokens?.judge(token, request.repository)) {
      case 'ok':
        return withoutRight(request);
      case 'insufficient_scope':
        return withoutRight(request) ?? refusal(unauthorized, challenges(request, 'insufficient_scope'));
      case 'invalid_token': {
        const realm = access.ended.otherRealm ? deps.deadRealm() : undefined;
        return refusal(access.ended, challenges(request, 'invalid_token', realm));
      }
      default:
        return refusal(unauthorized, challenges(request));
    }
  };
}

const unauthorized: Refusal = {
  status: 401,
  code: 'UNAUTHORIZED',
  message: 'authentication required',
};

export function isKnown(repository: string): boolean {
  return [names.app, names.other, names.secret].some((name) => name === repository);
}

/** The answer that a refusal describes. */
export function refusal(said: Refusal | undefined, challenge: readonly string[] = []): Answer | undefined {
  if (said === undefined) return undefined;
  const { status, code = 'UNKNOWN', message = code.toLowerCase().replaceAll('_', ' '), body } = said;
  const isChallenged = (said.challenge ?? status === 401) && challenge.length > 0;
  const headers: OutgoingHttpHeaders = isChallenged ? { 'www-authenticate': [...challenge] } : {};
  return body === undefined
    ? errorAnswer(status, code, message, headers)
    : textAnswer(status, body, { 'content-type': 'text/plain', ...headers });
}

export function basicHeader({ username, password }: Account): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function realmOf(access: BearerAccess, tokens: TokenServer | undefined): string {
  return `${tokens?.url ?? ''}${access.realm}`;
}

function bearerChallenge(
  access: BearerAccess,
  request: SeenRequest,
  realm: string,
  error: string | undefined,
): string {
  const asked = request.repository === undefined ? undefined : `repository:${request.repository}:pull`;
  const scope = access.scope === 'none' ? undefined : (access.scope ?? asked);
  const parts = { realm, service: access.service, scope, error };
  const told = Object.entries(parts).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}="${value}"`],
  );
  return `Bearer ${told.join(',')}`;
}
