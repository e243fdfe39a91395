/** Drafts as text of entrepot.toml. */
import { hostOf } from '../../oci/reference.ts';
import type { SyncDraft } from './sync-draft.ts';

/** `[[sync]]` with the keys that differ from their defaults. Ends with a line break. */
export function textOfDraft(name: string, draft: SyncDraft): string {
  const { source, tags, digests, platforms, referrers, floor, times } = draft;
  const tagKeys = Object.entries(tags).map(([key, value]) => `${key} = ${toml(value)}`);
  const keys: readonly (readonly [string, string | undefined])[] = [
    ['name', toml(name)],
    ['source', toml(source)],
    ['tags', tagKeys.length === 0 ? undefined : `{ ${tagKeys.join(', ')} }`],
    ['digests', digests && toml(digests)],
    ['platforms', platforms && toml(platforms)],
    ['referrers', referrers === 'all' ? undefined : toml(referrers)],
    ['floor', floor === undefined ? undefined : String(floor)],
    ...Object.entries(times).map(([key, value]) => [key, toml(value)] as const),
  ];
  const lines = keys.flatMap(([key, value]) => (value === undefined ? [] : [`${key} = ${value}\n`]));
  return `[[sync]]\n${lines.join('')}`;
}

/** A name that is not in `used`, from the path of the repository. */
export function nameOfDraft({ source, suffix }: SyncDraft, used: ReadonlySet<string>): string {
  const path = source.slice(hostOf(source).length + 1);
  const words = [path, ...(suffix === undefined ? [] : [suffix])].join('-');
  const base =
    words
      .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(-50) || 'sync';
  const start = /^[A-Za-z0-9]/.test(base) ? base : `s${base}`;
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? start : `${start}-${n}`;
    if (!used.has(name)) return name;
  }
}

/** A basic string of TOML differs from one of JSON in DEL and in halves of surrogate pairs, which neither can hold. */
function toml(value: string | readonly string[]): string {
  if (typeof value !== 'string') return `[${value.map(toml).join(', ')}]`;
  return JSON.stringify(value.toWellFormed()).replaceAll('\x7f', '\\u007F');
}
