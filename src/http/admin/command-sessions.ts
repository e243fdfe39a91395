/**
 * What the server holds for a command while the command writes it elsewhere. A session begins with a line `{"step": "prepared", "session"}`
 * of a running answer, and ends when the command says what it has written, when either side fails, or when the command leaves.
 */
import { randomUUID } from 'node:crypto';
import { EntrepotError } from '../../errors.ts';
import { type Arguments, text } from './command-arguments.ts';

export interface CommandSession<Held, Written> {
  readonly held: Held;
  end(written: Written): void;
  fail(error: unknown): void;
}

export interface CommandSessions<Held, Written> {
  /** Tells the command of a new session with `more`; resolves with what it has written. Rejects with the reason of the signal. */
  hold(held: Held, signal: AbortSignal, tell: (step: object) => void, more?: object): Promise<Written>;
  /** That of the argument `session`. Throws EntrepotError USAGE if it is over. */
  of(args: Arguments): CommandSession<Held, Written>;
}

/** `over`: the message for a session that is over. */
export function createCommandSessions<Held, Written>(over: string): CommandSessions<Held, Written> {
  const sessions = new Map<string, CommandSession<Held, Written>>();

  return {
    hold(held, signal, tell, more = {}) {
      const session = randomUUID();
      const { promise, resolve, reject } = Promise.withResolvers<Written>();
      sessions.set(session, { held, end: resolve, fail: reject });
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      if (signal.aborted) reject(signal.reason);
      else tell({ step: 'prepared', session, ...more });
      return promise.finally(() => sessions.delete(session));
    },
    of(args) {
      const session = sessions.get(text(args.session));
      if (session) return session;
      throw new EntrepotError('USAGE', over);
    },
  };
}
