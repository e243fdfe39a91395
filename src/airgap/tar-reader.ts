/**
 * Reads a tar from anywhere. Archives come by courier, so each field is checked, and nothing is read into memory whose size the archive
 * alone decides. Understood: ustar, the pax records `path` and `size`, GNU long names. Refused, with the name of the entry: hard links,
 * devices, sparse files, paths that leave the archive, sizes that are none, headers that are too long.
 *
 *   512 header | body, padded to 512 | 512 header | ... | two blocks of zeros
 *
 * Formats: POSIX.1-2024, pax, "pax Interchange Format" and "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
 */
import { EntrepotError } from '../errors.ts';
import { type ByteReader, createByteReader } from './byte-reader.ts';

export interface TarEntry {
  /** Without `./` before and `/` behind; never absolute, never with `..`. */
  readonly path: string;
  readonly isFolder: boolean;
  /** Bytes of the body. */
  readonly size: number;
  /** Of a symbolic link: where it points, as written. */
  readonly target?: string;
  /** The body, once. What is not read is skipped when the next entry is asked for. Fails where the archive ends before. */
  body(): AsyncGenerator<Uint8Array>;
}

export interface TarBounds {
  readonly entries: number;
  /** Characters of all paths, which a reader may keep. */
  readonly paths: number;
}

const block = 512;
/** Bytes of one pax header. Writers use some hundred. */
const maxPax = 64 * 1024;
const maxPath = 1024;
/** Bytes of zeros behind the end. GNU tar fills up to 10 KiB, tapes to more. */
const maxPadding = 1024 * 1024;
const decoder = new TextDecoder('utf-8', { fatal: true });

/** The entries of `bytes` in order. `file`: for messages. Throws EntrepotError BUNDLE_INVALID. */
export async function* readTar(
  bytes: AsyncIterable<Uint8Array>,
  file: string,
  bounds: TarBounds,
): AsyncGenerator<TarEntry> {
  const reader = createByteReader(bytes);
  const fail = (problem: string): never => {
    throw new EntrepotError('BUNDLE_INVALID', problem, { file });
  };
  const cut = (where: string): never => fail(`the archive ends ${where}: it is cut off`);
  try {
    let count = 0;
    let paths = 0;
    let extra: Extra = {};
    for (;;) {
      const isFirst = count === 0;
      const header =
        (await reader.exactly(block)) ??
        (isFirst ? fail('is no tar: it is shorter than a header') : cut('without an end mark'));
      if (isZero(header)) break;
      count += 1;
      if (count > bounds.entries) fail(`has more than ${bounds.entries} entries`);
      const raw = readHeader(header, fail);
      if ('xgLK'.includes(raw.type)) {
        const limit = 'xg'.includes(raw.type) ? maxPax : maxPath;
        if (raw.size > limit) fail(`an extended header has ${raw.size} bytes: more than ${limit}`);
        const text = (await reader.exactly(raw.size)) ?? cut('in an extended header');
        await reader.exactly(padding(raw.size));
        extra = { ...extra, ...readExtra(raw.type, text, fail) };
        continue;
      }
      const entry = describe(raw, extra, fail);
      extra = {};
      const { path, size } = entry;
      paths += path.length;
      if (paths > bounds.paths) fail(`has paths of more than ${bounds.paths} characters in all`);
      let left = size;
      yield {
        ...entry,
        async *body() {
          while (left > 0) {
            const part = (await reader.some(left)) ?? cut(`within ${path}`);
            left -= part.length;
            yield part;
          }
        },
      };
      while (left > 0) left -= ((await reader.some(left)) ?? cut(`within ${path}`)).length;
      if (padding(size) > 0 && !(await reader.exactly(padding(size)))) cut(`behind ${path}`);
    }
    await readPadding(reader, fail);
  } finally {
    await reader.close();
  }
}

/** What extended headers say of the next entry. */
interface Extra {
  readonly path?: string;
  readonly size?: number;
  readonly target?: string;
}

interface RawHeader {
  readonly name: string;
  readonly size: number;
  readonly type: string;
  readonly target: string;
}

type Fail = (problem: string) => never;

function readHeader(header: Uint8Array, fail: Fail): RawHeader {
  let sum = 8 * 0x20;
  for (let at = 0; at < block; at += 1) if (at < 148 || at >= 156) sum += header[at] ?? 0;
  if (readNumber(header.subarray(148, 156)) !== sum) fail('is no tar: the sum of a header does not fit');
  const prefix = text(header.subarray(257, 263)) === 'ustar' ? readText(header.subarray(345, 500), fail) : '';
  const base = readText(header.subarray(0, 100), fail);
  const name = prefix === '' ? base : `${prefix}/${base}`;
  const size = readNumber(header.subarray(124, 136));
  if (size === undefined) return fail(`${shown(name)} has a size that is none`);
  const type = header[156] === 0 ? '0' : String.fromCharCode(header[156] ?? 0);
  return { name, size, type, target: readText(header.subarray(157, 257), fail) };
}

