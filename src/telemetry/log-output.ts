/**
 * Where log lines leave the process. Trouble with the log may cost lines, never service: lines that cannot be written (a full disk, a
 * pipe that is not read) are dropped and counted.
 *
 *   write   gathers lines; a batch goes out after 50 ms or 4 KiB, one batch at a time, without blocking
 *   full    if more than 1 MiB waits, the newest lines are dropped
 *   error   the lines of the batch are dropped; later ones are tried again
 *   exit    waiting lines are written at once, for 200 ms at most
 *   close   waiting lines are written or dropped; the descriptor is closed once the write under way has returned
 */
import { close as closeFd, constants, fstatSync, openSync, write as writeFd, writeSync } from 'node:fs';
import { Socket } from 'node:net';

export interface LogOutput {
  /** Takes one line, with its line end. Never throws. */
  write(line: string): void;
  /** Lines that could not be written. */
  readonly dropped: number;
  /** Resolves when all lines so far are written or dropped, or after `ms`. */
  flush(ms: number): Promise<void>;
  /** Writes all waiting lines now. Lines that the descriptor does not take within 200 ms are dropped. */
  flushSync(): void;
  /**
   * Gives the lines that wait `ms` to be written, drops the others, and closes the descriptor. Resolves when that is done: with a disk that
   * stalls, after its write has returned. Lines that come later are dropped.
   */
  close(ms: number): Promise<void>;
}

interface Batch {
  readonly bytes: Buffer;
  /** Bytes before the first line: 1 for the line end of a torn line before it. */
  readonly lead: 0 | 1;
  /** Bytes of the batch that are written. */
  written: number;
}

/** A batch is written after so many ms, or when it has so many characters. */
const gatherTime = 50;
const gatherLength = 4096;
/** Characters that may wait for their turn. */
const mostWaiting = 1024 * 1024;
/** ms after which a pipe that was full is tried again. */
const retryTime = 100;
/** ms for which the end of the process waits for a full pipe. */
const exitTimeout = 200;
const newline = 0x0a;

/** Writes to `fd`. Only `close` closes it: what still writes to a number that is free would write into the next file that gets it. */
export function createLogOutput(fd: number): LogOutput {
  let waiting: string[] = [];
  let waitingLength = 0;
  let inFlight: Batch | undefined;
  /** A thread of the pool is writing the batch. */
  let isWriting = false;
  let timer: NodeJS.Timeout | undefined;
  let dropped = 0;
  /** A batch broke off within a line, so the next one begins with a line end. */
  let isTorn = false;
  const idle: (() => void)[] = [];
  let isClosed = false;
  /** Called when the write under way has returned. */
  let returned = () => {};

  function later(ms: number, work: () => void): void {
    timer = setTimeout(work, ms);
    timer.unref();
  }

  function takeBatch(): Batch | undefined {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.length === 0) return undefined;
    const lead = isTorn ? 1 : 0;
    const bytes = Buffer.from('\n'.repeat(lead) + waiting.join(''));
    waiting = [];
    waitingLength = 0;
    isTorn = false;
    return { bytes, lead, written: 0 };
  }

  function drop({ bytes, lead, written }: Batch): void {
    const rest = bytes.subarray(Math.max(lead, written));
    dropped += rest.filter((byte) => byte === newline).length;
    isTorn = written > 0 ? bytes[written - 1] !== newline : lead === 1;
  }

  function send(): void {
    if (inFlight) return;
    inFlight = takeBatch();
    if (inFlight) {
      push(inFlight);
      return;
    }
    for (const resolve of idle.splice(0)) resolve();
  }

  function push(batch: Batch): void {
    isWriting = true;
    writeFd(fd, batch.bytes, batch.written, null, null, (error, count) => {
      isWriting = false;
      batch.written += error ? 0 : count;
      if (isClosed) return returned();
      if (error?.code === 'EAGAIN') return later(retryTime, () => push(batch));
      if (!error && batch.written < batch.bytes.length) return push(batch);
      if (error) drop(batch);
      inFlight = undefined;
      send();
    });
  }

  function pushSync(batch: Batch, until: number): void {
    if (!writeWholly(fd, batch, until)) drop(batch);
  }

  function flush(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const limit = setTimeout(resolve, ms);
      idle.push(() => {
        clearTimeout(limit);
        resolve();
      });
      send();
    });
  }

  return {
    write(line) {
      if (isClosed || waitingLength + line.length > mostWaiting) {
        dropped += 1;
        return;
      }
      waiting.push(line);
      waitingLength += line.length;
      if (inFlight) return;
      if (waitingLength >= gatherLength) send();
      else if (!timer) later(gatherTime, send);
    },
    get dropped() {
      return dropped;
    },
    flush,
    async close(ms) {
      await flush(ms);
      isClosed = true;
      const waits = takeBatch();
      if (waits) drop(waits);
      if (isWriting) await new Promise<void>((resolve) => (returned = resolve));
      if (inFlight) drop(inFlight);
      inFlight = undefined;
      await closed(fd);
    },
    flushSync() {
      const until = performance.now() + exitTimeout;
      const retried = isWriting ? undefined : inFlight;
      if (retried) {
        inFlight = undefined;
        pushSync(retried, until);
      }
      const batch = takeBatch();
      if (batch) pushSync(batch, until);
    },
  };
}

/**
 * A descriptor of the same file, pipe, socket or terminal that never blocks. A blocking write could hold a thread of the pool for ever,
 * and the process would then never end.
 */
export function nonBlocking(fd: number): number {
  const stats = fstatSync(fd);
  if (stats.isFile()) return fd;
  try {
    // A new open file description, so that processes that share the first one are not affected.
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY, O_APPEND } = constants;
    return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_APPEND);
  } catch {
    // A socket cannot be opened by a path, but Node makes the descriptor of a Socket non-blocking.
    if (stats.isFIFO() || stats.isSocket()) new Socket({ fd, readable: false, writable: true }).unref();
    return fd;
  }
}

/** Whether the descriptor took all of the batch, at the latest `until`. */
function writeWholly(fd: number, batch: Batch, until: number): boolean {
  while (batch.written < batch.bytes.length) {
    try {
      batch.written += writeSync(fd, batch.bytes, batch.written);
    } catch (error) {
      const isFull = (error as NodeJS.ErrnoException).code === 'EAGAIN';
      if (!isFull || performance.now() > until) return false;
      sleep(10);
    }
  }
  return true;
}

/** Never rejects: what a close reports (EIO of NFS) is about lines of which the system has said that they are written. */
function closed(fd: number): Promise<void> {
  return new Promise((resolve) => closeFd(fd, () => resolve()));
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
