/** Where a request is authorized: the endpoint, and what stays the same for all tries of one request. */
import { referenceName } from '../../oci/reference.ts';
import { type Endpoint, endpointKey } from '../endpoint.ts';
import { judgeRealm, type RealmContext, type RealmJudgement } from './realms.ts';

export interface AuthPlace {
  readonly endpoint: Endpoint;
  readonly method: 'GET' | 'HEAD';
  readonly realm: Omit<RealmContext, 'tokenRealms'>;
  /** Whether TLS certificates are verified. */
  readonly verify: boolean;
  /** False: anonymous tokens only. */
  readonly mayHaveCredentials: boolean;
  /** The registry that the configuration names: `endpoint.host`, or the one that redirected there. */
  readonly registry: string;
}

export interface AuthSubject {
  readonly place: AuthPlace;
  /** Names the place in the memory. */
  readonly key: string;
  /** The scope that a pull needs. */
  readonly ownScope: string;
  /** That there are no credentials, and where they were looked for. */
  readonly noneFound: string;
  /** What a token server may be given. */
  judge(realm: string): RealmJudgement;
}

/** Without credentials, an endpoint has another key: what is known of it then says nothing of our account there. */
export function authKey(endpoint: Endpoint, mayHaveCredentials: boolean): string {
  const key = endpointKey(endpoint);
  return mayHaveCredentials ? key : `${key} without credentials`;
}

/** `searched`: files that credentials were looked for in, for the words of a refusal. */
export function subjectOf(
  place: AuthPlace,
  {
    tokenRealms,
    searched,
  }: { readonly tokenRealms: readonly string[]; readonly searched: readonly string[] },
): AuthSubject {
  const { endpoint, mayHaveCredentials, realm } = place;
  const name = referenceName(endpoint.reference);
  const inFiles = searched.length === 0 ? '' : ` in ${searched.join(', ')}`;
  return {
    place,
    key: authKey(endpoint, mayHaveCredentials),
    ownScope: endpoint.isForCatalogue
      ? 'registry:catalog:*'
      : `repository:${endpoint.reference.repository}:pull`,
    noneFound: mayHaveCredentials ? `no credentials${inFiles} for ${name}` : `${name} gets no credentials`,
    judge: (url) => judgeRealm(url, { ...realm, tokenRealms }),
  };
}
