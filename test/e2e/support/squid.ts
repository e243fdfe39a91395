/** A squid as a firewall's: it opens tunnels (CONNECT) for those who have the password, and does nothing else. */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listen } from '../../support/listener.ts';
import { place } from './client.ts';
import type { Account } from './origin.ts';
import { type Environment, run, start } from './programs.ts';

export interface Squid {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Of its access log: `TCP_TUNNEL/200 CONNECT name:port joe`. */
  log(): readonly string[];
  stop(): Promise<unknown>;
}

/** `names` are those that only squid knows: name -> address. */
export async function startSquid(
  env: Environment,
  options: { readonly account: Account; readonly names: Readonly<Record<string, string>> },
): Promise<Squid> {
  const { account, names } = options;
  // It gives up being root, and would find no way into the folders of the other programs.
  const folder = mkdtempSync(join(tmpdir(), 'entrepot-squid-'));
  chmodSync(folder, 0o777);
  // MD5, which squid's own helper reads everywhere.
  const passwords = place(
    join(folder, 'passwords'),
    await run('htpasswd', ['-nbm', account.username, account.password], env),
  );
  const hosts = place(
    join(folder, 'hosts'),
    Object.entries(names)
      .map(([name, address]) => `${address} ${name}\n`)
      .join(''),
  );
  const host = await freeAddress();
  const accessLog = join(folder, 'access.log');
  const file = place(
    join(folder, 'squid.conf'),
    `http_port ${host}
pid_filename none
hosts_file ${hosts}
auth_param basic program /usr/lib/squid/basic_ncsa_auth ${passwords}
acl known proxy_auth REQUIRED
http_access deny !CONNECT
http_access deny !known
http_access allow known
http_access deny all
cache deny all
logformat short %Ss/%>Hs %rm %ru %un
access_log stdio:${accessLog} short
cache_log ${join(folder, 'cache.log')}
shutdown_lifetime 0 seconds
coredump_dir ${folder}
`,
  );
  // Under a name of its own: squids of one name share memory.
  const squid = await start(
    'squid',
    ['-N', '-d', '1', '-n', `entrepot${process.pid}`, '-f', file],
    env,
    /Accepting HTTP Socket connections/,
  );
  return {
    host,
    log: () => readFileSync(accessLog, 'utf8').split('\n').filter(Boolean),
    async stop() {
      await squid.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Squid takes no port 0: one that was free a moment ago. */
async function freeAddress(): Promise<string> {
  const listener = await listen({}, () => {});
  await listener.close();
  return listener.host;
}
