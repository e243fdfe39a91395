/**
 * Edits entrepot.toml and registries.conf. A text is saved only after the loader has accepted it and its difference was looked at:
 *
 *   GET editor            the files            GET editor?file=...   its text
 *   POST editor/review    errors, or the difference with a button that saves
 *   POST editor/save      303 to the file; where the file has changed meanwhile, the difference to what it is now
 */
import { html } from 'hono/html';
import type { ChangedLine, ConfigEditor, Edit, ReviewedEdit } from '../../admin/config-editor.ts';
import { EntrepotError } from '../../errors.ts';
import { heading, message } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { hidden } from '../parts/forms.ts';
import { type Html, link, nothing } from '../parts/html.ts';
import { badge } from '../parts/signs.ts';
import { table } from '../parts/table.ts';

export const editorPage: Page = {
  path: 'editor',
  name: 'editor',
  under: 'configuration',

  render(view) {
    const { editor, mayChange, query, texts } = view;
    const words = texts.editor;
    if (!editor || !mayChange) {
      const why = mayChange ? words.noFiles : words.notAllowed;
      return html`${heading(texts, texts.pages.editor)}<p class="empty">${why}</p>`;
    }
    const path = query.get('file');
    if (path === null) return html`${heading(texts, texts.pages.editor)}${fileTable(view, editor)}`;
    const { text, problem } = editor.open(path);
    if (problem !== undefined) {
      return html`${heading(texts, path)}${message('problem', words.readOnly(problem))}<pre class="panel text">${text}</pre>`;
    }
    return html`${heading(texts, path)}<p class="lead">${words.lead}</p>${textForm(view, { path, text })}`;
  },

  actions: {
    async review(view, form) {
      return { show: await reviewed(view, editOf(form)), outcome: 'nothing to do' };
    },
    async save(view, form) {
      const edit = editOf(form);
      try {
        await editorOf(view).save({ ...edit, print: form.get('print') ?? '' });
      } catch (error) {
        if (!(error instanceof EntrepotError)) throw error;
        return { show: await reviewed(view, edit, error), outcome: 'failed' };
      }
      return { notice: view.texts.editor.saved, to: { path: 'editor', query: { file: edit.path } } };
    },
  },
};

function editorOf({ editor, texts }: View): ConfigEditor {
  if (!editor) throw new EntrepotError('USAGE', texts.editor.noFiles);
  return editor;
}

function editOf(form: URLSearchParams): Edit {
  return { path: form.get('path') ?? '', text: form.get('text') ?? '' };
}

function fileTable({ texts }: View, editor: ConfigEditor): Html {
  const words = texts.editor;
  return table({
    caption: words.files,
    rows: editor.files(),
    empty: words.noFiles,
    columns: [
      {
        head: words.file,
        form: 'name',
        cell: ({ path }) => html`<a href="${link('editor', { file: path })}"><code>${path}</code></a>`,
      },
      {
        head: words.state,
        cell: ({ problem }) =>
          problem === undefined
            ? badge('ok', words.writable)
            : html`${badge('quiet', words.fixed)} ${problem}`,
      },
    ],
  });
}

/** A browser drops the first line end of a textarea, so one is put before the text. */
function textForm({ texts }: View, { path, text }: Edit): Html {
  const words = texts.editor;
  return html`<form method="post" action="${link('editor/review', { file: path })}">${hidden({ path })}
<label class="hidden" for="text">${words.text(path)}</label>
<textarea id="text" name="text" spellcheck="false" autocapitalize="none" autocomplete="off" wrap="off">${'\n'}${text}</textarea>
<div class="inline"><button class="primary">${words.review}</button> <a class="button" href="/ui/editor">${words.leave}</a></div></form>`;
}

/** What was typed stays, whatever is wrong. `failure`: why it was not saved, or not put in force. */
async function reviewed(view: View, edit: Edit, failure?: EntrepotError): Promise<Html> {
  const problem = (error: EntrepotError) => message('problem', error.located, view.texts.frame.problem);
  const above = failure ? problem(failure) : nothing;
  try {
    return html`${above}${review(view, edit, await editorOf(view).review(edit))}`;
  } catch (error) {
    if (!(error instanceof EntrepotError)) throw error;
    return html`${heading(view.texts, edit.path)}${above}${problem(error)}${textForm(view, edit)}`;
  }
}

function review(view: View, edit: Edit, { errors, warnings, print, lines }: ReviewedEdit): Html {
  const { texts } = view;
  const words = texts.editor;
  const list = (title: string, kind: 'problem' | 'warning', all: readonly string[]) =>
    all.length === 0
      ? nothing
      : html`<section class="message ${kind}"><strong>${title}</strong><ul>${all.map((one) => html`<li>${one}</li>`)}</ul></section>`;
  const located = warnings.map(
    ({ file, line, message: text }) => `${file}${line === undefined ? '' : `:${line}`}: ${text}`,
  );
  const save =
    errors.length > 0 || lines.length === 0
      ? nothing
      : html`<form method="post" action="${link('editor/save', { file: edit.path })}">${hidden({ ...edit, print })}<button class="primary">${words.save}</button></form>`;
  return html`${heading(texts, edit.path)}
${list(
  words.errors,
  'problem',
  errors.map((error) => error.located),
)}
${list(words.warnings, 'warning', located)}
<section><h2>${words.difference}</h2>${lines.length === 0 ? html`<p class="empty">${words.same}</p>` : changes(words, lines)}${save}</section>
<section><h2>${words.further}</h2>${textForm(view, edit)}</section>`;
}

const marks = { same: ' ', removed: '-', added: '+', gap: ' ' } as const;

function changes(words: View['texts']['editor'], lines: readonly ChangedLine[]): Html {
  return html`<div class="scroll" role="group" aria-label="${words.difference}" tabindex="0"><table class="changes"><tbody>${lines.map(
    ({ kind, text, line }) =>
      html`<tr class="${kind}"><td class="num">${kind === 'gap' ? '⋯' : String(line)}</td><td class="mark">${marks[kind]}<span class="hidden">${words.kinds[kind]}</span></td><td><code>${text}</code></td></tr>`,
  )}</tbody></table></div>`;
}
