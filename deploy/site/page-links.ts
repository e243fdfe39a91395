/** Where the links of a page lead in the site: to another page, to a copy of a file, or out of it. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';

/** A page or a file of the checkout that a page names, by its path from there. */
export interface Linked {
  readonly source: string;
  readonly isPage: boolean;
}

/** Path in the site of a page (`docs/access.md` is `docs/access.html`), of an image, or of another file, which is shown as text. */
export function sitePath({ source, isPage }: Linked): string {
  if (/\.(?:png|svg|webp)$/.test(source)) return source;
  return isPage ? source.replace(/\.md$/, '.html') : `files/${source}.txt`;
}

/** What `href` in the page `from` names. Undefined for an anchor of the page, another site, or a folder without a README. */
export function linkedFrom(from: string, href: string, checkout: string): Linked | undefined {
  const [path = ''] = href.split('#');
  if (path === '' || /^[a-z]+:/i.test(href)) return undefined;
  const source = normalize(join(dirname(from), path));
  const file = join(checkout, source);
  if (!existsSync(file)) throw new Error(`${from} links to ${href}, which is not there`);
  if (!statSync(file).isDirectory()) return { source, isPage: source.endsWith('.md') };
  const readme = join(source, 'README.md');
  return existsSync(join(checkout, readme)) ? { source: readme, isPage: true } : undefined;
}

/** `href` as it is written in the page of the site. Undefined if the site has no such place. */
export function rewritten(from: string, href: string, checkout: string): string | undefined {
  if (href.startsWith('#') || /^[a-z]+:/i.test(href)) return href;
  const linked = linkedFrom(from, href, checkout);
  if (!linked) return undefined;
  const [, anchor] = href.split('#');
  const path = relative(dirname(sitePath({ source: from, isPage: true })), sitePath(linked));
  return anchor === undefined || !linked.isPage ? path : `${path}#${anchor}`;
}
