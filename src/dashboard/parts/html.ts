/**
 * What pages are made of. `html` escapes every text and every quoted attribute. Three rules keep it so, and
 * `test/unit/dashboard/escaping.test.ts` reads the sources for them: attributes are quoted; no text from outside becomes a URL, since
 * `javascript:` needs no escaping (`link` makes all URLs); and nothing is written unescaped.
 */
import { html } from 'hono/html';

export type Html = ReturnType<typeof html>;

/** Nothing, where a page has nothing to show. */
export const nothing: Html = html``;

/** Parameters of a page's address. Undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

/** The address of a page of the dashboard. `path` is written in the sources, never taken from a request. */
export function link(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') parameters.set(name, String(value));
  }
  return `/ui${path === '' ? '' : `/${path}`}${parameters.size === 0 ? '' : `?${parameters}`}`;
}
