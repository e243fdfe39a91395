/**
 * The documentation as a site of plain files: any server can hold it, and it works when it is opened from a folder.
 *
 *   node deploy/site/build.ts [FOLDER]       default: out/site
 *
 * Pages are those of docs/, README.md and CHANGELOG.md, and each page and file of the checkout that a page links to.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import MiniSearch from 'minisearch';
import { contentsOf, framed, frontPage, menuOf } from './frame.ts';
import { tasks } from './navigation.ts';
import { sitePath } from './page-links.ts';
import { type RenderedPage, renderPage } from './render-page.ts';

const checkout = join(import.meta.dirname, '..', '..');

/** Options of the search, here and in assets/site.js. */
export const searchOptions = { fields: ['title', 'page', 'text'], storeFields: ['title', 'page', 'path'] };

/** Replaces `folder`. */
export function buildSite(folder: string): void {
  const pages = collectPages();
  const menu = menuOf(tasks, pages);
  rmSync(folder, { recursive: true, force: true });
  const place = (path: string, content: string | Buffer) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  const summaries = new Map<string, string>();
  for (const page of pages.values()) {
    const path = sitePath({ source: page.source, isPage: true });
    summaries.set(path, summaryOf(page));
    place(path, framed({ path, title: page.title }, page.html, contentsOf(page), menu));
    for (const linked of page.links.filter(({ isPage }) => !isPage)) {
      place(sitePath(linked), readFileSync(join(checkout, linked.source)));
    }
  }
  place(
    'index.html',
    framed({ path: 'index.html', title: 'Documentation' }, frontPage(menu, summaries), '', menu),
  );
  cpSync(join(import.meta.dirname, 'assets'), join(folder, 'assets'), { recursive: true });
  const library = join(checkout, 'node_modules/minisearch/dist/umd/index.js');
  place('assets/minisearch.js', readFileSync(library, 'utf8').replace(/\n\/\/# sourceMappingURL=.*/, ''));
  // A script, because a page that is opened from a folder may load no data.
  place('assets/search-index.js', `globalThis.searchIndex = ${JSON.stringify(searchIndex(pages))};\n`);
}

/** Pages by their path in the checkout: the first ones, and what they link to. */
function collectPages(): ReadonlyMap<string, RenderedPage> {
  const pages = new Map<string, RenderedPage>();
  const waiting = ['README.md', 'CHANGELOG.md', ...markdownOf('docs')];
  for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) {
    if (pages.has(source)) continue;
    const page = renderPage(source, readFileSync(join(checkout, source), 'utf8'), checkout);
    pages.set(source, page);
    waiting.push(...page.links.filter(({ isPage }) => isPage).map((linked) => linked.source));
  }
  return pages;
}

function markdownOf(folder: string): readonly string[] {
  const names = readdirSync(join(checkout, folder), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
    .toSorted();
}

/** The first sentence. */
function summaryOf({ sections }: RenderedPage): string {
  return /^.*?[.:](?= |$)/.exec(sections[0]?.body ?? '')?.[0].replace(/:$/, '.') ?? '';
}

/** Of the pages for people; those of src/ and decisions would hide what an operator looks for. */
function searchIndex(pages: ReadonlyMap<string, RenderedPage>): string {
  const search = new MiniSearch(searchOptions);
  const sections = [...pages.values()]
    .filter(({ source }) => /^(?:README\.md|docs\/(?!decisions\/\d))/.test(source))
    .flatMap((page) =>
      page.sections.map(({ text, anchor, body }) => {
        const path = `${sitePath({ source: page.source, isPage: true })}#${anchor}`;
        return { id: path, path, title: text, page: page.title, text: body };
      }),
    );
  search.addAll(sections);
  return JSON.stringify(search);
}

if (import.meta.main) {
  const folder = process.argv[2] ?? join(checkout, 'out/site');
  buildSite(folder);
  process.stdout.write(`${join(folder, 'index.html')}\n`);
}
