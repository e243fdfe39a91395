/**
 * The one shape of all pages. A page is a file in `pages/` that exports a `Page`, and a row in `pages.ts`.
 *
 *   GET /ui/PATH           render(view)                      -> what stands in <main>
 *   POST /ui/PATH/ACTION   actions.ACTION(view, form)        -> a notice, and 303 to the page; or what to show at once
 *
 * An EntrepotError of an action is shown above the page that the form was on, with what `render` gives.
 */
import type { Administration } from '../admin/administration.ts';
import type { ConfigEditor } from '../admin/config-editor.ts';
import type { Status, StatusChange } from '../admin/status/status.ts';
import type { Config } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { Syncs } from '../replication/syncs.ts';
import type { Format } from './parts/format.ts';
import type { Html, Query } from './parts/html.ts';
import type { Texts } from './texts/en.ts';

/** What pages read and act on. */
export interface PageDeps {
  readonly status: Status;
  readonly commands: Administration & Syncs;
  readonly clock: Clock;
  /** In force now. */
  readonly config: () => Config;
  /** Undefined where the program was given no files. */
  readonly editor: ConfigEditor | undefined;
}

/** One request of a page. */
export interface View extends PageDeps {
  readonly texts: Texts;
  readonly format: Format;
  /** The client may change things: forms are shown, and actions run. */
  readonly mayChange: boolean;
  /** Fields of the address. Each is a text from outside. */
  readonly query: URLSearchParams;
}

export interface Page {
  /** Below `/ui/`; empty for the first page. */
  readonly path: string;
  /** A key of `texts.pages`. */
  readonly name: keyof Texts['pages'];
  /** The page that the navigation marks, for one that has no entry of its own there. */
  readonly under?: string;
  /** The page reads itself again after such changes; what stands in `live` sections is replaced. */
  readonly follows?: readonly StatusChange['kind'][];
  render(view: View): Html | Promise<Html>;
  readonly actions?: Readonly<Record<string, Action>>;
}

/** `form`: the fields of the form. */
export type Action = (view: View, form: URLSearchParams) => Promise<Done>;

export type Done =
  /** Shown once on the page at `to`, which is this one if nothing is said. */
  | { readonly notice: string; readonly to?: { readonly path: string; readonly query?: Query } }
  /** Shown at once, in the place of the page: what can be shown only once. */
  | { readonly show: Html; readonly outcome: 'done' | 'failed' | 'nothing to do' };
