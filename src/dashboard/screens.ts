/** Whole documents as answers: a page in its frame, a form for signing in, a refusal. */
import type { Context as AnyContext } from 'hono';
import { getCookie } from 'hono/cookie';
import { html } from 'hono/html';
import type { AdministeredEnv } from '../admin/administrator.ts';
import { frame, type Theme, themes } from './frame.ts';
import type { Page } from './page.ts';
import { navigation } from './pages.ts';
import { type Html, link, nothing } from './parts/html.ts';
import type { Texts } from './texts/en.ts';

export type Context = AnyContext<AdministeredEnv>;
export type Status = 200 | 400 | 401 | 403 | 404 | 413 | 429 | 500 | 503;

export interface Screens {
  /** `above`: a message over what the page shows. */
  page(c: Context, page: Page, shown: Shown): Promise<Response>;
  /** A document without navigation, for a client that is not in yet. */
  door(c: AnyContext, title: string, main: Html, status?: Status): Promise<Response>;
  /** Says why there is nothing else to see. */
  refusal(c: AnyContext, status: Status, text: string): Promise<Response>;
}

export interface Shown {
  readonly above?: Html;
  readonly main: Html;
  readonly status?: Status;
}

export const themeCookie = 'entrepot_theme';

/** `assets`: the print of the assets that the documents load. */
export function createScreens(texts: Texts, assets: string): Screens {
  async function door(c: AnyContext, title: string, main: Html, status: Status = 200): Promise<Response> {
    const bare = { current: undefined, groups: [], follows: [], here: link(''), administrator: undefined };
    return c.html(await frame({ ...bare, texts, theme: themeOf(c), title, assets, main }), status);
  }

  return {
    door,
    async page(c, page, { above = nothing, main, status = 200 }) {
      const query = [...new URL(c.req.url).searchParams].filter(([name]) => name !== 'notice');
      const whole = await frame({
        texts,
        theme: themeOf(c),
        title: texts.pages[page.name],
        current: page.under ?? page.path,
        groups: navigation,
        follows: page.follows ?? [],
        here: link(page.path, Object.fromEntries(query)),
        administrator: c.get('administrator'),
        assets,
        main: html`${above}${main}`,
      });
      return c.html(whole, status);
    },
    refusal(c, status, text) {
      const title = status === 403 || status === 401 ? texts.refused.title : texts.frame.problem;
      const back = html`<p><a href="/ui/sign-in">${texts.frame.signIn}</a> <a href="/ui">${texts.pages.overview}</a></p>`;
      return door(
        c,
        title,
        html`<section class="door"><h1>${title}</h1><p>${text}</p>${back}</section>`,
        status,
      );
    },
  };
}

function themeOf(c: AnyContext): Theme {
  const wanted = getCookie(c, themeCookie);
  return themes.find((one) => one === wanted) ?? 'auto';
}
