/** One PostgreSQL for the apps of a test, and a clock for them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/lib/clock.ts';
import type { RunningApp } from './app.ts';
import { eventually } from './eventually.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';
import { tempFolder } from './temp-folder.ts';

/** ms that an event, and a command, wait for PostgreSQL: on a busy machine what they ask for must not go to the index because of that. */
const eventPatience = 300;
export const commandPatience = 3000;

/** Real time, but for what takes more than a second: the pauses of a connection and of leases. What waits for so many ms is patient. */
export function hurried(by: number, patient: readonly number[] = [eventPatience]) {
  const scaled = (ms: number) => (patient.includes(ms) ? ms * 100 : ms < 1000 ? ms : ms / by);
  return {
    ...systemClock,
    after: (ms: number, run: () => void) => systemClock.after(scaled(ms), run),
  };
}

export interface Site {
  readonly postgres: PostgresServer;
  /** Lines of entrepot.toml. */
  readonly facts: string;
}

/** Undefined, and the test is skipped, where there is no PostgreSQL. */
export async function startSite(t: TestContext): Promise<Site | undefined> {
  const postgres = await startPostgres(t);
  if (!postgres) return undefined;
  const file = join(tempFolder(t), 'facts-url');
  writeFileSync(file, postgres.url);
  return { postgres, facts: `[facts]\nurl_file = "${file}"\n` };
}

/** Resolves once the app has its connection. */
export const isConnected = (app: RunningApp) =>
  eventually('PostgreSQL is connected', () => app.log.some(({ event }) => event === 'postgres.connected'));
