/** The `[[sync]]` blocks in force, by name, for commands. One block runs once at a time. */
import type { SyncBlock } from '../config/sync-config.ts';
import { EntrepotError } from '../errors.ts';
import { KeyedLock } from '../lib/flow/keyed-lock.ts';
import type { Log } from '../telemetry/log.ts';
import { planBlock, removedBy, type SyncPlan, type SyncReport, syncBlock, tagCounts } from './sync-block.ts';
import type { SyncDeps, SyncOptions } from './sync-deps.ts';

/** Each method throws EntrepotError USAGE for a name that no block has. No name: all blocks, in the order of the file. */
export interface Syncs {
  /** What a run would do. Asks registries and changes no tag. */
  planSync(
    names: readonly string[],
    options?: { readonly signal?: AbortSignal },
  ): Promise<readonly SyncPlan[]>;
  /** Runs the blocks, one after the other. A block that runs already runs again afterwards. */
  sync(names: readonly string[], options: Partial<SyncOptions>): Promise<readonly SyncReport[]>;
}

export interface SyncsDeps extends SyncDeps {
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** Told of each run that has ended. */
  readonly onFinished: (finished: SyncReport) => void;
}

/** The command has read the file itself, and the server knows what it was at its last reload. */
const reloaded = 'and a running server knows a new one after its reload';

/** Reads the blocks in force at each call. */
export function createSyncs(deps: SyncsDeps): Syncs {
  const { blocks, log, onFinished } = deps;
  const running = new KeyedLock();
  const endless = new AbortController();
  const usual: SyncOptions = {
    signal: endless.signal,
    onProgress() {},
    async turn() {},
    allowsDelete: false,
    ignoresWindow: false,
  };

  function tell(report: SyncReport): void {
    const { name, state, warning, bytes, seconds } = report;
    const removed = removedBy(report);
    for (const one of removed) {
      log.info({ event: 'sync.tagRemoved', sync: name, ...one }, 'a sync has removed a tag');
    }
    const counts = tagCounts(report);
    const fields = {
      event: 'sync.finished',
      sync: name,
      state,
      ...counts,
      removed: removed.length,
      bytes,
      seconds,
      warning,
    };
    if (state === 'done' && warning === null) log.info(fields, 'a sync has finished');
    else log.warn(fields, 'a sync has finished in part, with a warning, or has failed');
  }

  return {
    async planSync(names, { signal = endless.signal } = {}) {
      const plans: SyncPlan[] = [];
      for (const block of namedBlocks(blocks(), names)) plans.push(await planBlock(deps, block, signal));
      return plans;
    },
    async sync(names, asked) {
      const options = { ...usual, ...asked };
      const reports: SyncReport[] = [];
      for (const block of namedBlocks(blocks(), names)) {
        const report = await running.run(block.name, () => syncBlock(deps, block, options));
        tell(report);
        onFinished(report);
        reports.push(report);
      }
      return reports;
    },
  };
}

/** Those of `all` with these names; all without names. Throws EntrepotError USAGE for a name that no block has. */
export function namedBlocks(all: readonly SyncBlock[], names: readonly string[]): readonly SyncBlock[] {
  if (all.length === 0)
    throw new EntrepotError(
      'USAGE',
      `no [[sync]] is in force: docs/sync.md says how to write one, ${reloaded}`,
    );
  if (names.length === 0) return all;
  return names.map((name) => {
    const block = all.find((one) => one.name === name);
    if (block) return block;
    const known = all.map((one) => one.name).join(', ');
    throw new EntrepotError(
      'USAGE',
      `no [[sync]] has the name ${JSON.stringify(name.slice(0, 100))}: there are ${known}, ${reloaded}`,
    );
  });
}
