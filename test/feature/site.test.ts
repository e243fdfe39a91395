/** The site that is built from docs/: every link leads somewhere, every page can be found, and nothing comes from another host. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import MiniSearch from 'minisearch';
import { buildSite, searchOptions } from '../../deploy/site/build.ts';

const docs = join(import.meta.dirname, '../../docs');

describe('the site', () => {
  let folder: string;
  let pages: ReadonlyMap<string, string>;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'entrepot-site-'));
    buildSite(folder);
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.html'),
    );
    pages = new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  const attributes = (html: string, name: string) =>
    [...html.matchAll(new RegExp(`<[^>]* ${name}="([^"]*)"`, 'g'))].map(([, value = '']) =>
      value.replaceAll('&amp;', '&'),
    );

  it('has no link that leads nowhere, in pages or in their headings', () => {
    assert.ok(pages.size > 100);
    const anchors = new Map([...pages].map(([name, html]) => [name, new Set(attributes(html, 'id'))]));
    const dead = [...pages].flatMap(([name, html]) =>
      [...attributes(html, 'href'), ...attributes(html, 'src')]
        .filter((link) => !/^[a-z]+:/i.test(link))
        .filter((link) => {
          const [path = '', anchor] = link.split('#');
          const target = path === '' ? name : join(dirname(name), path);
          if (!existsSync(join(folder, target))) return true;
          return anchor !== undefined && anchor !== '' && !anchors.get(target)?.has(anchor);
        })
        .map((link) => `${name}: ${link}`),
    );
    assert.deepEqual(dead, []);
  });

  it('names every page of docs/ and every quick start in its navigation, once', () => {
    const [navigation = ''] = /<nav[\s\S]*<\/nav>/.exec(pages.get('index.html') ?? '') ?? [];
    const wanted = ['', 'quick-starts'].flatMap((name) =>
      readdirSync(join(docs, name))
        .filter((page) => page.endsWith('.md') && page !== 'README.md')
        .map((page) => join('docs', name, page.replace(/md$/, 'html'))),
    );
    const named = attributes(navigation, 'href').filter((link) => link !== 'docs/decisions/README.html');
    assert.deepEqual(named.toSorted(), wanted.toSorted());
  });

  it('loads nothing from another host, and has nothing inline that its policy would refuse', () => {
    for (const [name, html] of pages) {
      assert.match(html, /<meta http-equiv="Content-Security-Policy" content="default-src 'none';/, name);
      const loaded = [...attributes(html, 'src'), ...attributes(html.replaceAll(/<a [^>]*>/g, ''), 'href')];
      assert.deepEqual(
        loaded.filter((link) => /^(?:[a-z]+:|\/)/i.test(link)),
        [],
        name,
      );
      assert.doesNotMatch(html, /<script(?![^>]* src=)|<style| style=| on[a-z]+="/, name);
    }
  });

  it('finds sections by their words', () => {
    const script = readFileSync(join(folder, 'assets/search-index.js'), 'utf8');
    const index = JSON.parse(script.slice('globalThis.searchIndex = '.length, -2));
    const search = MiniSearch.loadJSON(index, searchOptions);
    const first = (text: string) => search.search(text, { combineWith: 'AND' })[0]?.path;
    assert.match(first('how a client logs in'), /^docs\/access\.html#/);
    assert.match(first('quick start containerd'), /^docs\/quick-starts\/containerd\.html#/);
  });

  it('shows markup that a page quotes as text', () => {
    assert.doesNotMatch([...pages.values()].join(''), /<(?:FILE|REF|NAME|iframe|object)\b/);
  });
});
