/** The principal that a name stands for, as `explain --as` and `check` ask for it. */

import type { Robots } from './accounts/robots.ts';
import { accountPrincipal, robotPrincipal } from './identify.ts';
import { anonymous, type Principal } from './principal.ts';

export interface KnownPrincipalsDeps {
  readonly robots: Pick<Robots, 'find'>;
  readonly isAccount: (name: string) => boolean;
  /** An OpenID Connect issuer is configured. Its subjects are known only when they come. */
  readonly hasOidc: boolean;
}

/** Undefined for a name that nothing here knows. `cn=NAME` and the like mean a certificate, `group:NAME` a member of that group. */
export function principalNamed(
  name: string,
  { robots, isAccount, hasOidc }: KnownPrincipalsDeps,
): Principal | undefined {
  if (name === anonymous.name) return anonymous;
  const robot = robots.find(name);
  if (robot) return robotPrincipal(robot);
  if (isAccount(name)) return accountPrincipal(name);
  if (/^(?:cn|dns|uri|email|ip)=/.test(name)) return { kind: 'certificate', name, names: [name] };
  return hasOidc ? { kind: 'oidc', name, names: [name] } : undefined;
}
