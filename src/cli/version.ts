/** The version of this program. */
import { readFileSync } from 'node:fs';

/** From package.json, the only place that states it. */
export function readVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
