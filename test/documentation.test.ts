/** The pages for people: what they link to is there, and what they show is right. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { loadRegistries } from '../src/config/registries-conf/load.ts';
import { readServerToml } from '../src/config/server-toml.ts';
import { tempFolder } from './support/temp-folder.ts';

const root = join(import.meta.dirname, '..');
const pages = ['.', 'docs', 'docs/decisions', 'bench'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(root, folder, name)),
);
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** As GitHub makes them of headings. */
function anchorsOf(page: string): readonly string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The text of each block of `language`, in order. */
function blocks(page: string, language: string): readonly string[] {
  return [...read(page).matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, text = '']) => text,
  );
}

describe('the documentation', () => {
  it('links to pages and headings that exist', () => {
    assert.ok(pages.length > 20);
    const broken = pages.flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, link = '']) => link)
        .filter((link) => !/^[a-z]+:/.test(link))
        .filter((link) => {
          const [path = '', anchor] = link.split('#');
          const target = path === '' ? page : join(dirname(page), path);
          if (!existsSync(target)) return true;
          return anchor !== undefined && !anchorsOf(target).includes(anchor);
        })
        .map((link) => `${relative(root, page)}: ${link}`),
    );
    assert.deepEqual(broken, []);
  });

  it('leads to every page of docs/ from another page', () => {
    const named = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
    const isLinked = (name: string) =>
      pages.some((page) => !page.endsWith(`docs/${name}`) && readFileSync(page, 'utf8').includes(`${name}`));
    assert.deepEqual(
      named.filter((name) => !isLinked(name)),
      [],
    );
  });

  it('begins with a README that fits on a few screens and names the two commands word for word', () => {
    const readme = read('README.md');
    assert.ok(readme.split('\n').length <= 150);
    for (const command of ['npm ci && npm start', 'npm ci && npm test']) {
      assert.ok(blocks('README.md', 'sh').includes(`${command}\n`), command);
    }
  });

  it('shows in sizing.md a registries.conf and an entrepot.toml without a fault', (t) => {
    const [conf = '', toml = ''] = blocks('docs/sizing.md', 'toml');
    const file = join(tempFolder(t), 'registries.conf');
    writeFileSync(file, conf);
    const { registries, warnings } = loadRegistries({
      ...{ registries: file, registriesDir: undefined, env: {}, home: '/', uid: 1 },
    });
    assert.deepEqual(warnings, []);
    assert.equal(registries.entries.length, 4);
    assert.deepEqual(readServerToml({ file: 'entrepot.toml', text: toml }, '/').problems, []);
  });
});
