/** Who may see what in a fake registry: basic, or bearer with a token server (`token-server.ts`). */
import { type Answer, errorAnswer } from './fake-registry-content.ts';
import type { SeenRequest } from './fake-registry-journal.ts';
import type { TokenServer } from './token-server.ts';

export type RegistryAuth = {
  /** `ping`: only `/v2/` is guarded, as some registries do it. Default `always`. */
  readonly asked?: 'always' | 'ping';
} & (
  | { readonly kind: 'basic'; readonly username: string; readonly password: string; readonly realm?: string }
  | {
      readonly kind: 'bearer';
      readonly tokens: TokenServer;
      readonly service?: string;
      /** A realm of somebody else, as a hostile registry would send it. Default: the token server's. */
      readonly realm?: string;
      /** What a token without the scope gets. Default 401 with insufficient_scope; Docker Hub and others do so. */
      readonly refusal?: 401 | 403;
    }
);

/** Gives the refusal of a request, or undefined if it may go on. */
export type Guard = (request: SeenRequest) => Answer | undefined;

/** The refusal that `request` gets, or undefined where it may go on. */
export function refuse(auth: RegistryAuth | Guard | undefined, request: SeenRequest): Answer | undefined {
  if (typeof auth === 'function') return auth(request);
  if (!auth || request.kind === 'file') return undefined;
  if (auth.asked === 'ping' && request.kind !== 'ping') return undefined;
  const sent = request.headers.authorization ?? '';
  if (auth.kind === 'basic') {
    const wanted = `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
    return sent === wanted ? undefined : unauthorized(`Basic realm="${auth.realm ?? 'fake registry'}"`);
  }

  const scope = request.repository === undefined ? undefined : `repository:${request.repository}:pull`;
  const verdict = auth.tokens.judge(/^Bearer (.+)$/i.exec(sent)?.[1], request.repository);
  if (verdict === 'ok') return undefined;
  if (verdict === 'insufficient_scope' && auth.refusal === 403) {
    return errorAnswer(403, 'DENIED', 'requested access to the resource is denied');
  }
  const parts = [
    `realm="${auth.realm ?? auth.tokens.realm}"`,
    `service="${auth.service ?? 'fake-registry'}"`,
    ...(scope === undefined ? [] : [`scope="${scope}"`]),
    ...(verdict === 'missing' ? [] : [`error="${verdict}"`]),
  ];
  return unauthorized(`Bearer ${parts.join(',')}`);
}

function unauthorized(challenge: string): Answer {
  return errorAnswer(401, 'UNAUTHORIZED', 'authentication required', { 'www-authenticate': challenge });
}
