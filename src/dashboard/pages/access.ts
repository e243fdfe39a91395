/** Tokens of programs, the rules in force, and what one client may do with one image. */
import { html } from 'hono/html';
import { explainAccess } from '../../access/explain-access.ts';
import type { Allowance } from '../../access/rights.ts';
import type { ListedToken, MadeToken } from '../../admin/robot-tokens.ts';
import type { AccessConfig, AccessRule } from '../../config/config.ts';
import { readReference } from '../../config/named-images.ts';
import { referenceName } from '../../oci/reference.ts';
import { heading, message } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { buttonForm } from '../parts/forms.ts';
import { type Html, nothing } from '../parts/html.ts';
import { orProblem } from '../parts/or-problem.ts';
import { badge, when } from '../parts/signs.ts';
import { table } from '../parts/table.ts';

const rights = ['pull', 'push', 'delete', 'administer'] as const;

export const accessPage: Page = {
  path: 'access',
  name: 'access',

  async render(view) {
    const { commands, texts, query, mayChange } = view;
    const words = texts.access;
    const { access } = view.config().server;
    return html`${heading(texts, texts.pages.access)}
<section><h2>${words.tokens}</h2><p class="lead">${words.tokensLead}</p>
${tokenTable(view, await commands.tokens.list())}${mayChange ? tokenForm(view) : nothing}</section>
<section><h2>${words.rules}</h2>${ruleTable(view, access)}</section>
<section><h2>${words.question}</h2>${question(view)}${query.has('who') ? orProblem(view, () => answer(view)) : nothing}</section>`;
  },

  actions: {
    async create({ commands, texts }, form) {
      const made = await commands.tokens.create({
        name: form.get('name')?.trim() ?? '',
        match: (form.get('match') ?? '').split(/\s+/).filter((glob) => glob !== ''),
        may: form.getAll('may'),
        expires: form.get('expires')?.trim() || undefined,
      });
      return { show: madeToken(texts, made), outcome: 'done' };
    },
    async revoke({ commands, texts }, form) {
      const { name } = await commands.tokens.revoke(form.get('name') ?? '');
      return { notice: texts.access.revoked(name) };
    },
  },
};

function tokenTable(view: View, tokens: readonly ListedToken[]): Html {
  const { texts } = view;
  const words = texts.access;
  return table<ListedToken>({
    caption: words.tokens,
    rows: tokens,
    key: ({ name }) => name,
    empty: words.noTokens,
    columns: [
      { head: words.name, cell: ({ name }) => name, form: 'name' },
      { head: words.match, cell: ({ match }) => html`<code>${match.join(' ')}</code>` },
      { head: words.may, cell: ({ may }) => may.join(', ') },
      { head: words.created, cell: ({ created }) => when(view, created), form: 'wide' },
      {
        head: words.expires,
        cell: ({ expires, expired }) =>
          expired ? badge('bad', words.expired) : expires === null ? words.never : when(view, expires),
      },
      ...(view.mayChange
        ? [
            {
              head: words.actions,
              cell: ({ name }: ListedToken) =>
                buttonForm({
                  page: 'access',
                  action: 'revoke',
                  fields: { name },
                  label: words.revoke,
                  about: name,
                }),
            },
          ]
        : []),
    ],
  });
}

function tokenForm({ texts }: View): Html {
  const words = texts.access;
  return html`<form method="post" action="/ui/access/create" class="panel inline"><h3 class="full">${words.createTitle}</h3>
<label>${words.name}<input name="name" required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck="false"></label>
<label class="grow">${words.match}<input name="match" required placeholder="docker.io/team/app" aria-description="${words.matchHint}" autocapitalize="none" spellcheck="false"></label>
<fieldset><legend>${words.may}</legend>${rights.map(
    (right) =>
      html`<label class="check"><input type="checkbox" name="may" value="${right}"${right === 'pull' ? html` checked` : nothing}>${right}</label>`,
  )}</fieldset>
<label>${words.expires}<input name="expires" size="6" placeholder="90d" aria-description="${words.expiresHint}"></label>
<button class="primary">${words.create}</button></form>`;
}

function madeToken(texts: View['texts'], { name, token, warning }: MadeToken): Html {
  const words = texts.access;
  return html`${heading(texts, words.made(name))}
${message('done', words.madeLead)}${warning === null ? nothing : message('problem', warning)}
<section class="panel"><dl class="facts"><div><dt>${words.name}</dt><dd><code>${name}</code></dd></div>
<div><dt>${words.value}</dt><dd><code id="secret">${token}</code></dd></div></dl>
<p class="quiet">${words.loginLead} <code>docker login HOST:PORT --username ${name} --password-stdin</code></p></section>
<p><a href="/ui/access">${words.back}</a></p>`;
}

function ruleTable({ texts }: View, { anonymous, rules, htpasswd, oidc, issuers }: AccessConfig): Html {
  const words = texts.access;
  const hasAccounts = htpasswd !== undefined || oidc.length > 0 || issuers.length > 0;
  const open: Pick<AccessRule, 'who' | 'match' | 'may'> = {
    who: [words.anonymous],
    match: '**',
    may: anonymous,
  };
  return html`<p class="lead">${hasAccounts || rules.length > 0 ? words.rulesLead : words.open}</p>${table({
    caption: words.rules,
    rows: [...(anonymous.length > 0 ? [open] : []), ...rules],
    empty: words.noRules,
    columns: [
      { head: words.who, cell: ({ who }) => who.join(', '), form: 'name' },
      { head: words.match, cell: ({ match }) => html`<code>${match}</code>` },
      { head: words.may, cell: ({ may }) => may.join(', ') },
    ],
  })}`;
}

function question({ texts, query }: View): Html {
  const words = texts.access;
  return html`<form method="get" action="/ui/access" class="inline">
<label>${words.who}<input name="who" value="${query.get('who') ?? ''}" placeholder="anonymous" required autocapitalize="none" spellcheck="false"></label>
<label class="grow">${words.image}<input name="image" value="${query.get('image') ?? ''}" placeholder="docker.io/library/alpine" required autocapitalize="none" spellcheck="false"></label>
<button>${words.ask}</button></form>`;
}

/** An EntrepotError says what is wrong with the name or the image. */
function answer(view: View): Html {
  const { texts, query } = view;
  const words = texts.access;
  const { access, data } = view.config().server;
  const image = referenceName(readReference(query.get('image') ?? ''));
  const found = explainAccess(access, data, { name: query.get('who') ?? '', image, file: undefined });
  const rows = (['pull', 'push', 'delete'] as const).map((right) => ({ right, allowance: found[right] }));
  return table<(typeof rows)[number]>({
    caption: words.question,
    rows,
    columns: [
      { head: words.right, cell: ({ right }) => right, form: 'name' },
      {
        head: words.answer,
        cell: ({ allowance }) => (allowance ? badge('ok', words.allowed) : badge('bad', words.denied)),
      },
      { head: words.by, cell: ({ allowance }) => because(words, allowance) },
    ],
  });
}

function because(words: View['texts']['access'], allowance: Allowance | undefined): string {
  if (!allowance) return words.reasons.none;
  if (allowance.by !== 'rule') return words.reasons[allowance.by];
  const { who, match } = allowance.rule;
  return words.rule(allowance.index + 1, who.join(', '), match);
}
