/** What each format is made from. */
import type { Config } from '../config.ts';
import type { RegistriesConf } from '../registries-conf/registries.ts';
import { type MirrorAddress, urlOfMirror } from './mirror-address.ts';
import type { NodeEntry } from './node-entry.ts';
import type { RenderFormat, Warn } from './rendered.ts';

export interface RenderPlan {
  /** Sorted by prefix; each prefix once. */
  readonly entries: readonly NodeEntry[];
  /** Lines of the comment at the top of a file, without its sign. */
  readonly header: readonly string[];
  /** For keys that are no entries; undefined: nothing of them is rendered. */
  readonly globals: RegistriesConf | undefined;
  readonly mirrorOf: MirrorAddress | undefined;
  readonly routing: Config['server']['routing'];
  readonly warn: Warn;
}

/** How the first line of a rendered file begins, after the sign of a comment. A file with it may be written again. */
export const renderedMark = 'Written by "entrepot render';

/** Says which command wrote the file, and from what; no time, so that the same input gives the same bytes. */
export function headerLines(
  format: RenderFormat,
  { registries, server }: Pick<Config, 'registries' | 'server'>,
  mirrorOf: MirrorAddress | undefined,
): readonly string[] {
  const files = [...registries.files, ...(server.policies === undefined ? [] : [server.policies])];
  return [
    `${renderedMark} ${format}": change its source and write it again.`,
    ...(mirrorOf ? [`Mirror: ${urlOfMirror(mirrorOf)}, for what it lists.`] : []),
    ...(files.length === 0 ? ['the built-in list of registries'] : files).map(
      (file) => `From: ${file.replaceAll(/[\x00-\x1f\x7f]+/g, ' ')}`,
    ),
  ];
}

/** The lines as a comment of TOML or YAML. */
export function comment(header: readonly string[]): string {
  return header.map((line) => `# ${line}\n`).join('');
}
