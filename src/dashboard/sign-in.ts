/**
 * Signing in and out:
 *
 *   GET  /ui/sign-in            form for account and password, or token
 *   GET  /ui/sign-in?code=...   form with the code of `entrepot dashboard`; a GET alone uses no code, since previews of links send one
 *   POST /ui/sign-in            session, cookie, 303 to the page that was asked for
 *   POST /ui/sign-out           end of the session
 */
import { type Context, Hono } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { html } from 'hono/html';
import type { Access } from '../access/access.ts';
import type { AdministeredEnv } from '../admin/administrator.ts';
import { readForm } from './form.ts';
import { message } from './frame.ts';
import { type Html, link, nothing } from './parts/html.ts';
import type { Screens } from './screens.ts';
import { type Sessions, sessionCookie, sessionLife } from './sessions.ts';
import type { Texts } from './texts/en.ts';

export interface SignInDeps {
  readonly sessions: Sessions;
  /** In force now. */
  readonly access: () => Pick<Access, 'isOpen' | 'allowance'>;
  readonly texts: Texts;
  /** A document without navigation. */
  readonly show: Screens['door'];
}

/** Routes below `/ui`. */
export function createSignIn({ sessions, access, texts, show }: SignInDeps): Hono<AdministeredEnv> {
  const app = new Hono<AdministeredEnv>();
  const words = texts.signIn;

  app.get('/sign-in', (c) => {
    const { code } = c.req.query();
    const to = ownPath(c.req.query('to'));
    if (code !== undefined) return show(c, words.title, codeForm(texts, code));
    return show(c, words.title, access().isOpen ? noAccounts(texts) : passwordForm(texts, to));
  });

  app.post('/sign-in', async (c) => {
    const form = await readForm(c);
    const to = ownPath(form.get('to') ?? undefined);
    const code = form.get('code');
    if (code !== null) {
      const secret = sessions.redeem(code);
      if (secret !== undefined) return enter(c, secret, to);
      return show(c, words.title, noAccounts(texts, words.codeWrong), 401);
    }
    const found = await c.get('typed').identify(authorizationOf(form));
    if (!found.ok) {
      const problem = { credentials: words.wrong, busy: words.busy, unavailable: words.unavailable }[
        found.reason
      ];
      return show(
        c,
        words.title,
        passwordForm(texts, to, problem),
        found.reason === 'credentials' ? 401 : 503,
      );
    }
    const { principal, expires } = found;
    if (principal.kind === 'anonymous')
      return show(c, words.title, passwordForm(texts, to, words.wrong), 401);
    if (!access().allowance(principal, 'administer', undefined)) {
      return show(c, words.title, passwordForm(texts, to, words.notAllowed(principal.name)), 403);
    }
    sessions.end(getCookie(c, sessionCookie));
    return enter(c, sessions.begin(principal, expires), to);
  });

  app.post('/sign-out', (c) => {
    sessions.end(getCookie(c, sessionCookie));
    deleteCookie(c, sessionCookie, { path: '/' });
    return c.redirect('/ui/sign-in', 303);
  });

  function enter(c: Context<AdministeredEnv>, secret: string, to: string): Response {
    setCookie(c, sessionCookie, secret, {
      path: '/',
      httpOnly: true,
      sameSite: 'Strict',
      secure: c.get('typed').isSecure,
      maxAge: sessionLife / 1000,
    });
    return c.redirect(to, 303);
  }

  return app;
}

/** Basic for an account or the name of a token; Bearer for a token alone. */
function authorizationOf(form: URLSearchParams): string {
  const account = form.get('account') ?? '';
  const password = form.get('password') ?? '';
  if (account === '') return `Bearer ${password}`;
  return `Basic ${Buffer.from(`${account}:${password}`).toString('base64')}`;
}

/** A path of the dashboard; its first page for anything else. */
export function ownPath(text: string | undefined): string {
  return text !== undefined && /^\/ui(?:[/?][\w/?&=%.~+-]*)?$/.test(text) ? text : link('');
}

function passwordForm(texts: Texts, to: string, problem?: string): Html {
  const words = texts.signIn;
  return html`<section class="door"><h1>${words.title}</h1>
${problem === undefined ? nothing : message('problem', problem)}
<p>${words.lead}</p>
<form method="post" action="/ui/sign-in">
<input type="hidden" name="to" value="${to}">
<label>${words.account}<input name="account" autocomplete="username" autocapitalize="none" spellcheck="false"></label>
<label>${words.password}<input name="password" type="password" autocomplete="current-password" required></label>
<button class="primary">${words.submit}</button>
</form>
<p class="quiet">${words.otherway} <code>${words.command}</code>. ${words.otherwayEnd}</p></section>`;
}

/** Without `[access]`, and for a code that does not work: the command on the machine is the way in. */
function noAccounts(texts: Texts, problem?: string): Html {
  const words = texts.signIn;
  return html`<section class="door"><h1>${words.title}</h1>
${problem === undefined ? nothing : message('problem', problem)}
<p>${words.noAccounts} <code>${words.command}</code>.</p>
<p class="quiet">${words.otherwayEnd}</p></section>`;
}

function codeForm(texts: Texts, code: string): Html {
  const words = texts.signIn;
  return html`<section class="door"><h1>${words.title}</h1>
<p>${words.code}</p>
<form method="post" action="/ui/sign-in">
<input type="hidden" name="code" value="${code}">
<button class="primary" autofocus>${words.codeSubmit}</button>
</form></section>`;
}
