/** A browser without a script, at the dashboard of a running server: it keeps cookies, follows no redirect, and sends forms. */
import assert from 'node:assert/strict';

export interface Visited {
  readonly status: number;
  /** Where a 303 leads. */
  readonly to: string | null;
  readonly headers: Headers;
  readonly html: string;
  /** What a person reads in <main>. */
  readonly text: string;
}

export interface Visitor {
  get(path: string): Promise<Visited>;
  /** Sends a form as a page of the server does. */
  post(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers?: Record<string, string>,
  ): Promise<Visited>;
  /** Follows the redirect of a form. */
  send(path: string, fields: Readonly<Record<string, string>>): Promise<Visited>;
  readonly cookies: ReadonlyMap<string, string>;
}

/** `url`: of the server. */
export function createVisitor(url: string): Visitor {
  const cookies = new Map<string, string>();

  async function ask(path: string, init: RequestInit = {}): Promise<Visited> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { ...init.headers, ...(cookie !== '' && { cookie }) };
    const answer = await fetch(url + path, { ...init, headers, redirect: 'manual' });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '' || /max-age=0/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    const html = await answer.text();
    const to = answer.headers.get('location');
    return { status: answer.status, to, headers: answer.headers, html, text: textOf(html) };
  }

  const post: Visitor['post'] = (path, fields, headers = { 'sec-fetch-site': 'same-origin' }) =>
    ask(path, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  return {
    cookies,
    get: (path) => ask(path),
    post,
    async send(path, fields) {
      const sent = await post(path, fields);
      assert.equal(sent.status, 303, sent.text);
      return ask(sent.to ?? '');
    },
  };
}

function textOf(html: string): string {
  const [, main = html] = /<main[^>]*>([\s\S]*)<\/main>/.exec(html) ?? [];
  return main
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
    .replaceAll(/\s+/g, ' ')
    .trim();
}
