/** Ustar archives: entries are written as the test gives them, right or wrong. */

/** Small text files, by name: enough for a layer that a runtime can unpack. */
export function buildTar(files: Readonly<Record<string, string>>): Buffer {
  return rawTar(Object.entries(files).map(([path, body]) => ({ path, body })));
}

export interface RawEntry {
  readonly path: string;
  readonly body?: Uint8Array | string;
  /** Of the header; default: that of the body. */
  readonly size?: number;
  /** Type of the header: `0` a file. */
  readonly type?: string;
  readonly target?: string;
}

/** One header and a padded body; a long path is in a pax header before it. */
export function rawEntry({ path, body = '', size, type = '0', target = '' }: RawEntry): Buffer {
  if (path.length > 100)
    return Buffer.concat([paxHeader({ path }), rawEntry({ path: 'long', body, type, target })]);
  const content = Buffer.from(body as Uint8Array);
  const block = Buffer.alloc(512);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(path, 0, 100);
  block.write(octal(0o644, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size ?? content.length, 11), 124);
  block.write(octal(0, 11), 136);
  // The checksum counts its own field as spaces.
  block.write('        ', 148);
  block.write(type, 156);
  block.write(target, 157, 100);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([block, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

/** A whole archive. */
export function rawTar(entries: readonly (RawEntry | Buffer)[]): Buffer {
  return Buffer.concat([
    ...entries.map((one) => (Buffer.isBuffer(one) ? one : rawEntry(one))),
    Buffer.alloc(1024),
  ]);
}

/** A pax header for the entry behind it. */
export function paxHeader(records: Readonly<Record<string, string>>, type = 'x'): Buffer {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length + 1;
    while (`${length}${rest}`.length !== length) length = `${length}${rest}`.length;
    return `${length}${rest}`;
  });
  return rawEntry({ path: 'PaxHeaders/entry', body: lines.join(''), type });
}
