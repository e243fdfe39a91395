/** Drafts as text of entrepot.toml. */
import { hostOf } from '../../oci/reference.ts';
import { tomlText } from '../toml/toml-text.ts';
import type { SyncDraft } from './sync-draft.ts';

/** `[[sync]]` with the keys that differ from their defaults. Ends with a line break. */
export function textOfDraft(name: string, draft: SyncDraft): string {
  const { source, tags, digests, platforms, referrers, floor, times } = draft;
  const tagKeys = Object.entries(tags).map(([key, value]) => `${key} = ${tomlText(value)}`);
  const keys: readonly (readonly [string, string | undefined])[] = [
    ['name', tomlText(name)],
    ['source', tomlText(source)],
    ['tags', tagKeys.length === 0 ? undefined : `{ ${tagKeys.join(', ')} }`],
    ['digests', digests && tomlText(digests)],
    ['platforms', platforms && tomlText(platforms)],
    ['referrers', referrers === 'all' ? undefined : tomlText(referrers)],
    ['floor', floor === undefined ? undefined : String(floor)],
    ...Object.entries(times).map(([key, value]) => [key, tomlText(value)] as const),
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
