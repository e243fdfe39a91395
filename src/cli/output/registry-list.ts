/** The registries that a configuration serves, and the images that it takes pushes for, for `check`. */
import type { ConfigCheck } from '../../config/check.ts';
import type { PushRule } from '../../config/config.ts';
import type { MirrorEntry, RegistryEntry } from '../../config/registries-conf/registries.ts';
import { type Column, formatTable } from './table.ts';

/** Rows of the text. A configuration may list thousands of registries; JSON has all of them. */
const mostRows = 50;

/** Paragraphs for people: the source of the list, a table, what happens to other registries, and where pushes are taken. */
export function registriesAsText({ registries, builtInList, server, settings }: ConfigCheck): string {
  if (!registries) return 'registries: none, because of the errors below\n';
  const { entries, files } = registries;
  const shown = entries.slice(0, mostRows);
  const left = entries.length - shown.length;
  const { unlisted } = server.routing;
  return [
    builtInList
      ? `registries: the built-in list of public registries is in force, because ${builtInReason(files)}`
      : `registries: those of ${files.length === 0 ? 'no file' : files.join(', ')}`,
    ...(shown.length === 0 ? [] : [formatTable(columns, shown).trimEnd()]),
    ...(left > 0 ? [`... and ${left} more: --json prints all`] : []),
    ...(settings
      ? [
          `any other registry is ${unlisted === 'direct' ? 'asked directly' : 'refused'} (routing.unlisted = "${unlisted}")`,
        ]
      : []),
    ...(server.push.length === 0 ? [] : ['', formatTable(pushColumns, server.push).trimEnd()]),
    '',
  ].join('\n');
}

/** Why the built-in list is in force. `files` are those of registries.conf that were read. */
export function builtInReason(files: readonly string[]): string {
  return files.length === 0 ? 'no registries.conf was found' : `no registry is listed in ${files.join(', ')}`;
}

const columns: readonly Column<RegistryEntry>[] = [
  { head: 'registry', cell: ({ prefix }) => prefix },
  { head: 'asked, in order', cell: askedInOrder },
  { head: 'from', cell: ({ origin: { file, line } }) => (file === 'built-in' ? file : `${file}:${line}`) },
];

const pushColumns: readonly Column<PushRule>[] = [
  { head: 'pushes to', cell: ({ match }) => match },
  { head: 'mode', cell: ({ mode }) => mode },
  { head: 'asked', cell: ({ mode }) => asked[mode] },
];

const asked: Readonly<Record<PushRule['mode'], string>> = {
  local: 'no endpoint',
  overlay: 'what was pushed, then the endpoints',
  fill: 'the endpoints',
};

function askedInOrder({ prefix, location, blocked, mirrors }: RegistryEntry): string {
  return [...mirrors.map(mirrorText), blocked ? 'blocked' : location || prefix].join(', ');
}

function mirrorText({ location, pullFromMirror }: MirrorEntry): string {
  return pullFromMirror === 'all' ? location : `${location} (${pullFromMirror})`;
}
