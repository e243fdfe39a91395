/** The configuration in force: warnings, files, registries with their mirrors, and each key with its source. */
import { html } from 'hono/html';
import { warningsOf } from '../../admin/config-warnings.ts';
import type { ConfigWarning } from '../../config/config.ts';
import type { RegistryEntry } from '../../config/registries-conf/registries.ts';
import type { SettingInForce, SettingSource } from '../../config/settings.ts';
import { heading } from '../frame.ts';
import type { Page, View } from '../page.ts';
import { type Html, link, nothing } from '../parts/html.ts';
import { badge } from '../parts/signs.ts';
import { table } from '../parts/table.ts';

export const configurationPage: Page = {
  path: 'configuration',
  name: 'configuration',
  follows: ['conditions'],

  async render(view) {
    const { texts, query, editor, mayChange } = view;
    const config = view.config();
    const words = texts.configuration;
    const found = await warningsOf(config);
    const isWhole = query.get('all') === '1';
    const settings = config.settings.filter(({ from }) => isWhole || from.kind !== 'default');
    const edit =
      editor && mayChange ? html`<a class="button" href="/ui/editor">${texts.pages.editor}</a>` : nothing;
    const other = isWhole
      ? html`<a href="/ui/configuration">${words.onlySet}</a>`
      : html`<a href="/ui/configuration?all=1">${words.all}</a>`;
    return html`${heading(texts, texts.pages.configuration, edit)}
<section id="warnings" data-live>${found.length === 0 ? html`<p>${badge('ok', words.noWarnings)}</p>` : warnings(words.warnings, found)}</section>
<section id="files" data-live><h2>${words.files}</h2><ul class="files">${config.files.map((file) => html`<li><code>${file}</code></li>`)}</ul></section>
<section id="registries" data-live><h2>${words.registries}</h2>${registryTable(view, config.registries.entries)}</section>
<section id="settings" data-live><h2>entrepot.toml</h2><p class="quiet">${words.noSecrets} ${other}</p>${settingTable(view, settings)}</section>`;
  },
};

function warnings(title: string, all: readonly ConfigWarning[]): Html {
  return html`<div class="message warning"><strong>${title}</strong><ul>${all.map(
    ({ file, line, message }) =>
      html`<li><code>${file}${line === undefined ? '' : `:${line}`}</code> ${message}</li>`,
  )}</ul></div>`;
}

function registryTable({ texts }: View, entries: readonly RegistryEntry[]): Html {
  const words = texts.configuration;
  return table<RegistryEntry>({
    caption: words.registries,
    rows: entries,
    key: ({ prefix }) => prefix,
    empty: words.noRegistries,
    columns: [
      {
        head: words.prefix,
        form: 'name',
        cell: ({ prefix }) =>
          html`<a href="${link('explain', { reference: exampleOf(prefix) })}">${prefix}</a>`,
      },
      {
        head: words.order,
        cell: ({ mirrors, location, prefix, blocked }) =>
          html`<ol class="order">${mirrors.map((mirror) => html`<li>${mirror.location}</li>`)}<li>${location || prefix} ${blocked ? badge('bad', words.blocked) : nothing}</li></ol>`,
      },
      {
        head: words.written,
        form: 'wide',
        cell: ({ origin }) => html`<code>${origin.file}:${String(origin.line)}</code>`,
      },
    ],
  });
}

/** An image that the prefix names. */
function exampleOf(prefix: string): string {
  return `${prefix.replace(/^\*\./, 'registry.')}${prefix.includes('/') ? '' : '/library'}/image`;
}

function settingTable({ texts }: View, settings: readonly SettingInForce[]): Html {
  const words = texts.configuration;
  return table<SettingInForce>({
    caption: 'entrepot.toml',
    rows: settings,
    key: ({ key }) => key,
    empty: words.allDefaults,
    columns: [
      { head: words.key, cell: ({ key }) => html`<code>${key}</code>`, form: 'name' },
      { head: words.value, cell: ({ value }) => html`<code>${JSON.stringify(value)}</code>` },
      { head: words.source, cell: ({ from }) => sourceOf(words, from) },
    ],
  });
}

function sourceOf(words: View['texts']['configuration'], from: SettingSource): Html {
  switch (from.kind) {
    case 'file':
      return html`<code>${from.file}:${String(from.line)}</code>`;
    case 'default':
      return html`<span class="quiet">${words.default}</span>`;
    default:
      return html`<code>${from.name}</code>`;
  }
}
