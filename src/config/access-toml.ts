/** The keys of `[access]` and `[[push]]` of entrepot.toml; `server-toml.ts` has all others, and calls this. */
import type { AccessConfig, AccessRule, PushRule } from './config.ts';
import type { StrictTable } from './toml/strict-table.ts';
import * as kind from './toml/value-kinds.ts';

/** `path`: the kind of a path that is relative to the working folder. */
export function readAccess(access: StrictTable, path: kind.ValueKind<string>): AccessConfig {
  const oidc = access.tables('oidc').map((table) => ({
    issuer: table.required('issuer', kind.webUrl),
    audience: table.required('audience', kind.text),
    name: table.value('name', kind.text, 'sub'),
    groups: table.value('groups', kind.text, 'groups'),
  }));
  const issuers = access.tables('issuer').map((table) => ({
    issuer: table.required('issuer', kind.text),
    audience: table.required('audience', kind.quotable),
    keys: table.required('keys', path),
    match: table.value('match', kind.pattern, '**'),
  }));
  return {
    anonymous: access.list('anonymous', kind.right, ['pull']),
    htpasswd: access.value('htpasswd', path),
    tokenKey: access.value('token_key', path),
    realm: access.value('realm', kind.webUrl),
    oidc: oidc.flatMap(({ issuer, audience, ...rest }) =>
      issuer === undefined || audience === undefined ? [] : [{ issuer, audience, ...rest }],
    ),
    issuers: issuers.flatMap(({ issuer, audience, keys, match }) =>
      issuer === undefined || audience === undefined || keys === undefined
        ? []
        : [{ issuer, audience, keys, match }],
    ),
    rules: access.tables('rule').flatMap(readRule),
  };
}

function readRule(table: StrictTable): readonly AccessRule[] {
  const who = table.list('who', kind.principal);
  const match = table.required('match', kind.pattern);
  const may = table.list('may', kind.right);
  if (who.length === 0) table.problem('who', 'an access rule needs who = ["NAME", ...]');
  if (may.length === 0)
    table.problem('may', 'an access rule needs may = ["pull", ...]: pull, push, delete or administer');
  return match === undefined ? [] : [{ who, match, may, line: table.line }];
}

/** One rule for each `[[push]]`. */
export function readPush(tables: readonly StrictTable[]): readonly PushRule[] {
  return tables.flatMap((table) => {
    const match = table.required('match', kind.pattern);
    const mode = table.required('mode', kind.oneOf('local', 'overlay', 'fill'));
    const rest = {
      delete: table.value('delete', kind.flag, false),
      immutable: table.list('immutable', kind.tagPattern),
    };
    const durable = table.value('durable', kind.integer(0, 10), undefined);
    return match === undefined || mode === undefined
      ? []
      : [{ match, mode, ...rest, ...(durable !== undefined && { durable }) }];
  });
}
