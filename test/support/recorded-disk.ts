/**
 * A disk that loses what nobody flushed. All that this process does to files below a folder is written down while it really
 * happens; afterwards the folder can be made again as a power cut at any moment could have left it:
 *
 *   bytes    of a file are safe once that file was flushed (fsync) after they were written
 *   a name   (made, renamed, removed) is safe once its folder was flushed after that
 *   the rest may be there or not, in any combination: names without bytes, bytes as zeros, half a file, an old name still there
 *
 * The calls are caught in `node:fs` itself, so nothing can go past it but SQLite, whose files are copied as they are at each
 * moment: its write-ahead log is flushed at checkpoints only, and any end of it may be missing.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { dirname, join } from 'node:path';

export interface RecordedDisk {
  /** Moments so far: one before the first change, and one after each. */
  readonly moments: number;
  /** What was done to get to this moment, for messages. */
  describe(moment: number): string;
  /** Called at the end of each moment: before the next change, when all that followed from the last one is done. */
  onMoment: (moment: number) => void;
  /** A folder's flush waits for it: a disk that is slow. */
  beforeFlush: (path: string) => Promise<unknown> | undefined;
  /** A durable transaction of SQLite is over: what its write-ahead log has by now is safe. The recorder cannot see that by itself. */
  logFlushed(): void;
  /** Makes the folder anew as a power cut in this moment may leave it. */
  restore(moment: number, into: string, losses: Losses): void;
  /** Nothing is written down from here on. */
  stop(): void;
}

/** What a power cut does to what was not flushed. */
export interface Losses {
  /** Whether a change of a name gets to the disk; `index` counts those that were not flushed, the oldest first. */
  name(change: 'made' | 'removed', index: number): boolean;
  /** Of a file that has `size` bytes in memory. */
  bytes(size: number): 'kept' | 'lost' | 'zeros' | 'half';
  /** How much of the write-ahead log is left, 0 to 1; the rest is zeros. */
  readonly log: number;
}

interface Inode {
  readonly writes: { readonly at: number; readonly moment: number; readonly data: Buffer | 'truncate' }[];
  /** Moments: what was written before the first was safe from the second on. */
  readonly flushes: { readonly from: number; readonly safe: number }[];
}

type NameChange = { readonly moment: number; readonly path: string } & (
  | { readonly made: Inode | 'folder' }
  /** By a rename: not before the new name is there. */
  | { readonly made: undefined; readonly since: NameChange | undefined }
);

const unknownCalls = [
  ...['appendFileSync', 'appendFile', 'copyFileSync', 'copyFile', 'cpSync', 'cp', 'linkSync', 'link'],
  ...['symlinkSync', 'truncateSync', 'truncate', 'ftruncateSync', 'ftruncate', 'writeSync', 'write'],
  ...['mkdir', 'rename', 'rm', 'writeFile', 'rmdirSync', 'createWriteStream', 'fsync', 'fdatasync'],
] as (keyof typeof fs)[];

const sqliteFile = /\.sqlite(?:-wal)?$|entrepot\.lock$/;

type Fs = typeof fs;
type Callback = (error: NodeJS.ErrnoException | null, ...rest: unknown[]) => void;

