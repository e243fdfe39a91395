/** The form that shows one state of a list alone. It sends `state` to its page, empty for all states. */
import { html } from 'hono/html';
import { choice, hidden } from './forms.ts';
import { type Html, link } from './html.ts';

export interface StateFilter<State extends string> {
  /** Path of the page. */
  readonly page: string;
  /** Further fields of the page's address. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly states: readonly State[];
  readonly words: {
    readonly state: string;
    readonly anyState: string;
    readonly show: string;
    readonly states: Readonly<Record<State, string>>;
  };
}

/** `chosen`: as it came from outside. */
export function stateFilter<State extends string>(
  filter: StateFilter<State>,
  chosen: string | undefined,
): Html {
  const { page, fields = {}, states, words } = filter;
  const choices = [
    { value: '', label: words.anyState },
    ...states.map((state) => ({ value: state, label: words.states[state] })),
  ];
  return html`<form method="get" action="${link(page)}" class="inline">${hidden(fields)}${choice('state', words.state, choices, chosen ?? '')}<button>${words.show}</button></form>`;
}
