/**
 * The connection to PostgreSQL that all parts share. It comes up by itself and comes back by itself, with another host of the URL if
 * that one takes writes now. While there is none, each call rejects at once with `PostgresUnavailable`: nothing waits for a server
 * that is gone.
 *
 *   connect -> prepare (migrations) -> up -+-> over (gone, frozen, read-only) -> pause -> connect
 *                                          '-> LISTEN, NOTIFY, and a look every 30 s
 */
import type { ClientBase } from 'pg';
import { EntrepotError } from '../../../errors.ts';
import type { Clock } from '../../../lib/clock.ts';
import { backoff } from '../../../lib/flow/backoff.ts';
import { pause } from '../../../lib/flow/pause.ts';
import { unlessAborted } from '../../../lib/flow/unless-aborted.ts';
import { reasonOf, systemCode } from '../../../lib/thrown.ts';
import type { RareLog } from '../../rare-log.ts';
import { serverStops, Unavailable } from '../unavailable.ts';
import { parsePostgresUrl } from './postgres-url.ts';
import { isOfWait, openSession, type ServerSession } from './server-session.ts';

/** One statement; gives its rows. A bigint is a number. */
export type Query = <Row>(text: string, values?: readonly unknown[]) => Promise<Row[]>;

export interface Statements {
  /** On the connection that all share: several may be under way. Never `begin`. */
  readonly query: Query;
  /**
   * All or nothing of what `work` does by the `query` that it gets, on a connection of its own. There are four; `PostgresUnavailable` where
   * none is free within the `connect_timeout`.
   */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
}

export interface Postgres extends Statements {
  /**
   * Calls `onChange` after each NOTIFY on the channel, after each new connection, and every 30 s: what a NOTIFY said may have been
   * missed. Gives the end of it. The channel is a plain identifier.
   */
  listen(channel: string, onChange: () => void): () => void;
  /** `server`: `host:port`, undefined while there is none. `lastContact`: epoch ms. */
  state(): { readonly server: string | undefined; readonly lastContact: number | undefined };
  /** Resolves after the first attempt to connect, whether or not it worked. */
  readonly tried: Promise<void>;
  /** Waits for statements that are under way for two seconds, then cuts them. An attempt to connect ends at once. */
  close(): Promise<void>;
}

/** PostgreSQL cannot be asked or takes no writes: what is not asked again later is lost. The message names hosts, never a password. */
export class PostgresUnavailable extends Unavailable {
  override readonly name = 'PostgresUnavailable';
}

export interface PostgresDeps {
  readonly clock: Clock;
  readonly log: RareLog;
  /** 0 or more and less than 1. */
  readonly random: () => number;
  /** The text of the URL. It is read anew for each connection, so that a password may change. Throws EntrepotError. */
  readonly readUrl: () => string;
  /** Where the URL comes from, for errors. */
  readonly file: string;
  /** Makes the database fit before anything else is asked of a connection. */
  readonly prepare: (statements: Statements) => Promise<void>;
}

/** ms between two looks at what a NOTIFY may have said. */
const lookEvery = 30_000;
/** ms of the first and of the longest pause between two attempts to connect. */
const pauses = { first: 250, most: 15_000 };