/** Starts writing down what happens below `root`, which must exist and counts as safe. */
export function recordDisk(root: string): RecordedDisk {
  const original: Fs = { ...fs };
  const promises: Fs['promises'] = { ...fs.promises };
  const what: string[] = ['nothing'];
  const names: NameChange[] = [];
  const folderFlushes: { readonly path: string; readonly from: number; readonly safe: number }[] = [];
  const files = new Map<string, Inode>();
  const descriptors = new Map<number, Inode | string>();
  const sqlite: Map<string, Buffer>[] = [];
  /** Bytes of each log that are safe from a moment on. */
  const logFlushes: { readonly moment: number; readonly sizes: ReadonlyMap<string, number> }[] = [];
  let recording = true;

  const isOurs = (path: unknown): path is string =>
    recording && typeof path === 'string' && `${path}/`.startsWith(`${root}/`) && !sqliteFile.test(path);
  const now = () => what.length - 1;

  /** The moment that was is over, and one begins in which `text` has been done. */
  function begin(text: string): number {
    sqlite.push(copySqlite());
    disk.onMoment(now());
    what.push(text);
    return now();
  }

  function copySqlite(): Map<string, Buffer> {
    const copies = new Map<string, Buffer>();
    for (const name of original.readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      if (sqliteFile.test(name)) copies.set(name, original.readFileSync(join(root, name)));
    }
    return copies;
  }

  function make(path: string): Inode {
    const inode: Inode = { writes: [], flushes: [] };
    const moment = begin(`make ${path}`);
    files.set(path, inode);
    names.push({ moment, path, made: inode });
    return inode;
  }

  /** After a file was opened: `existed` before, and what the flags did to it. */
  function opened(path: string, existed: boolean, truncates: boolean): Inode | string {
    const known = files.get(path);
    if (!existed) return make(path);
    if (!known) return path;
    if (truncates) write(known, 0, 'truncate', path);
    return known;
  }

  function write(inode: Inode, at: number, data: Buffer | 'truncate', path = 'a file'): void {
    const moment = begin(`write ${data.length} bytes at ${at} of ${path}`);
    inode.writes.push({ at, moment, data: data === 'truncate' ? data : Buffer.from(data) });
  }

  function folder(path: string): void {
    names.push({ moment: begin(`make folder ${path}`), path, made: 'folder' });
  }

  function renamed(from: string, to: string): void {
    const inode = files.get(from);
    if (!inode) return;
    const moment = begin(`rename ${from} to ${to}`);
    const arrival: NameChange = { moment, path: to, made: inode };
    names.push(arrival, { moment, path: from, made: undefined, since: arrival });
    files.delete(from);
    files.set(to, inode);
  }

  function removed(path: string): void {
    if (!files.delete(path)) return;
    names.push({ moment: begin(`remove ${path}`), path, made: undefined, since: undefined });
  }

  function flushed(what: Inode | string | undefined, from: number): void {
    if (what === undefined) return;
    if (typeof what === 'string') folderFlushes.push({ path: what, from, safe: begin(`flush ${what}`) });
    else what.flushes.push({ from, safe: begin('flush a file') });
  }

  // The functions that src uses to change files. Others that are not known here must not go unnoticed.
  const changed: Partial<Fs> = {};
  function patch<Name extends keyof Fs>(name: Name, replacement: unknown): void {
    changed[name] = replacement as Fs[Name];
  }
  for (const name of unknownCalls) {
    patch(name, (...args: unknown[]) => {
      const target = args[0];
      const isTheirs = typeof target === 'number' ? descriptors.has(target) : isOurs(target);
      if (recording && isTheirs) throw new Error(`fs.${name} is not written down by recordDisk`);
      return (original[name] as (...rest: unknown[]) => unknown)(...args);
    });
  }

  patch('mkdirSync', (path: string, options?: fs.MakeDirectoryOptions) => {
    const made = original.mkdirSync(path, options);
    if (isOurs(path)) folder(path);
    return made;
  });
  patch('openSync', (path: string, flags: fs.OpenMode = 'r', mode?: fs.Mode) => {
    const existed = original.existsSync(path);
    const fd = original.openSync(path, flags, mode);
    if (isOurs(path)) descriptors.set(fd, opened(path, existed, truncates(flags)));
    return fd;
  });
  patch('open', (path: string, ...rest: unknown[]) => {
    const done = rest.pop() as Callback;
    original.open(path, rest[0] as fs.OpenMode, (error, fd) => {
      if (!error && isOurs(path)) descriptors.set(fd, opened(path, true, false));
      done(error, fd);
    });
  });
  patch('writeFileSync', (path: string, data: string | Buffer, options?: fs.WriteFileOptions) => {
    const existed = original.existsSync(path);
    // It goes by the other calls, in ways of its own.
    const wasRecording = recording;
    recording = false;
    original.writeFileSync(path, data, options);
    recording = wasRecording;
    if (!isOurs(path)) return;
    const inode = opened(path, existed, true);
    if (typeof inode !== 'string') write(inode, 0, Buffer.from(data), path);
  });
  patch('writev', (fd: number, buffers: Buffer[], position: number, done: Callback) => {
    original.writev(fd, buffers, position, (error, count) => {
      const inode = descriptors.get(fd);
      if (count > 0 && inode && typeof inode !== 'string') {
        write(inode, position, Buffer.concat(buffers).subarray(0, count));
      }
      done(error, count);
    });
  });
  patch('fsyncSync', (fd: number) => {
    const from = now();
    original.fsyncSync(fd);
    if (recording) flushed(descriptors.get(fd), from);
  });
  for (const name of ['close', 'closeSync'] as const) {
    patch(name, (fd: number, done?: Callback) => {
      descriptors.delete(fd);
      if (name === 'close') original.close(fd, done);
      else original.closeSync(fd);
    });
  }
  patch('rmSync', (path: string, options?: fs.RmOptions) => {
    original.rmSync(path, options);
    if (isOurs(path)) removed(path);
  });
  patch('unlink', (path: string, done: Callback) => {
    original.unlink(path, (error) => {
      if (!error && isOurs(path)) removed(path);
      done(error);
    });
  });
  patch('unlinkSync', (path: string) => {
    original.unlinkSync(path);
    if (isOurs(path)) removed(path);
  });
  patch('renameSync', (from: string, to: string) => {
    original.renameSync(from, to);
    if (isOurs(from)) renamed(from, to);
  });

  const changedPromises: Partial<Fs['promises']> = {
    async mkdir(path: fs.PathLike, options?: unknown) {
      const missing: string[] = [];
      for (let one = String(path); isOurs(one) && !original.existsSync(one); one = dirname(one))
        missing.unshift(one);
      const made = await promises.mkdir(path, options as { recursive: true });
      for (const one of missing) if (isOurs(one)) folder(one);
      return made;
    },
    async rename(from, to) {
      await promises.rename(from, to);
      if (isOurs(from)) renamed(from, String(to));
    },
    async rm(path, options) {
      await promises.rm(path, options);
      if (isOurs(path)) removed(path);
    },
    async unlink(path) {
      await promises.unlink(path);
      if (isOurs(path)) removed(path);
    },
    async writeFile(path, data, options) {
      const existed = original.existsSync(String(path));
      await promises.writeFile(path, data, options);
      if (!isOurs(path)) return;
      const inode = opened(path, existed, true);
      if (typeof inode !== 'string') write(inode, 0, Buffer.from(data as string), path);
    },
    async open(path, flags, mode) {
      const existed = original.existsSync(String(path));
      const handle = await promises.open(path, flags, mode);
      if (!isOurs(path)) return handle;
      const inode = opened(path, existed, truncates(flags ?? 'r'));
      return new Proxy(handle, {
        get(_, key) {
          if (key === 'writeFile') {
            return async (data: Buffer) => {
              await handle.writeFile(data);
              if (typeof inode !== 'string') write(inode, 0, data, path);
            };
          }
          if (key === 'sync' || key === 'datasync') {
            return async () => {
              const from = now();
              await disk.beforeFlush(path);
              await handle[key]();
              if (recording) flushed(inode, from);
            };
          }
          if (key === 'write' || key === 'writev' || key === 'truncate' || key === 'appendFile') {
            throw new Error(`FileHandle.${key} is not written down by recordDisk`);
          }
          const value = Reflect.get(handle, key) as unknown;
          return typeof value === 'function' ? value.bind(handle) : value;
        },
      });
    },
  } as Partial<Fs['promises']>;

  Object.assign(fs, changed);
  Object.assign(fs.promises, changedPromises);
  syncBuiltinESMExports();

  const disk: RecordedDisk = {
    get moments() {
      return what.length;
    },
    describe: (moment) => what.slice(Math.max(0, moment - 3), moment + 1).join('; then '),
    onMoment: () => {},
    beforeFlush: () => undefined,
    logFlushed() {
      const sizes = new Map([...copySqlite()].map(([name, bytes]) => [name, bytes.length]));
      logFlushes.push({ moment: now(), sizes });
    },
    restore(moment, into, losses) {
      const { folders, tree } = namesAfter(moment, losses);
      for (const path of folders) original.mkdirSync(join(into, path.slice(root.length)));
      for (const [path, inode] of tree) {
        original.writeFileSync(join(into, path.slice(root.length)), bytesAfter(inode, moment, losses));
      }
      for (const [name, bytes] of sqlite[moment] ?? copySqlite()) {
        original.mkdirSync(dirname(join(into, name)), { recursive: true });
        const flushed = logFlushes.findLast((flush) => flush.moment <= moment)?.sizes.get(name) ?? 0;
        const safe = Math.min(flushed, bytes.length);
        const kept = name.endsWith('-wal')
          ? Math.max(safe, Math.round(bytes.length * losses.log))
          : bytes.length;
        if (kept === 0) continue;
        original.writeFileSync(
          join(into, name),
          Buffer.concat([bytes.subarray(0, kept), Buffer.alloc(bytes.length - kept)]),
        );
      }
    },
    stop() {
      if (!recording) return;
      sqlite.push(copySqlite());
      disk.onMoment(now());
      recording = false;
      Object.assign(fs, pick(original, Object.keys(changed)));
      Object.assign(fs.promises, pick(promises, Object.keys(changedPromises)));
      syncBuiltinESMExports();
    },
  };

  function namesAfter(moment: number, losses: Losses) {
    const isSafe = (change: NameChange) =>
      folderFlushes.some(
        ({ path, from, safe }) => path === dirname(change.path) && change.moment <= from && safe <= moment,
      );
    const folders = new Set<string>();
    const tree = new Map<string, Inode>();
    const happened = new Set<NameChange>();
    let unsafe = 0;
    for (const change of names) {
      if (change.moment > moment) break;
      const kind = change.made === undefined ? 'removed' : 'made';
      if (!isSafe(change) && !losses.name(kind, unsafe++)) continue;
      if (change.made === undefined && change.since && !happened.has(change.since)) continue;
      happened.add(change);
      const parent = dirname(change.path);
      if (parent !== root && !folders.has(parent)) continue;
      if (change.made === 'folder') folders.add(change.path);
      else if (change.made === undefined) tree.delete(change.path);
      else tree.set(change.path, change.made);
    }
    return { folders, tree };
  }

  return disk;
}

