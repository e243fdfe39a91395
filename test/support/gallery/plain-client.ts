/**
 * What a client gets that asks a registry itself: it answers a challenge with a token or a password, follows redirects, and
 * gives its credentials to no other host.
 */
import { type Challenge, parseChallenges } from '../../../src/upstream/auth/challenge.ts';
import { get, type HttpAnswer, json } from '../http-client.ts';
import { type Account, basicHeader } from './access.ts';

export interface PlainRequest {
  readonly method: 'GET' | 'HEAD';
  /** With the query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const maxHops = 8;

export async function askPlainly(
  base: string,
  request: PlainRequest,
  account: Account | undefined,
): Promise<HttpAnswer> {
  let url = new URL(request.path, base);
  /** By host: what answered its challenge. */
  const authorizations = new Map<string, string>();
  for (let hop = 0; ; hop += 1) {
    const authorization = authorizations.get(url.host);
    const headers = { ...request.headers, ...(authorization !== undefined && { authorization }) };
    const answer = await get(url.href, { method: request.method, headers });
    const { location } = answer.headers;
    if (hop === maxHops) return answer;
    if (answer.status >= 300 && answer.status < 400 && location !== undefined) {
      url = new URL(location, url);
      continue;
    }
    if (answer.status !== 401 || authorization !== undefined) return answer;
    const answered = await answerChallenge(answer, url, account);
    if (answered === undefined) return answer;
    authorizations.set(url.host, answered);
  }
}

async function answerChallenge(
  answer: HttpAnswer,
  asked: URL,
  account: Account | undefined,
): Promise<string | undefined> {
  const challenges = parseChallenges(answer.headers['www-authenticate']);
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
  if (bearer) return fetchToken(bearer, asked, account);
  const takesBasic = challenges.some(({ scheme }) => scheme === 'basic');
  return takesBasic && account ? basicHeader(account) : undefined;
}

async function fetchToken(
  { parameters }: Challenge,
  asked: URL,
  account: Account | undefined,
): Promise<string | undefined> {
  let url = new URL(parameters.get('realm') ?? '');
  const service = parameters.get('service');
  const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(asked.pathname)?.[1];
  if (service !== undefined) url.searchParams.set('service', service);
  url.searchParams.set('scope', `repository:${repository}:pull`);
  const headers = account ? { authorization: basicHeader(account) } : {};
  for (let hop = 0; hop < maxHops; hop += 1) {
    const answer = await get(url.href, { headers });
    if (answer.status >= 300 && answer.status < 400) {
      url = new URL(answer.headers.location ?? '', url);
      continue;
    }
    if (answer.status !== 200) return undefined;
    const { token, access_token } = json(answer) as { token?: string; access_token?: string };
    return `Bearer ${token ?? access_token}`;
  }
  return undefined;
}
