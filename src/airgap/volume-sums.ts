/** `NAME.sha256sums`: a line for each volume as `sha256sum` writes and checks it. Names hold nothing that it would escape. */

/** Hex digests by the name of the file. */
export type Sums = ReadonlyMap<string, string>;

const lineForm = /^([a-f0-9]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._-]*)$/;

/** The text, in the order of the map. */
export function printSums(sums: Sums): string {
  return [...sums].map(([name, hex]) => `${hex}  ${name}\n`).join('');
}

/** The lines that have the form; others are left out. */
export function parseSums(text: string): Sums {
  const sums = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, hex, name] = lineForm.exec(line) ?? [];
    if (hex !== undefined && name !== undefined) sums.set(name, hex);
  }
  return sums;
}
