/**
 * docs/registries.md: a section for each group, written from the personalities and from what the run has shown. A run compares;
 * with UPDATE_DOCS=1 it writes.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Results } from './describe-gallery.ts';
import { differences } from './differences.ts';
import type { Access, Personality, Refusal } from './personality.ts';
import type { Group } from './registries.ts';
import { sentences } from './sentences.ts';

const page = new URL('../../../docs/registries.md', import.meta.url);

export function checkSection(group: Group, results: ReadonlyMap<string, Results>): void {
  check(group.title, section(group, results));
}

/** The list of differences.ts. */
export function checkDifferences(): void {
  check('Differences', `\n${differences.map(({ what, reason }) => `- ${what} ${reason}\n`).join('')}\n`);
}

function check(title: string, wanted: string): void {
  const begin = `<!-- begin: ${title} -->\n`;
  const end = `<!-- end: ${title} -->`;
  const text = readFileSync(page, 'utf8');
  const [before, rest] = split(text, begin);
  const [found, after] = split(rest, end);
  if (process.env.UPDATE_DOCS === '1') {
    writeFileSync(page, `${before}${begin}${wanted}${end}${after}`);
    return;
  }
  assert.equal(found, wanted, 'docs/registries.md is out of date: run the gallery tests with UPDATE_DOCS=1');
}

function split(text: string, at: string): [string, string] {
  const index = text.indexOf(at);
  assert.ok(index >= 0, `docs/registries.md has no ${at}`);
  return [text.slice(0, index), text.slice(index + at.length)];
}

function section({ members }: Group, results: ReadonlyMap<string, Results>): string {
  const columns = sentences.map(({ column }) => column);
  const cell = { yes: 'yes', gap: 'not yet', none: '' };
  const proof = table(
    ['registry', ...columns],
    members.map(({ name }) => [
      name,
      ...columns.map((column) => cell[results.get(name)?.get(column) ?? 'none']),
    ]),
  );
  const manners = table(
    [
      'registry',
      'authentication',
      'answer to expired credentials',
      'HEAD of a blob',
      'bytes of a blob',
      'tag list',
      'referrers',
    ],
    members.map((one) => [
      one.name,
      entrance(one.access),
      ended(one.access),
      heads(one),
      bytes(one),
      tagList(one),
      {
        api: 'API',
        unfiltered: 'API, without filter',
        tag: 'fallback tag',
        subject: 'none; the tag gives the subject',
      }[one.referrers ?? 'tag'],
    ]),
  );
  return `\n${proof}\n${manners}\n${members.map(origins).join('')}\n`;
}

/** In the form that the linter wants. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, at) => Math.max(...[head, ...rows].map((cells) => cells[at]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |\n`;
  return line(head) + line(widths.map((width) => '-'.repeat(width))) + rows.map(line).join('');
}

function entrance(access: Access): string {
  if (access.kind === 'open') return 'none';
  if (access.kind === 'basic') return 'Basic';
  const besides = access.basic === undefined ? '' : `, Basic ${access.basic.order} it`;
  const redirected = access.redirect === undefined ? '' : `, token server redirects (${access.redirect})`;
  const account = access.identityToken === undefined ? ' with an account' : ' with an identity token';
  return `Bearer${access.account ? account : ''}${besides}${redirected}`;
}

function ended(access: Access): string {
  if (access.kind === 'open') return '';
  const realm = access.kind === 'bearer' && access.ended.otherRealm ? ', another realm' : '';
  return `${said(access.ended)}${realm}`;
}

function said({ status, code, challenge = status === 401 }: Refusal): string {
  return `${status}${code === undefined ? '' : ` ${code}`}${challenge ? '' : ' without a challenge'}`;
}

function heads({ blobs = {} }: Personality): string {
  if (blobs.head === 'hangUp') return 'closes the connection';
  if (blobs.head !== undefined) return said(blobs.head);
  return blobs.uncachedHead === undefined ? 'as GET' : `${blobs.uncachedHead.status} until GET`;
}

function bytes({ blobs = {}, vanity }: Personality): string {
  const where = { storage: 'signed URL of another host', relative: 'redirect to another path' };
  const from =
    blobs.redirect === undefined ? 'same host' : `${where[blobs.redirect.to]} (${blobs.redirect.status})`;
  const ranges = {
    yes: '',
    ignored: 'no ranges',
    marked200: 'ranges with 200',
    ignoredUntilCached: 'no ranges until cached',
  };
  return [
    vanity && `all redirected (${vanity.status})`,
    from,
    blobs.chunked && 'no length',
    blobs.cutOnce && 'cut short now and then',
    ranges[blobs.ranges ?? 'yes'],
  ]
    .filter(Boolean)
    .join(', ');
}

function tagList({ tags = {} }: Personality): string {
  if (tags.page === undefined) return 'whole';
  const link = {
    relative: 'relative',
    absolute: 'absolute',
    otherHost: 'of another host',
    withoutPort: 'without the port',
    otherPath: 'with another path',
    none: undefined,
  }[tags.link ?? 'relative'];
  return link === undefined ? 'pages, no Link' : `pages, Link ${link}`;
}

function origins({ name, sources, assumed = [], knownGaps = {} }: Personality): string {
  const from = sources.map((source) =>
    source.replace(/^([\w.-]+\/[\w.-]+)#(\d+)$/, '[$1#$2](https://github.com/$1/issues/$2)'),
  );
  const assumption = assumed.length === 0 ? '' : ` Assumed: ${assumed.join('; ')}.`;
  const gaps = Object.entries(knownGaps).map(([column, gap]) => ` Not yet true (${column}): ${gap}.`);
  return `- **${name}**: ${from.join(', ')}.${assumption}${gaps.join('')}\n`;
}