/** Begins to connect. Throws EntrepotError for a URL that cannot be read; a server that cannot be reached is no error. */
export function createPostgres({ clock, log, random, readUrl, file, prepare }: PostgresDeps): Postgres {
  const listeners = new Map<string, Set<() => void>>();
  const stopping = new AbortController();
  const { signal } = stopping;
  let session: ServerSession | undefined;
  let failures = 0;
  let reason = 'no connection yet';
  let lastContact: number | undefined;
  const { promise: tried, resolve: isTried } = Promise.withResolvers<void>();

  async function keepConnected(): Promise<void> {
    while (!signal.aborted) {
      let opened: ServerSession | undefined;
      try {
        opened = await openSession(parsePostgresUrl(readUrl(), file), { clock, stop: signal });
        await unlessAborted(use(opened), signal, serverStops);
      } catch (error) {
        failures += 1;
        reason = told(error);
        if (!signal.aborted) log.error({ event: 'postgres.unreachable', file, reason }, unreachable);
      }
      isTried();
      session = undefined;
      await opened?.close();
      await pause(clock, backoff(failures + 1, pauses) * (0.5 + random() / 2), signal);
    }
  }

  /** Resolves when the session is over. */
  async function use(opened: ServerSession): Promise<void> {
    await prepare(statementsOf(() => opened));
    await up(opened);
    isTried();
    failures = 0;
    const why = await opened.over;
    if (why) log.warn({ event: 'postgres.lost', file, server: opened.server, reason: told(why) }, lost);
    reason = why ? told(why) : 'closed';
  }

  async function up(opened: ServerSession): Promise<void> {
    opened.client.on('notification', ({ channel }) => call(channel));
    for (const channel of listeners.keys()) await opened.client.query(`listen ${channel}`);
    if (signal.aborted) return;
    session = opened;
    lastContact = clock.now();
    log.info({ event: 'postgres.connected', file, server: opened.server }, 'PostgreSQL is connected');
    for (const channel of listeners.keys()) call(channel);
  }

  function call(channel: string): void {
    for (const onChange of listeners.get(channel) ?? []) onChange();
  }

  async function look(): Promise<void> {
    while (!signal.aborted) {
      await pause(clock, lookEvery, signal);
      if (session && !signal.aborted) for (const channel of listeners.keys()) call(channel);
    }
  }

  function current(): ServerSession {
    if (session) return session;
    throw new PostgresUnavailable(`PostgreSQL is not connected: ${reason}`);
  }

  const contact = () => {
    lastContact = clock.now();
  };
  // Read once before anything starts: a URL that is none is an error of the configuration.
  parsePostgresUrl(readUrl(), file);
  const running = Promise.all([keepConnected(), look()]);

  return {
    ...statementsOf(current, contact),
    listen(channel, onChange) {
      const its = listeners.get(channel) ?? new Set();
      // Where this fails, the session ends, or the look every 30 s is enough.
      if (its.size === 0) session?.client.query(`listen ${channel}`).catch(() => {});
      listeners.set(channel, its.add(onChange));
      return () => void its.delete(onChange);
    },
    state: () => ({ server: session?.server, lastContact }),
    tried,
    async close() {
      stopping.abort();
      await running;
    },
  };
}

const lost = 'the connection to PostgreSQL is lost: what must be told to other replicas waits';
const unreachable = 'PostgreSQL cannot be used: what must be told to other replicas waits';

function statementsOf(current: () => ServerSession, contact: () => void = () => {}): Statements {
  async function run<Row>(
    on: ClientBase,
    text: string,
    values: readonly unknown[],
    session: ServerSession,
  ): Promise<Row[]> {
    try {
      const { rows } = await on.query(text, [...values]);
      contact();
      return rows as Row[];
    } catch (error) {
      throw judged(error, session);
    }
  }

  return {
    async query(text, values = []) {
      const session = current();
      return run(session.client, text, values, session);
    },
    async transaction(work) {
      const session = current();
      const client = await session.pool.connect().catch((error: unknown) => {
        throw judged(error, session);
      });
      let isWhole = false;
      try {
        await run(client, 'begin', [], session);
        const result = await work((text, values = []) => run(client, text, values, session));
        await run(client, 'commit', [], session);
        isWhole = true;
        return result;
      } finally {
        // One that failed goes, and its transaction with it.
        client.release(!isWhole);
      }
    },
  };
}

/** SQLSTATE classes and codes after which the same statement may succeed later. */
const passing = /^(?:08|53|57|58|40)|^(?:25006|55P03)$/;
/** Those that end the session: the server goes, or takes no writes any more. */
const final = /^(?:08|57P0[1-5]|25006)/;

/** What a caller gets for `error`; a session that is of no use any more is ended. */
function judged(error: unknown, session: ServerSession): unknown {
  const isOfServer = error instanceof Error && 'severity' in error;
  const state = isOfServer ? (systemCode(error) ?? '') : '';
  if (isOfServer && !passing.test(state)) return error;
  const failure = new PostgresUnavailable(`PostgreSQL at ${session.server}: ${reasonOf(error)}`, {
    cause: error,
  });
  if (isOfServer ? final.test(state) : !isOfWait(error)) session.fail(failure);
  return failure;
}

function told(error: unknown): string {
  return error instanceof EntrepotError ? error.located : reasonOf(error);
}
