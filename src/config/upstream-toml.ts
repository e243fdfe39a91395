/** `[upstream]` and `[[upstream.host]]` of entrepot.toml. */
import type { HostToken, UpstreamConfig, UpstreamHostConfig } from './config.ts';
import type { StrictTable } from './toml/strict-table.ts';
import { durationForms } from './toml/units.ts';
import type { ValueKind } from './toml/value-kinds.ts';
import * as kind from './toml/value-kinds.ts';

/** Milliseconds that a token is valid. A longer one is worth stealing. */
const tokenLife: ValueKind<number> = {
  ...kind.wait,
  expected: `${durationForms}, from "1m" to "1h"`,
  read(value) {
    const milliseconds = kind.wait.read(value);
    return milliseconds && milliseconds >= 60_000 && milliseconds <= 3_600_000 ? milliseconds : undefined;
  },
};

/** `path`: the kind of a path that is relative to the working folder. */
export function readUpstream(upstream: StrictTable, path: kind.ValueKind<string>): UpstreamConfig {
  const tables = upstream.tables('host');
  const hosts = tables.map((table) => readUpstreamHost(table, path));
  hosts.forEach((host, index) => {
    if (host && hosts.findIndex((other) => other?.host === host.host) < index) {
      tables[index]?.problem('host', `a second [[upstream.host]] for ${host.host}: make one table of them`);
    }
  });
  return {
    lookupTimeout: upstream.value('lookup_timeout', kind.wait, 10_000),
    connectTimeout: upstream.value('connect_timeout', kind.wait, 3000),
    headerTimeout: upstream.value('header_timeout', kind.wait, 15_000),
    stallTimeout: upstream.value('stall_timeout', kind.wait, 30_000),
    totalTimeout: upstream.value('total_timeout', kind.wait, 120_000),
    queueTimeout: upstream.value('queue_timeout', kind.wait, 30_000),
    insecure: upstream.value('insecure', kind.flag, false),
    tokenRealms: upstream.list('token_realms', kind.hostOrDomain),
    offline: upstream.value('offline', kind.flag, false, { variable: 'ENTREPOT_UPSTREAM_OFFLINE' }),
    caFile: upstream.value('ca_file', path),
    hosts: hosts.filter((host) => host !== undefined),
  };
}

function readUpstreamHost(table: StrictTable, path: kind.ValueKind<string>): UpstreamHostConfig | undefined {
  const host = table.required('host', kind.registry);
  const rest = {
    connectTimeout: table.value('connect_timeout', kind.wait),
    headerTimeout: table.value('header_timeout', kind.wait),
    stallTimeout: table.value('stall_timeout', kind.wait),
    maxConnections: table.value('max_connections', kind.integer(1, 10_000)),
    fetchers: table.value('fetchers', kind.integer(1, 64)),
    proxy: table.value('proxy', kind.proxy),
    username: table.value('username', kind.username),
    passwordFile: table.value('password_file', path),
    identityTokenFile: table.value('identity_token_file', path),
    token: readHostToken(table.writtenTable('token'), path),
  };
  if (rest.token && (rest.username || rest.passwordFile || rest.identityTokenFile)) {
    table.problem('token', 'token excludes username, password_file and identity_token_file');
  }
  if (rest.passwordFile && rest.identityTokenFile) {
    table.problem('identity_token_file', 'password_file and identity_token_file exclude each other');
  } else if (rest.passwordFile && !rest.username) {
    table.problem('password_file', 'password_file needs username = "..." beside it');
  } else if (rest.username && !rest.passwordFile && !rest.identityTokenFile) {
    table.problem('username', 'username needs password_file = "..." beside it');
  }
  return host === undefined ? undefined : { host, ...rest };
}

function readHostToken(table: StrictTable | undefined, path: kind.ValueKind<string>): HostToken | undefined {
  if (!table) return undefined;
  const keyFile = table.required('key_file', path);
  const issuer = table.required('issuer', kind.text);
  const rest = {
    audience: table.value('audience', kind.text, 'container_registry'),
    kid: table.value('kid', kind.text, 'libtrust'),
    expiry: table.value('expiry', tokenLife, 300_000),
  };
  return keyFile === undefined || issuer === undefined ? undefined : { keyFile, issuer, ...rest };
}
