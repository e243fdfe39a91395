/** What one principal may do with one image, and by which rule: for `explain --as`. It contacts no host and writes nothing. */
import { join } from 'node:path';
import type { AccessConfig, Right } from '../config/config.ts';
import { EntrepotError } from '../errors.ts';
import { systemClock } from '../lib/clock.ts';
import { accessFiles } from './access-files.ts';
import { readHtpasswdFile } from './accounts/htpasswd.ts';
import { createRobots } from './accounts/robots.ts';
import { principalNamed } from './known-principals.ts';
import type { PrincipalKind } from './principal.ts';
import { type Allowance, createRights } from './rights.ts';

export interface ExplainedAccess {
  readonly name: string;
  readonly kind: PrincipalKind;
  /** Undefined where nothing allows it. */
  readonly pull: Allowance | undefined;
  readonly push: Allowance | undefined;
  readonly delete: Allowance | undefined;
}

/**
 * `image`: `registry/repository`. `file`: the entrepot.toml that was read. `data`: the data folder, which need not exist. Throws EntrepotError USAGE for a name that nothing here
 * knows, and what the files of accounts throw.
 */
export function explainAccess(
  config: AccessConfig,
  data: string,
  { name, image, file }: { readonly name: string; readonly image: string; readonly file: string | undefined },
): ExplainedAccess {
  const accounts = config.htpasswd === undefined ? undefined : readHtpasswdFile(config.htpasswd).accounts;
  const robots = createRobots({ clock: systemClock, onProblem: rethrow }, join(data, accessFiles.robots));
  const isAccount = (one: string) => accounts?.has(one) ?? false;
  const principal = principalNamed(name, { robots, isAccount, hasOidc: config.oidc.length > 0 });
  if (!principal) {
    const hasAccounts = accounts !== undefined || config.issuers.length > 0 || robots.list().length > 0;
    const read =
      file === undefined ? 'no entrepot.toml was read' : `the entrepot.toml that was read is ${file}`;
    const problem = hasAccounts
      ? 'no account, token or certificate has this name'
      : `no accounts are configured (${read}), and ${data} has no tokens`;
    const forms = 'certificates are cn=NAME, and a client without credentials is "anonymous"';
    throw new EntrepotError('USAGE', `--as ${name}: ${problem}; ${forms}`);
  }
  const rights = createRights(config);
  const by = (right: Right) => rights.allowance(principal, right, image);
  return { name, kind: principal.kind, pull: by('pull'), push: by('push'), delete: by('delete') };
}

function rethrow(problem: EntrepotError): never {
  throw problem;
}
