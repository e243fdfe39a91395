/** A server that takes no pushes and asks for no credentials: what most tests of HTTP are about. */
import { createOpenAccess } from '../../../src/access/open-access.ts';
import type { Push } from '../../../src/push/push.ts';

const access = createOpenAccess({ anonymous: ['pull'], rules: [] });

export const readOnly = {
  /** Without a rule, nothing else of it is ever called. */
  push: { rule: () => undefined } as unknown as Push,
  access: () => access,
};
