/**
 * The dashboard: pages made here, that work without a script. It is mounted at `/ui`.
 *
 *   request -> browser rules -> asset, theme, sign-in     for every client
 *                           \-> page -> frame             for those that may administer: the mount has asked
 *                           \-> action -> 303             where they may change things, too
 */
import { type Context as AnyContext, Hono } from 'hono';
import { setCookie } from 'hono/cookie';
import { html } from 'hono/html';
import type { Access } from '../access/access.ts';
import { type AdministeredEnv, auditedBy } from '../admin/administrator.ts';
import { EntrepotError } from '../errors.ts';
import { limitedRequest } from '../lib/bytes/limited-request.ts';
import type { Audit, AuditEntry } from '../telemetry/audit/audit.ts';
import type { Log } from '../telemetry/log.ts';
import { readAssets } from './assets.ts';
import { setBrowserRules } from './browser-rules.ts';
import { changeStream } from './change-stream.ts';
import { readForm } from './form.ts';
import { message, themes } from './frame.ts';
import { createNotices } from './notices.ts';
import type { Action, Page, PageDeps, View } from './page.ts';
import { pages } from './pages.ts';
import { createFormat } from './parts/format.ts';
import { link, nothing } from './parts/html.ts';
import { type Context, createScreens, themeCookie } from './screens.ts';
import type { Sessions } from './sessions.ts';
import { createSharedParts } from './shared-parts.ts';
import { createSignIn, ownPath } from './sign-in.ts';
import { en } from './texts/en.ts';

export interface DashboardDeps extends PageDeps {
  readonly sessions: Sessions;
  readonly access: () => Pick<Access, 'isOpen' | 'allowance'>;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly audit?: Audit | undefined;
}

export interface Dashboard {
  /** Its routes begin with `/ui`. */
  readonly app: Hono<MountedEnv>;
  /** The answer for a client that may not administer: the sign-in, or a page that says why. */
  refused(refusal: Refusal, c: AnyContext): Promise<Response>;
}

/** What the mount has found out comes with the environment, since the pages are an app of their own. */
export interface MountedEnv extends AdministeredEnv {
  readonly Bindings: AdministeredEnv['Bindings'] & AdministeredEnv['Variables'];
}

export interface Refusal {
  readonly status: 401 | 403 | 429 | 503;
  readonly message: string;
}

/** Bytes of a form: the editor sends whole files. */
const maxForm = 2 * 1024 * 1024;

/** The fields that say what an action is about, and hold no secret. */
const subjects = ['what', 'name', 'match', 'id', 'path'];
const maxSubject = 300;

/** Throws what the file system throws where an asset is missing. */
export function createDashboard(deps: DashboardDeps): Dashboard {
  const { sessions, access, log, audit, ...pageDeps } = deps;
  const texts = en;
  const format = createFormat(texts.format);
  const assets = readAssets();
  const screens = createScreens(texts, assets.print);
  const notices = createNotices();
  const sharedPart = createSharedParts(deps.clock);
  const app = new Hono<AdministeredEnv>();

  app.use(async (c, next) => {
    await next();
    setBrowserRules(c);
  });
  app.route('/assets', assets.app);
  app.use(async (c, next) => {
    const request = await limitedRequest(c.req.raw, maxForm);
    if (!request) return await screens.refusal(c, 413, texts.refused.tooLarge);
    c.req.raw = request;
    return await next();
  });
  app.post('/theme', async (c) => {
    const form = await readForm(c);
    const theme = themes.find((one) => one === form.get('theme')) ?? 'auto';
    setCookie(c, themeCookie, theme, { path: '/ui', sameSite: 'Lax', maxAge: 400 * 86_400 });
    return c.redirect(ownPath(form.get('back') ?? undefined), 303);
  });
  app.route('/', createSignIn({ sessions, access, texts, show: screens.door }));
  app.get('/changes', changeStream(deps));
  for (const page of pages) {
    app.get(`/${page.path}`, (c) => show(c, page));
    for (const [name, action] of Object.entries(page.actions ?? {})) {
      app.post(`/${page.path === '' ? '' : `${page.path}/`}${name}`, (c) => act(c, page, name, action));
    }
  }
  // What is mounted at a path has no route for the same path with a slash.
  app.get('*', async (c, next) => (c.req.path.endsWith('/') ? c.redirect(link(''), 301) : await next()));
  app.all('*', (c) => screens.refusal(c, 404, texts.refused.notFound));
  app.onError((error, c) => {
    if (error instanceof EntrepotError) return screens.refusal(c, 400, error.located);
    log.error({ event: 'dashboard.failed', err: error, path: c.req.path }, 'a page could not be made');
    return screens.refusal(c, 500, texts.refused.failed);
  });

  function viewOf(c: Context): View {
    const { mayChange } = c.get('administrator');
    return { ...pageDeps, texts, format, mayChange, query: new URL(c.req.url).searchParams };
  }

  /** The whole page, or for the script what stands in <main> alone. */
  async function show(c: Context, page: Page): Promise<Response> {
    const view = viewOf(c);
    if (view.query.get('part') !== 'main') {
      const notice = notices.find(view.query.get('notice'));
      const above = notice === undefined ? nothing : message('done', notice);
      return await screens.page(c, page, { above, main: await page.render(view) });
    }
    for (const name of ['part', 'notice']) view.query.delete(name);
    const key = `${page.path}?${view.query} ${view.mayChange}`;
    const part = await sharedPart(key, async () => `<!doctype html><main>${await page.render(view)}</main>`);
    return c.body(part, 200, { 'Content-Type': 'text/html; charset=UTF-8' });
  }

  async function act(c: Context, page: Page, name: string, action: Action): Promise<Response> {
    const view = viewOf(c);
    const administrator = c.get('administrator');
    const { name: account } = administrator;
    log.info({ event: 'dashboard.action', page: page.name, action: name, account }, 'action');
    const form = await readForm(c);
    const recorded = (outcome: AuditEntry['outcome']) =>
      audit?.record({
        ...{ ...auditedBy(administrator), outcome },
        ...{ command: `${page.name} ${name}`, about: subjectOf(form) },
      });
    try {
      const done = await action(view, form);
      const outcome = 'show' in done ? done.outcome : 'done';
      if (outcome !== 'nothing to do') recorded(outcome);
      if ('show' in done) return await screens.page(c, page, { main: done.show });
      const { path, query } = done.to ?? { path: page.path, query: Object.fromEntries(view.query) };
      return c.redirect(link(path, { ...query, notice: notices.keep(done.notice) }), 303);
    } catch (error) {
      recorded('failed');
      if (!(error instanceof EntrepotError)) throw error;
      const above = message('problem', error.located, texts.frame.problem);
      return await screens.page(c, page, { above, main: html`${await page.render(view)}`, status: 400 });
    }
  }

  function refused({ status, message: text }: Refusal, c: AnyContext): Promise<Response> {
    setBrowserRules(c);
    if (status !== 401 || c.req.method !== 'GET') return screens.refusal(c, status, text);
    const { pathname, search } = new URL(c.req.url);
    return Promise.resolve(c.redirect(link('sign-in', { to: pathname + search }), 303));
  }

  const mounted = new Hono<MountedEnv>();
  mounted.use(async (c, next) => {
    c.set('administrator', c.env.administrator);
    c.set('typed', c.env.typed);
    await next();
  });
  mounted.route('/ui', app);
  return { app: mounted, refused };
}

/** What an action is about, for the audit log. */
function subjectOf(form: URLSearchParams): string | undefined {
  const about = subjects.map((name) => form.get(name)).find((value) => value);
  return about?.slice(0, maxSubject);
}
