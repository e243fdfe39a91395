/**
 * The file of the audit log. The system rotates it: the file is opened anew at each reload (SIGHUP), and once its name stands for another
 * file or for none. Trouble with it costs lines, never service; they are counted.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { Log } from '../log.ts';
import { createLogOutput, type LogOutput } from '../log-output.ts';
import type { Audit, AuditEntry } from './audit.ts';
import type { AuditSettings } from './audit-settings.ts';

export interface AuditLog extends Audit {
  /** Records that another configuration was put in force, or was refused. */
  reloaded(outcome: 'done' | 'failed'): void;
  /** Lines that could not be written. */
  readonly dropped: number;
  /**
   * Tries the file of `settings`; the result puts them in force and opens it, anew if it is open. Throws EntrepotError OUTPUT_UNUSABLE if
   * it cannot be opened; nothing has changed then.
   */
  prepare(settings: AuditSettings): () => void;
  /** Writes what waits, or gives it up after a second. Nothing is recorded after it. */
  close(): Promise<void>;
}

export interface AuditLogDeps {
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
}

interface OpenFile {
  readonly output: LogOutput;
  /** What the name has to stand for. */
  readonly dev: number;
  readonly ino: number;
}

/** ms between two looks at the name. */
const lookEvery = 1000;
/** ms for lines that wait when a file is given up. */
const flushTime = 1000;

/** Nothing is recorded before settings are put in force. */
export function createAuditLog({ clock, log }: AuditLogDeps): AuditLog {
  let settings: AuditSettings = { file: undefined, actions: [], blobs: false };
  let open: OpenFile | undefined;
  /** Files that are given up, and not closed yet. */
  const left = new Set<LogOutput>();
  let droppedBefore = 0;
  let lookedAt = clock.monotonic();

  function use(next: OpenFile | undefined): void {
    const old = open;
    open = next;
    if (old) void leave(old.output);
  }

  async function leave(output: LogOutput): Promise<void> {
    left.add(output);
    await output.close(flushTime);
    left.delete(output);
    droppedBefore += output.dropped;
  }

  function isWanted({ action, kind, outcome }: AuditEntry): boolean {
    if (!settings.actions.includes(action)) return false;
    return settings.blobs || action !== 'pull' || kind !== 'blob' || outcome === 'denied';
  }

  /** Goes on with the file that was open if that fails. */
  function reopen(file: string | undefined): void {
    try {
      use(openFile(file));
    } catch (error) {
      log.error(
        { event: 'audit.notReopened', file, reason: reasonOf(error) },
        'the audit log cannot be opened anew: lines go to the file that was open',
      );
    }
  }

  async function lookAtName(file: string, own: OpenFile): Promise<void> {
    const named = await stat(file).catch(() => undefined);
    const isSame = named?.ino === own.ino && named.dev === own.dev;
    if (open === own && !isSame) reopen(file);
  }

  function record(entry: AuditEntry): void {
    if (!open || !isWanted(entry)) return;
    open.output.write(`${JSON.stringify(lineOf(entry, clock.now()))}\n`);
    if (settings.file === undefined || clock.monotonic() - lookedAt < lookEvery) return;
    lookedAt = clock.monotonic();
    void lookAtName(settings.file, open);
  }

  return {
    get isOn() {
      return open !== undefined;
    },
    record,
    reloaded: (outcome) => record({ action: 'change', outcome, principal: undefined, command: 'reload' }),
    get dropped() {
      const outputs = open ? [open.output, ...left] : [...left];
      return outputs.reduce((sum, { dropped }) => sum + dropped, droppedBefore);
    },
    prepare(next) {
      if (next.file !== undefined) closeSync(openDescriptor(next.file));
      return () => {
        settings = next;
        reopen(next.file);
      };
    },
    async close() {
      use(undefined);
      await Promise.all([...left].map((output) => output.flush(flushTime)));
    },
  };
}

function openFile(file: string | undefined): OpenFile | undefined {
  if (file === undefined) return undefined;
  const fd = openDescriptor(file);
  const { dev, ino } = fstatSync(fd);
  return { output: createLogOutput(fd), dev, ino };
}

function openDescriptor(file: string): number {
  try {
    const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
    // Without O_NONBLOCK, a named pipe that is not read would hold the start, and later a thread of the pool.
    return openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o640);
  } catch (error) {
    const message = `the audit log cannot be opened: ${reasonOf(error)}; name another file in [audit] file`;
    throw new EntrepotError('OUTPUT_UNUSABLE', message, { file, cause: error });
  }
}

function lineOf({ principal, ...rest }: AuditEntry, at: number): object {
  return {
    time: new Date(at).toISOString(),
    ...rest,
    principal: principal?.name ?? null,
    principal_kind: principal?.kind ?? null,
  };
}
