/** The page around a page: head, navigation, theme switch, sign-out, and where messages stand. */
import { html } from 'hono/html';
import type { Administrator } from '../admin/administrator.ts';
import type { Page } from './page.ts';
import { type Html, link, nothing } from './parts/html.ts';
import type { Texts } from './texts/en.ts';

export const themes = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

/** One group of the navigation. */
export interface NavGroup {
  /** A key of `texts.groups`; undefined for the first group, which has no heading. */
  readonly name: keyof Texts['groups'] | undefined;
  readonly pages: readonly Page[];
}

export interface FrameOptions {
  readonly texts: Texts;
  readonly theme: Theme;
  readonly title: string;
  /** Path of the page that the navigation marks; undefined where there is no navigation. */
  readonly current: string | undefined;
  readonly groups: readonly NavGroup[];
  /** Kinds of change that the page follows. */
  readonly follows: readonly string[];
  /** The path and query of the page, also where an action of it has failed: a change of the theme comes back to it. Below `/ui/`. */
  readonly here: string;
  /** Undefined for a client that has not signed in. */
  readonly administrator: Administrator | undefined;
  /** A print of the assets, so that a browser never uses those of another version. */
  readonly assets: string;
  readonly main: Html | Promise<Html>;
}

/** A whole document. */
export function frame(options: FrameOptions): Html | Promise<Html> {
  const { texts, theme, title, follows, here, assets, main, current } = options;
  const { frame: words } = texts;
  return html`<!doctype html>
<html lang="${texts.language}" data-theme="${theme}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · ${words.product}</title>
<link rel="icon" href="/ui/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/assets/ui.css?v=${assets}">
<script type="module" src="/ui/assets/ui.js?v=${assets}"></script>
</head>
<body>
<a class="skip" href="#content">${words.skip}</a>
<header class="top">
<a class="brand" href="/ui">${mark()}<span>${words.product}</span></a>
${current === undefined ? nothing : menu(options)}
</header>
${current === undefined ? nothing : html`<nav class="side" aria-label="${words.navigation}">${groupsOf(options)}${settings(options)}</nav>`}
<main id="content" tabindex="-1" data-here="${here}" data-follows="${follows.join(' ')}">
${main}
</main>
</body>
</html>`;
}

/** The heading of a page, with the switch of its updates, which the script shows. `beside`: what stands at its right. */
export function heading(texts: Texts, title: string, beside: Html = nothing): Html {
  const { on, paused, lost, pause, resume } = texts.frame.live;
  return html`<div class="heading"><h1>${title}</h1>${beside}
<button id="live" class="live" type="button" hidden data-on="${on}" data-paused="${paused}" data-lost="${lost}" data-pause="${pause}" data-resume="${resume}" title="${pause}"><span>${on}</span></button></div>`;
}

/** What an action did, or why it did nothing. */
export function message(kind: 'done' | 'problem', text: string, title?: string): Html {
  const role = kind === 'done' ? 'status' : 'alert';
  return html`<div class="message ${kind}" role="${role}">${title === undefined ? nothing : html`<strong>${title}</strong> `}${text}</div>`;
}

/** On narrow screens: the same navigation, behind a button that works without the script. */
function menu(options: FrameOptions): Html {
  const { frame: words } = options.texts;
  return html`<details class="menu"><summary>${words.menu}</summary><nav aria-label="${words.menu}">${groupsOf(options)}${settings(options)}</nav></details>`;
}

function groupsOf({ groups, texts, current }: FrameOptions): Html[] {
  return groups.map(
    ({
      name,
      pages,
    }) => html`${name === undefined ? nothing : html`<p class="group">${texts.groups[name]}</p>`}<ul>
${pages.map((page) => {
  const mark = page.path === current ? html` aria-current="page"` : nothing;
  return html`<li><a href="${link(page.path)}"${mark}>${texts.pages[page.name]}</a></li>`;
})}</ul>`,
  );
}

function settings(options: FrameOptions): Html {
  const { texts, theme, here, administrator } = options;
  const { frame: words } = texts;
  return html`<div class="settings">
<form method="post" action="/ui/theme" class="themes">
<input type="hidden" name="back" value="${here}">
<fieldset><legend>${words.theme}</legend>
${themes.map((one) => html`<button name="theme" value="${one}" aria-pressed="${String(one === theme)}">${words.themes[one]}</button>`)}
</fieldset></form>
${accountOf(words, administrator)}
<p class="quiet">${words.utc}</p>
</div>`;
}

function accountOf(words: Texts['frame'], administrator: Administrator | undefined): Html {
  if (!administrator) return nothing;
  const { name, by, mayChange } = administrator;
  if (!mayChange) return html`<p>${words.readOnly}. <a href="/ui/sign-in">${words.signIn}</a></p>`;
  const out = html`<button class="plain">${words.signOut}</button>`;
  return html`<form method="post" action="/ui/sign-out"><p>${words.signedInAs(name)}</p>${by === 'session' ? out : nothing}</form>`;
}

function mark(): Html {
  return html`<svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path class="mark-roof" d="M2 10 12 3l10 7v2H2z"/><path class="mark-box" d="M5 14h4v3H5zm5.5 0h4v3h-4zM16 14h3v3h-3zM5 18h3v3H5zm4.5 0h5v3h-5zm6.5 0h3v3h-3z"/></svg>`;
}
