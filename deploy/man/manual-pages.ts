/**
 * All manual pages: those of commands from the program that prints `--help`, those of files from docs/configuration.md.
 *
 *   node deploy/man/manual-pages.ts FOLDER       writes them
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandTree } from '../../src/cli/completion/command-tree.ts';
import { createProgram } from '../../src/cli/program.ts';
import { readVersion } from '../../src/cli/version.ts';
import { sourceDate } from '../build/source-date.ts';
import { commandPages, type Edition } from './command-pages.ts';
import { asRoff, markdownSection } from './markdown-sections.ts';
import { bold, heading, page, plain, section } from './roff.ts';

const checkout = join(import.meta.dirname, '..', '..');

/** Texts by file name, such as `entrepot-serve.1`. */
export function manualPages(edition: Edition): ReadonlyMap<string, string> {
  const configuration = readFileSync(join(checkout, 'docs/configuration.md'), 'utf8');
  const variables = asRoff(markdownSection(configuration, 'Flags and variables'));
  const pages = commandPages(commandTree(createProgram([], () => {})), edition, variables);
  return pages
    .set(
      'entrepot.toml.5',
      filePage(
        'entrepot.toml',
        'settings of Entrepot',
        edition,
        asRoff(markdownSection(configuration, 'entrepot.toml')),
      ),
    )
    .set(
      'entrepot-registries.conf.5',
      filePage(
        'entrepot-registries.conf',
        'which registries.conf Entrepot reads, and how',
        edition,
        asRoff(markdownSection(configuration, 'registries.conf')),
      ),
    );
}

function filePage(name: string, summary: string, { version, date }: Edition, text: string): string {
  const others = ['entrepot(1)', 'containers-registries.conf(5)'].map((one) => {
    const [page = '', chapter = ''] = one.split('(');
    return `${bold(page)}(${chapter}`;
  });
  return page([
    heading(name, 5, version, date),
    section('Name'),
    `${plain(name)} \\- ${plain(summary)}`,
    section('Description'),
    text,
    section('See also'),
    others.join(',\n'),
  ]);
}

if (import.meta.main) {
  const [, , folder] = process.argv;
  if (folder === undefined) throw new Error('usage: manual-pages.ts FOLDER');
  mkdirSync(folder, { recursive: true });
  const edition = { version: readVersion(), date: sourceDate(checkout, process.env) };
  for (const [name, text] of manualPages(edition)) writeFileSync(join(folder, name), text);
}
