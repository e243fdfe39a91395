/** The pages for people: what they link to is there, and what they show is right. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { loadRegistries } from '../src/config/registries-conf/load.ts';
import { readServerToml } from '../src/config/server-toml.ts';
import { tempFolder } from './support/temp-folder.ts';

const root = join(import.meta.dirname, '..');
const pages = ['.', 'docs', 'docs/decisions', 'bench', 'deploy'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(root, folder, name)),
);
/** Pages of the folders of src. */
const folderPages = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('README.md'))
  .map((name) => join(root, 'src', name));
/** Files for operators whose comments and texts are prose too. */
const operatorFiles = [
  'registries.conf.example',
  'deploy/prometheus/alerts.yaml',
  'deploy/systemd/entrepot.service',
  'deploy/grafana/entrepot.json',
  'deploy/helm/entrepot/values.yaml',
].map((name) => join(root, name));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Words for people, which the pages must not use for a part of the program. */
const wordsForPeople = /\b(?:whoever|whom|nobody|somebody)\b/gi;
/** Without blocks of code, inline code, and words that are quoted by `_word_`. */
function proseOf(page: string): string {
  return readFileSync(page, 'utf8')
    .replaceAll(/^```.*?^```/gms, '')
    .replaceAll(/`[^`\n]*`/g, '')
    .replaceAll(/\b_\w+_\b/g, '');
}

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

/** All of src, without comments. */
function sources(): string {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(join('src', name)).replaceAll(/\/\*.*?\*\//gs, ''))
    .join('\n');
}

describe('the documentation', () => {
  it('links to pages and headings that exist', () => {
    assert.ok(pages.length > 20);
    const broken = [...pages, ...folderPages].flatMap((page) =>
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

  it('shows in README.md and sizing.md a registries.conf without a fault', (t) => {
    for (const [page, entries] of [
      ['README.md', 2],
      ['docs/sizing.md', 4],
    ] as const) {
      const [conf = ''] = blocks(page, 'toml');
      const file = join(tempFolder(t), 'registries.conf');
      writeFileSync(file, conf);
      const { registries, warnings } = loadRegistries({
        registries: file,
        registriesDir: undefined,
        env: {},
        home: '/',
        uid: 1,
      });
      assert.deepEqual(warnings, [], page);
      assert.equal(registries.entries.length, entries, page);
    }
  });

  it('shows in sizing.md an entrepot.toml without a fault', () => {
    const [, toml = ''] = blocks('docs/sizing.md', 'toml');
    assert.deepEqual(readServerToml({ file: 'entrepot.toml', text: toml }, '/').problems, []);
  });

  it('calls no part of the program a person', () => {
    const found = [...pages, ...folderPages, ...operatorFiles]
      .filter((page) => !page.endsWith('CHANGELOG.md'))
      .flatMap((page) => {
        const name = relative(root, page);
        const words = proseOf(page).match(wordsForPeople) ?? [];
        return words.length === 0 ? [] : [`${name}: ${words.join(', ')}`];
      });
    assert.deepEqual(found, []);
  });

  it('names every folder of src, and no other, in source-map.md', () => {
    const folders = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)));
    const named = [...read('docs/source-map.md').matchAll(/^\| \[?`(src[^`]*)`/gm)].map(([, name]) => name);
    assert.deepEqual(named.toSorted(), ['src', ...folders].toSorted());
  });

  it('gives in dependencies.md a reason for every package, in the order of package.json', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json'));
    const [atRunTime = '', rest = ''] = read('docs/dependencies.md').split('## For development');
    const [development = ''] = rest.split('\n## ');
    const named = (section: string) =>
      [...section.matchAll(/^\| (`[^|]*)\|/gm)].flatMap(([, cell = '']) =>
        [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
      );
    assert.deepEqual(named(atRunTime), Object.keys(dependencies));
    assert.deepEqual(named(development), Object.keys(devDependencies));
  });

  it('keeps CONTRIBUTING.md under 90 lines', () => {
    assert.ok(read('CONTRIBUTING.md').trimEnd().split('\n').length < 90);
  });

  it('quotes in operations.md only log lines that the program writes', () => {
    const section = read('docs/operations.md').split('### It is slow, or it is too busy')[1] ?? '';
    const [table = ''] = section.split('\n## ');
    const quoted = [...table.matchAll(/^\| (`[^|]*)\|/gm)]
      .flatMap(([, cell = '']) => [...cell.replaceAll(/\([^)]*\)/g, '').matchAll(/`([^`]+)`/g)])
      .map(([, text = '']) => text.replace(/: \.\.\.$/, ''));
    assert.ok(quoted.length > 10);
    const source = sources();
    assert.deepEqual(
      quoted.filter((text) => !source.includes(text)),
      [],
    );
  });

  it('names in operations.md a test for each row of what fails', () => {
    const [, section = ''] = read('docs/operations.md').split('\n## When something fails\n');
    const [tables = ''] = section.split('\n## ');
    const rows = [...tables.matchAll(/^\| .*\|$/gm)].map(([row]) => row);
    const headings = rows.filter((row) => /\| test +\|$/.test(row));
    const bodies = rows.filter((row) => !headings.includes(row) && !row.startsWith('| ---'));
    assert.ok(headings.length >= 3 && bodies.length >= 20);
    const bare = bodies.filter((row) => {
      const files = [...row.matchAll(/\]\(\.\.\/(test\/[^)]+\.test\.ts)\)/g)].map(([, file = '']) => file);
      return files.length === 0 || !files.every((file) => existsSync(join(root, file)));
    });
    assert.deepEqual(bare, []);
    // A log event that is renamed is renamed here, too.
    const events = [...tables.matchAll(/`((?:placement|postgres|cluster|transfer)\.[a-z][a-zA-Z]+)`/g)];
    const source = sources();
    assert.deepEqual(
      events.map(([, event = '']) => event).filter((event) => !source.includes(`'${event}'`)),
      [],
    );
  });

  it('lists in log-events.md every event of the log, and no other', () => {
    const written = [...sources().matchAll(/\bevent(?::| =) '([^']+)'/g)].map(([, id]) => id);
    const listed = [...read('docs/log-events.md').matchAll(/^\| `([^`]+)` +\|/gm)].map(([, id]) => id);
    assert.deepEqual(listed, [...new Set(written)].toSorted());
    assert.deepEqual(
      listed.filter((id = '') => !/^[a-z]+\.[a-z][a-zA-Z]*$/.test(id)),
      [],
    );
  });

  it('lists every decision, which has a context, a decision and a consequence', () => {
    const index = read('docs/decisions/README.md');
    for (const name of readdirSync(join(root, 'docs/decisions')).filter((one) => /^\d/.test(one))) {
      const text = read(join('docs/decisions', name));
      const title = /^# (\d{4}): (.+)$/m.exec(text);
      assert.equal(title?.[1], name.slice(0, 4), name);
      assert.ok(index.includes(`[${title[1]}](${name})`), `${name} is not in docs/decisions/README.md`);
      assert.ok(index.includes(`| ${title[2]}`), `${name} has another title in docs/decisions/README.md`);
      assert.deepEqual(
        [...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading),
        ['Context', 'Decision', 'Consequence'],
        name,
      );
    }
  });
});
