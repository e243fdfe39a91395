/**
 * A session with one PostgreSQL server: the first of the URL's hosts that answers and, where it must, takes writes. A pipelined
 * connection is for single statements of all callers, a small pool for transactions. When the server is gone, is frozen or takes no
 * writes any more, the whole session is over: the next one may be with another host.
 */
import type { Client, ClientBase, ClientConfig, Pool } from 'pg';
import type { Clock } from '../../../lib/clock.ts';
import { orLate } from '../../../lib/flow/or-late.ts';
import { unlessAborted } from '../../../lib/flow/unless-aborted.ts';
import { reasonOf, systemCode } from '../../../lib/thrown.ts';
import { serverStops } from '../unavailable.ts';
import { type PostgresUrl, type ServerHost, shownHost } from './postgres-url.ts';
import { type TlsAttempt, tlsAttempts } from './tls-attempts.ts';

export interface ServerSession {
  /** `host:port`. */
  readonly server: string;
  readonly client: Client;
  readonly pool: Pool;
  /** Resolves when the session is over: with the reason, or undefined after `close`. */
  readonly over: Promise<Error | undefined>;
  /** Ends the session, for this reason. */
  fail(reason: Error): void;
  /** What is under way may end within the statement timeout. Never rejects. */
  close(): Promise<void>;
}

/** ms that the server works on one statement. */
export const statementTimeout = 20_000;
/** ms for the answer to one statement: a server that is frozen does not end it. */
const queryTimeout = 25_000;
/** ms that a transaction may stand still, and hold its locks. */
const idleInTransaction = 15_000;
const transactionsAtOnce = 4;

/** ms that a server may take to end a session in order. */
const closeTimeout = 2000;

/** Whether a transaction waited in vain for others of this program to end: nothing is wrong with the server. */
export function isOfWait(error: unknown): boolean {
  // The driver's words: it gives this error no code.
  return reasonOf(error) === 'timeout exceeded when trying to connect';
}

/** Of this process: what it does at a stop does not wait for a server. */
export interface SessionDeps {
  readonly clock: Clock;
  /** Ends each attempt at once. */
  readonly stop: AbortSignal;
}

/** Rejects with an Error that names the hosts and never the password, or EntrepotError TLS_UNUSABLE. */
export async function openSession(url: PostgresUrl, deps: SessionDeps): Promise<ServerSession> {
  const attempts = tlsAttempts(url);
  const failures: string[] = [];
  for (const host of url.hosts) {
    for (const tls of attempts) {
      try {
        return await sessionWith(url, host, { ...deps, tls });
      } catch (error) {
        if (deps.stop.aborted) throw error;
        failures.push(`${shownHost(host)}${tls === false ? '' : ' with TLS'}: ${told(error)}`);
        if (isOfNetwork(error)) break;
      }
    }
  }
  throw new Error(failures.join('; '));
}

async function sessionWith(
  url: PostgresUrl,
  host: ServerHost,
  { tls, clock, stop }: SessionDeps & { readonly tls: TlsAttempt },
): Promise<ServerSession> {
  const pg = (await import('pg')).default;
  const types = { getTypeParser: numbersFrom(pg) };
  const config = { ...clientConfig(url, host, tls), types };
  const client = new pg.Client({ ...config, pipeline: true } as ClientConfig);
  const { promise: over, resolve: end } = Promise.withResolvers<Error | undefined>();
  client.on('error', end);
  client.on('end', () => end(new Error('the server closed the connection')));
  try {
    await unlessAborted(begin(client, url), stop, serverStops);
  } catch (error) {
    cut(client);
    throw error;
  }
  const pool = new pg.Pool({ ...config, max: transactionsAtOnce, idleTimeoutMillis: 60_000 });
  const lent = new Set<ClientBase>();
  // An idle connection: the pool replaces it, and `client` tells whether the server is gone.
  pool.on('error', () => {});
  pool.on('connect', (one) => {
    lent.add(one);
    // The statement of its caller fails with the same error.
    one.on('error', () => {});
  });
  pool.on('remove', (one) => void lent.delete(one));
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    const ended = Promise.allSettled([client.end(), pool.end()]);
    await orLate(clock, closeTimeout, ended);
    for (const one of [client, ...lent]) cut(one);
  }

  return {
    server: shownHost(host),
    client,
    pool,
    over,
    fail: end,
    close() {
      end(undefined);
      closing ??= close();
      return closing;
    },
  };
}

async function begin(client: Client, { session }: PostgresUrl): Promise<void> {
  await client.connect();
  if (session !== 'any') await refuseReadOnly(client);
}

/** Ends a connection without a word: the other side may not answer. */
function cut(client: ClientBase): void {
  const { connection } = client as ClientBase & { connection?: { stream?: { destroy(): void } } };
  connection?.stream?.destroy();
}

const bigint = 20;

/** The driver gives a bigint as text, since it may be too large. Ours are below 2 to the power of 53. */
function numbersFrom({ types }: Pick<typeof import('pg'), 'types'>) {
  return ((oid: number, format?: 'text' | 'binary') =>
    oid === bigint && format !== 'binary' ? Number : types.getTypeParser(oid, format)) as never;
}

function clientConfig(url: PostgresUrl, { host, port }: ServerHost, tls: TlsAttempt): ClientConfig {
  const { user, password, database, connectTimeout, applicationName, options } = url;
  return {
    host,
    port,
    user,
    password,
    database,
    ssl: tls,
    connectionTimeoutMillis: connectTimeout,
    application_name: applicationName,
    statement_timeout: statementTimeout,
    query_timeout: queryTimeout,
    idle_in_transaction_session_timeout: idleInTransaction,
    keepAlive: true,
    keepAliveInitialDelayMillis: 30_000,
    client_encoding: 'UTF8',
    ...(options !== undefined && { options }),
  };
}

async function refuseReadOnly(client: Client): Promise<void> {
  const { rows } = await client.query<{ only: string }>(
    "select current_setting('transaction_read_only') as only",
  );
  if (rows[0]?.only !== 'off') throw new Error('it takes no writes now (target_session_attrs)');
}

/** Of several addresses of one name, the error of the first tells. */
function told(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return reasonOf(error.errors[0]);
  return reasonOf(error);
}

/** No other mode of TLS would help. */
function isOfNetwork(error: unknown): boolean {
  // The driver's words after `connect_timeout`: it gives this error no code.
  if (reasonOf(error) === 'timeout expired') return true;
  const code = systemCode(error instanceof AggregateError ? error.errors[0] : error) ?? '';
  return /^(?:ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOENT)$/.test(code);
}