/** A whole number of at least 0: octal text, or base 256 for large ones (GNU tar). */
function readNumber(field: Uint8Array): number | undefined {
  if (field[0] === 0x80) {
    const value = BigInt(`0x${Buffer.from(field.subarray(1)).toString('hex')}`);
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : undefined;
  }
  const digits = text(field).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : undefined;
}

/** Up to the first zero byte, in Latin-1. */
function text(field: Uint8Array): string {
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('latin1');
}

function readText(field: Uint8Array, fail: Fail): string {
  const end = field.indexOf(0);
  try {
    return decoder.decode(end < 0 ? field : field.subarray(0, end));
  } catch {
    return fail('an entry has a name that is no UTF-8');
  }
}

function readExtra(type: string, bytes: Uint8Array, fail: Fail): Extra {
  if (type === 'L') return { path: readText(bytes, fail) };
  if (type === 'K') return { target: readText(bytes, fail) };
  const records = readRecords(bytes, fail);
  const sparse = [...records.keys()].find((key) => key.startsWith('GNU.sparse'));
  if (sparse !== undefined) fail('holds a sparse file: pack it without --sparse');
  const [path, size, target] = [records.get('path'), records.get('size'), records.get('linkpath')];
  // It would rename or resize each entry that follows.
  if (type === 'g') {
    if (path !== undefined || size !== undefined || target !== undefined)
      fail('a global header names a path, a size or a link');
    return {};
  }
  if (size !== undefined && !/^[0-9]{1,15}$/.test(size)) fail('an extended header has a size that is none');
  return {
    ...(path !== undefined && { path }),
    ...(size !== undefined && { size: Number(size) }),
    ...(target !== undefined && { target }),
  };
}

/** `LENGTH KEY=VALUE\n` after each other. */
function readRecords(bytes: Uint8Array, fail: Fail): Map<string, string> {
  const found = new Map<string, string>();
  const wrong = () => fail('an extended header is malformed');
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? '' : text(bytes.subarray(at, space));
    const end = at + Number(length);
    if (!/^[1-9][0-9]{0,5}$/.test(length) || end > bytes.length || bytes[end - 1] !== 0x0a) wrong();
    const record = Buffer.from(bytes.subarray(space + 1, end - 1)).toString('utf8');
    const equals = record.indexOf('=');
    if (equals < 1) wrong();
    const key = record.slice(0, equals);
    if (found.has(key)) wrong();
    found.set(key, record.slice(equals + 1));
    at = end;
  }
  return found;
}

function describe(raw: RawHeader, extra: Extra, fail: Fail): Omit<TarEntry, 'body'> {
  const name = extra.path ?? raw.name;
  const size = extra.size ?? raw.size;
  const isFolder = raw.type === '5' || (raw.type === '0' && name.endsWith('/'));
  const path = checkedPath(name, isFolder, fail);
  const kind = refused[raw.type];
  if (kind !== undefined) fail(`${shown(path)} is ${kind}, which is never unpacked`);
  if (!'0725'.includes(raw.type)) fail(`${shown(path)} is of the unknown kind ${JSON.stringify(raw.type)}`);
  if ((isFolder || raw.type === '2') && size !== 0) fail(`${shown(path)} has a body, which its kind has not`);
  if (raw.type !== '2') return { path, isFolder, size };
  return { path, isFolder, size, target: extra.target ?? raw.target };
}

const refused: Readonly<Record<string, string>> = {
  1: 'a hard link',
  3: 'a device',
  4: 'a device',
  6: 'a named pipe',
  S: 'a sparse file',
};

function checkedPath(name: string, isFolder: boolean, fail: Fail): string {
  if (name.length > maxPath) fail(`an entry has a path of ${name.length} characters: more than ${maxPath}`);
  if (name.startsWith('/')) fail(`${shown(name)} is an absolute path`);
  const parts = name
    .split('/')
    .filter((part, at, all) => part !== '.' && !(part === '' && at === all.length - 1));
  const isPlain = parts.every((part) => part !== '' && part !== '..' && !/[\0-\x1f\x7f\\]/.test(part));
  if (!isPlain || (parts.length === 0 && !isFolder)) fail(`${shown(name)} is no path within the archive`);
  return parts.join('/');
}

async function readPadding(reader: ByteReader, fail: Fail): Promise<void> {
  let length = 0;
  for (let part = await reader.some(block); part; part = await reader.some(block)) {
    length += part.length;
    if (!isZero(part) || length > maxPadding) fail('goes on behind its end mark');
  }
}

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += 1) if (bytes[at] !== 0) return false;
  return true;
}

function padding(size: number): number {
  return (block - (size % block)) % block;
}

/** For messages. */
function shown(name: string): string {
  return JSON.stringify(name.slice(0, 200));
}
