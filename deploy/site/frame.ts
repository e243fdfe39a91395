/** What surrounds each page: head, navigation, search, table of contents. Nothing is inline, so that the policy allows no inline code. */
import { dirname, relative } from 'node:path';
import type { Task } from './navigation.ts';
import { sitePath } from './page-links.ts';
import { escaped, type RenderedPage } from './render-page.ts';

/** A file in a folder has no server that could send headers, so the policy is in the page. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'";

export interface Place {
  /** Path in the site. */
  readonly path: string;
  readonly title: string;
}

/** A whole document. `body` is HTML. */
export function framed(at: Place, body: string, contents: string, menu: readonly Group[]): string {
  const to = (path: string) => escaped(relative(dirname(at.path), path));
  const root = relative(dirname(at.path), '.') || '.';
  return `<!doctype html>
<html lang="en" data-root="${root}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escaped(at.title)} - Entrepot</title>
<link rel="icon" href="${to('assets/icon.svg')}">
<link rel="stylesheet" href="${to('assets/site.css')}">
<script src="${to('assets/site.js')}" defer></script>
</head>
<body>
<a class="skip" href="#content">Skip to the page</a>
<header>
<a class="home" href="${to('index.html')}">Entrepot</a>
<search hidden><input type="search" aria-label="Search the documentation" placeholder="Search" autocomplete="off" spellcheck="false"><ol class="results" hidden></ol></search>
<button type="button" class="theme" hidden>Dark or light</button>
</header>
<div class="columns">
<nav aria-label="Pages"><details open><summary>Pages</summary>
${menu.map((group) => menuGroup(group, at.path, to)).join('\n')}
</details></nav>
<main id="content">
${body}
</main>
${contents}
</div>
</body>
</html>
`;
}

export interface Group {
  readonly title: string;
  readonly pages: readonly Place[];
}

/** The navigation: pages by task, with their own titles, then the pages of docs/ that no task names. */
export function menuOf(tasks: readonly Task[], pages: ReadonlyMap<string, RenderedPage>): readonly Group[] {
  const group = (title: string, sources: readonly string[]): Group => ({
    title,
    pages: sources.map((source) => {
      const page = pages.get(source);
      if (!page) throw new Error(`${source} of the navigation is not there`);
      return { path: sitePath({ source, isPage: true }), title: page.title };
    }),
  });
  const named = tasks.map((task) =>
    group(
      task.title,
      task.pages.map((name) => `docs/${name}.md`),
    ),
  );
  const isNamed = (path: string) => named.some((one) => one.pages.some((place) => place.path === path));
  const others = [...pages.keys()].filter(
    (source) => /^docs\/[^/]+\.md$/.test(source) && !isNamed(sitePath({ source, isPage: true })),
  );
  return others.length === 0 ? named : [...named, group('More', others)];
}

/** The first page: each task with its pages, and what each page says of itself. */
export function frontPage(menu: readonly Group[], summaries: ReadonlyMap<string, string>): string {
  const groups = menu.map(({ title, pages }) => {
    const items = pages.map(
      (page) =>
        `<li><a href="${escaped(page.path)}">${escaped(page.title)}</a> ${escaped(summaries.get(page.path) ?? '')}</li>`,
    );
    return `<section><h2>${escaped(title)}</h2>\n<ul>\n${items.join('\n')}\n</ul></section>`;
  });
  const lead = 'An HTTP pull-through proxy between container runtimes and registries.';
  return `<h1>Entrepot</h1>\n<p>${lead} <a href="README.html">What it does, and how to start it</a>.</p>\n<div class="tasks">${groups.join('\n')}</div>`;
}

/** Headings of the page. */
export function contentsOf({ sections }: RenderedPage): string {
  const shown = sections.filter(({ depth }) => depth === 2 || depth === 3);
  if (shown.length < 2) return '';
  const items = shown.map(
    ({ depth, text, anchor }) => `<li class="depth${depth}"><a href="#${anchor}">${escaped(text)}</a></li>`,
  );
  return `<aside aria-label="On this page"><h2>On this page</h2><ol>\n${items.join('\n')}\n</ol></aside>`;
}

function menuGroup({ title, pages }: Group, current: string, to: (path: string) => string): string {
  const items = pages.map(({ path, title: text }) => {
    const here = path === current ? ' aria-current="page"' : '';
    return `<li><a href="${to(path)}"${here}>${escaped(text)}</a></li>`;
  });
  return `<h2>${escaped(title)}</h2><ul>${items.join('')}</ul>`;
}
