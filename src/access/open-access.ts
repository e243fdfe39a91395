/** Access control without any credentials: a request is anonymous, or has the names of its client certificate. This is the default, and costs a request nothing. */

import type { AccessRule, Right } from '../config/config.ts';
import type { Access } from './access.ts';
import { certificatePrincipal } from './certificate-names.ts';
import { anonymous } from './principal.ts';
import { createRights } from './rights.ts';

/** `rules` can only name `anonymous` and certificates here. */
export function createOpenAccess(options: {
  readonly anonymous: readonly Right[];
  readonly rules: readonly AccessRule[];
}): Access {
  const identified = { ok: true, principal: anonymous } as const;
  return {
    ...createRights(options),
    isOpen: true,
    tokens: undefined,
    identify({ certificate }) {
      const principal = certificatePrincipal(certificate);
      return principal ? { ok: true, principal } : identified;
    },
    printOf: () => undefined,
    challenge: () => 'Basic realm="entrepot"',
    prepare: async () => [],
  };
}
