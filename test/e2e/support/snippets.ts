/**
 * The configuration that docs/clients.md tells people to write, read from there, so that what is documented is what is tested.
 * A snippet is the first code block after the line that names its file in backticks.
 */
import { readFileSync } from 'node:fs';

const guide = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8');
const documentedAddress = '127.0.0.1:5000';

/** The block for `file`, pointed at `address` (`host:port`). */
export function snippet(file: string, address: string): string {
  const name = file.replaceAll(/[.*+]/g, '\\$&');
  return only(new RegExp(`^[^\n]*\`${name}\`.*?^\`\`\`\\w+\\n(.*?)^\`\`\`$`, 'ms'), file, address);
}

/** The command line that runs `program`, as words. */
export function command(program: string, address: string): readonly string[] {
  const line = only(new RegExp(`^\`\`\`sh\\n(${program} [^\n]*)$`, 'm'), program, address);
  return line.split(' ');
}

function only(pattern: RegExp, what: string, address: string): string {
  const text = guide.match(pattern)?.[1];
  if (text === undefined) throw new Error(`no code block for ${what} in docs/clients.md`);
  if (!text.includes(documentedAddress)) throw new Error(`the block for ${what} has no ${documentedAddress}`);
  return text.replaceAll(documentedAddress, address);
}
