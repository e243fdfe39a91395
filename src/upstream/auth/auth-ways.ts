/** The ways to answer the challenges of a registry. All challenges are candidates (RFC 9110, section 11.6.1). */
import type { FoundCredentials } from '../../config/credentials/auth-lookup.ts';
import type { Challenge } from './challenge.ts';
import type { RealmJudgement } from './realms.ts';

/** One way to get a value for `Authorization`. */
export interface Way {
  /** Its name among all ways at one endpoint. */
  readonly what: string;
  readonly challenge: Challenge;
  /** Undefined: an anonymous token. */
  readonly credentials: FoundCredentials | undefined;
  /** Undefined for Basic. */
  readonly scope: string | undefined;
  /** Undefined for Basic, and for a token that is signed here. */
  readonly realm: Exclude<RealmJudgement, { kind: 'refused' }> | undefined;
  /** It is anonymous although there are credentials: those did not help. */
  readonly lastResort: boolean;
}

/** The result of `Credentials.find`. */
export interface Found {
  readonly credentials: FoundCredentials | undefined;
  /** Why they cannot be read. */
  readonly problem: string | undefined;
  /** Tokens for the registry are signed here: no token server is asked. */
  readonly isSigned?: boolean;
}

/**
 * The best first: ways with credentials in the order of the challenges, then anonymous tokens. An identity token answers Bearer
 * challenges only; without credentials, only anonymous tokens are left. Where tokens are signed here, there is that one way.
 * `refused`: why token servers may not be asked.
 */
export function waysOf(
  challenges: readonly Challenge[],
  { credentials, problem, isSigned }: Found,
  options: { readonly ownScope: string; judge(realm: string): RealmJudgement },
): { readonly ways: readonly Way[]; readonly refused: readonly string[] } {
  const named: Way[] = [];
  const anonymous: Way[] = [];
  const refused: string[] = [];
  for (const challenge of challenges) {
    if (challenge.scheme === 'basic' && credentials?.kind === 'basic') {
      const basic = { what: 'basic', scope: undefined, realm: undefined, lastResort: false };
      named.push({ ...basic, challenge, credentials });
    }
    if (challenge.scheme !== 'bearer') continue;
    if (isSigned) {
      const scope = options.ownScope;
      const signed = { what: `signed ${scope}`, scope, realm: undefined, lastResort: false };
      if (credentials) named.push({ ...signed, challenge, credentials });
      continue;
    }
    const realm = options.judge(challenge.parameters.get('realm') ?? '');
    if (realm.kind === 'refused') {
      refused.push(realm.reason);
      continue;
    }
    const isTrusted = realm.kind === 'trusted';
    for (const scope of scopesOf(challenge, options.ownScope)) {
      const place = `${realm.url.href} ${challenge.parameters.get('service') ?? ''} ${scope}`;
      const way = { challenge, scope, realm };
      if (credentials && isTrusted) {
        named.push({ ...way, what: `named ${place}`, credentials, lastResort: false });
      }
      const lastResort = problem !== undefined || (credentials !== undefined && isTrusted);
      anonymous.push({ ...way, what: `anonymous ${place}`, credentials: undefined, lastResort });
    }
  }
  return { ways: [...named, ...anonymous], refused };
}

/** A registry may widen the scope that we ask for, but not to a token that could change anything. */
const readingScope =
  /^(?:(?:repository|registry):[A-Za-z0-9._\-/:]+:(?:pull|metadata_read|catalog)(?:,(?:pull|metadata_read|catalog))*(?: |$))+$/;

/** Our own scope, then the one that the registry names. */
function scopesOf(challenge: Challenge, own: string): readonly string[] {
  const named = challenge.parameters.get('scope');
  return named === undefined || named === own || !readingScope.test(named) ? [own] : [own, named];
}

/** Whether both are answered in the same way. */
export function isSameChallenge(one: Challenge, other: Challenge): boolean {
  if (one.scheme !== other.scheme) return false;
  if (one.scheme === 'basic') return true;
  return ['realm', 'service', 'scope'].every(
    (name) => one.parameters.get(name) === other.parameters.get(name),
  );
}
