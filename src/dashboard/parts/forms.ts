/** Forms: what they send, and where. They work without a script. */
import { html } from 'hono/html';
import { type Html, link, type Query } from './html.ts';

export interface ButtonForm {
  /** Path of the page, and the name of its action. */
  readonly page: string;
  readonly action: string;
  /** Fields of the page's address, so that the answer is the same page. */
  readonly query?: Query;
  readonly fields: Readonly<Record<string, string>>;
  readonly label: string;
  /** What a screen reader says in a row of equal buttons. */
  readonly about?: string;
  readonly tone?: 'usual' | 'primary' | 'danger' | 'small';
}

/** A button that acts on one thing. */
export function buttonForm({ page, action, query, fields, label, about, tone = 'small' }: ButtonForm): Html {
  return html`<form method="post" action="${link(`${page}/${action}`, query)}">${hidden(fields)}<button class="${tone}" aria-label="${about === undefined ? label : `${label}: ${about}`}">${label}</button></form>`;
}

/** Fields that a form brings along. */
export function hidden(fields: Readonly<Record<string, string>>): Html[] {
  return Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
}

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** A list to choose from. */
export function choice(name: string, label: string, choices: readonly Choice[], chosen: string): Html {
  return html`<label>${label}<select name="${name}">${choices.map(({ value, label: text }) =>
    value === chosen
      ? html`<option value="${value}" selected>${text}</option>`
      : html`<option value="${value}">${text}</option>`,
  )}</select></label>`;
}