function bytesAfter(inode: Inode, moment: number, losses: Losses): Buffer {
  const safeUntil = Math.max(
    -1,
    ...inode.flushes.filter(({ safe }) => safe <= moment).map(({ from }) => from),
  );
  const done = inode.writes.filter((write) => write.moment <= moment);
  const safe = content(done.filter((write) => write.moment <= safeUntil));
  const visible = content(done);
  const loss = losses.bytes(visible.length);
  if (safe.equals(visible) || loss === 'kept') return visible;
  if (loss === 'lost') return safe;
  if (loss === 'half') return visible.subarray(0, Math.max(safe.length, Math.floor(visible.length / 2)));
  const zeros = Buffer.alloc(visible.length);
  safe.copy(zeros);
  return zeros;
}

function content(writes: Inode['writes']): Buffer {
  let bytes = Buffer.alloc(0);
  for (const { at, data } of writes) {
    if (data === 'truncate') bytes = Buffer.alloc(0);
    else {
      const end = at + data.length;
      if (end > bytes.length) bytes = Buffer.concat([bytes, Buffer.alloc(end - bytes.length)]);
      data.copy(bytes, at);
    }
  }
  return bytes;
}

function truncates(flags: fs.OpenMode): boolean {
  if (typeof flags === 'number') return (flags & fs.constants.O_TRUNC) !== 0;
  return flags.startsWith('w');
}

function pick<T extends object>(from: T, keys: readonly string[]): Partial<T> {
  return Object.fromEntries(keys.map((key) => [key, from[key as keyof T]])) as Partial<T>;
}
