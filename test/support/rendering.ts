/** A registries.conf, rendered for a client. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { type RenderOptions, render } from '../../src/config/render/render.ts';
import type { Rendered, RenderFormat } from '../../src/config/render/rendered.ts';
import { type Cleanup, tempFolder } from './temp-folder.ts';

export interface RenderInput extends RenderOptions {
  /** registries.conf. */
  readonly conf?: string;
  /** entrepot.toml. */
  readonly settings?: string;
}

/** Renders with these files and no others. */
export function rendered(
  test: Cleanup,
  format: RenderFormat,
  { conf = '', settings = '', ...options }: RenderInput,
): Rendered {
  const folder = tempFolder(test);
  const registries = join(folder, 'registries.conf');
  const config = join(folder, 'entrepot.toml');
  writeFileSync(registries, conf);
  writeFileSync(config, settings);
  const surroundings = { env: {}, home: folder, uid: 1, cwd: folder };
  return render(format, loadConfig({ ...surroundings, flags: { registries, config } }), options);
}

/** The text of the one file, without its comments. */
export function onlyText({ files }: Rendered): string {
  const [file, ...others] = files;
  if (!file || others.length > 0) throw new Error(`${files.length} files instead of one`);
  return withoutComments(file.text);
}

/** Without lines that are comments, and without empty lines at the beginning. */
export function withoutComments(text: string): string {
  return text.replaceAll(/^#.*\n/gm, '').replace(/^\n+/, '');
}

/** `ENTRY MIRROR KEY`, each `-` if it is undefined. */
export function warned({ warnings }: Rendered): readonly string[] {
  return warnings.map(({ entry = '-', mirror = '-', key }) => `${entry} ${mirror} ${key}`);
}
