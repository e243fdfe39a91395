/** The connection to PostgreSQL, and the exchange of facts over it, put together. Undefined without `[facts]`. */
import type { OpenCache } from '../cache/open-cache.ts';
import { createRareLog } from '../cache/rare-log.ts';
import { type Agreement, alone, createAgreement } from '../cache/shared/agreement.ts';
import { createFactExchange, type FactExchange } from '../cache/shared/fact-exchange.ts';
import { createPostgres, type Postgres } from '../cache/shared/postgres/connection.ts';
import { migrate } from '../cache/shared/postgres/migrations.ts';
import { createPostgresLog } from '../cache/shared/postgres/postgres-log.ts';
import type { SharedFacts } from '../cache/shared/shared-facts.ts';
import type { ServerConfig } from '../config/config.ts';
import { readSecretFile } from '../config/credentials/secret-file.ts';
import type { Clock } from '../lib/clock.ts';
import { orLate } from '../lib/flow/or-late.ts';
import type { Releases } from '../lib/flow/releases.ts';
import type { Log } from '../telemetry/log.ts';
import type { FactsState } from '../telemetry/states.ts';

export interface LiveFactsDeps {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Begins to connect; no server is no error. Throws EntrepotError CREDENTIALS_UNUSABLE or CONFIG_INVALID for a file that holds no URL of
 * PostgreSQL.
 */
function connectPostgres(facts: ServerConfig['facts'], { clock, log }: LiveFactsDeps): Postgres | undefined {
  if (!facts) return undefined;
  const { urlFile } = facts;
  return createPostgres({
    clock,
    log: createRareLog({ log, clock }),
    random: Math.random,
    readUrl: () => readSecretFile(urlFile),
    file: urlFile,
    prepare: migrate,
  });
}

export interface LiveFacts extends Agreement {
  /**
   * Begins to exchange. A replica that has never read the facts of others waits for them, so that its first answers are right; not
   * for a database that cannot be reached.
   */
  start(): Promise<void>;
  state(): FactsState;
  /** As of the `FactExchange`. */
  upToDate(): Promise<boolean>;
  isTold(): Promise<boolean>;
  stop(): Promise<void>;
}

/** ms that a start waits for facts that were never read. */
const startWait = 30_000;

/** Without `[facts]`, `agreement` waits for nothing, and the others are undefined. Throws as `connectPostgres` does. */
export function openLiveFacts(
  config: Pick<ServerConfig, 'facts'>,
  { facts: own }: Pick<OpenCache, 'facts'>,
  deps: LiveFactsDeps & { readonly releases: Releases },
): {
  readonly postgres: Postgres | undefined;
  readonly facts: LiveFacts | undefined;
  readonly agreement: Agreement;
} {
  const { releases } = deps;
  const postgres = releases.add(connectPostgres(config.facts, deps), (connection) => connection?.close());
  const live = postgres && own && createLiveFacts(postgres, own, deps);
  const facts = releases.add(live, (exchange) => exchange?.stop());
  return { postgres, facts, agreement: facts ?? alone };
}

function createLiveFacts(postgres: Postgres, facts: SharedFacts, { clock, log }: LiveFactsDeps): LiveFacts {
  let exchange: FactExchange | undefined;
  const isConnected = () => postgres.state().server !== undefined;

  return {
    ...createAgreement(() => (isConnected() ? exchange : undefined), clock),
    async start() {
      // Where the index cannot be read, the exchange tells of it.
      const isKnown = (await facts.position().catch(() => undefined)) !== undefined;
      const lines = createRareLog({ log, clock });
      exchange = createFactExchange({ log: createPostgresLog(postgres), facts, clock, lines });
      if (isKnown) return;
      const { known } = exchange;
      // Hosts that do not answer take their time, too.
      const isTold = postgres.tried.then(() => (isConnected() ? known : undefined));
      await orLate(clock, startWait, isTold);
    },
    state() {
      const { server, lastContact } = postgres.state();
      const { behind } = exchange?.state() ?? {};
      return { isConnected: server !== undefined, lastContact, waiting: facts.countWaiting(), behind };
    },
    upToDate: async () => (await exchange?.upToDate()) ?? false,
    isTold: async () => (await exchange?.isTold()) ?? false,
    stop: async () => exchange?.stop(),
  };
}
