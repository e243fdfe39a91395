/**
 * Robot tokens of all replicas: each has them in its own file, and tells the others by PostgreSQL. A revocation is final, so the files
 * of two replicas always come to the same, whatever either missed. While PostgreSQL is gone, a replica goes by its file.
 */
import type { Robots } from '../access/accounts/robots.ts';
import { createBoundedStop } from '../cache/shared/bounded-stop.ts';
import type { TokenStore } from '../cache/shared/token-store.ts';
import { Unavailable } from '../cache/shared/unavailable.ts';
import type { Clock } from '../lib/clock.ts';
import { createBell } from '../lib/flow/bell.ts';
import { orLate } from '../lib/flow/or-late.ts';
import { workWhenRung } from '../lib/flow/rung-work.ts';
import { reasonOf } from '../lib/thrown.ts';
import type { Log } from '../telemetry/log.ts';

export interface SharedTokens {
  /** A command has changed the file. Resolves once the others can know, or after a second. */
  tell(): Promise<void>;
  /** What is under way comes to its end, unless PostgreSQL does not answer. */
  stop(): Promise<void>;
}

export interface SharedTokensDeps {
  readonly store: TokenStore;
  readonly robots: Pick<Robots, 'told' | 'hear'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'error'>;
  /** The file was changed by what others told. */
  readonly heard: () => Promise<void>;
}

/** ms. */
const tellWithin = 1000;

/** Begins at once. */
export function createSharedTokens({ store, robots, clock, log, heard }: SharedTokensDeps): SharedTokens {
  const stopping = new AbortController();
  const { signal } = stopping;
  const bounded = createBoundedStop(clock);
  const bell = createBell(clock);
  const unlisten = store.changed(bell.ring);
  let lastIgnored: ReadonlySet<string> = new Set();

  async function exchange(): Promise<void> {
    const rows = await bounded.orLate(store.all());
    const { isChanged, ignored } = robots.hear(rows);
    if (isChanged) await heard();
    for (const hash of ignored) {
      if (lastIgnored.has(hash)) continue;
      log.warn({ event: 'access.tokenIgnored', hash }, 'a row of the shared tokens is none: it is left out');
    }
    lastIgnored = new Set(ignored);
    const known = new Map(rows.map((row) => [row.hash, row]));
    const news = robots.told().filter(({ hash, revoked }) => {
      const row = known.get(hash);
      return !row || (revoked !== undefined && row.revoked === undefined);
    });
    if (news.length > 0) await bounded.orLate(store.put(news));
  }

  function failed(err: unknown): void {
    if (err instanceof Unavailable) return;
    log.error({ event: 'access.tokensNotShared', err }, 'robot tokens could not be shared');
  }

  const work = async () => {
    await exchange();
    return undefined;
  };
  const running = workWhenRung({ bell, work, failed, signal });
  return {
    async tell() {
      const told = exchange().then(
        () => 'told' as const,
        (err: unknown) => err,
      );
      const outcome = (await orLate(clock, tellWithin, told)) ?? 'late';
      if (outcome === 'told') return;
      bell.ring();
      log.warn(
        { event: 'access.tokenWaits', reason: reasonOf(outcome) },
        'a token was made or revoked here, and other replicas hear of it when PostgreSQL answers',
      );
    },
    async stop() {
      unlisten();
      stopping.abort();
      await bounded.waitFor(running);
    },
  };
}
