/** The rules of `dashboard/parts/html.ts`, read from the sources: text from outside never becomes markup, a script or an address. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

const folder = join(import.meta.dirname, '../../../src/dashboard');
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '') }));
const script = readFileSync(join(folder, 'assets/ui.js'), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');

/** Where a source breaks a rule. */
function found(rule: RegExp, allowed: RegExp = /(?!)/): readonly string[] {
  return sources.flatMap(({ name, text }) =>
    [...text.matchAll(rule)]
      .filter(([match]) => !allowed.test(match))
      .map(([match]) => `${name}: ${match.replaceAll(/\s+/g, ' ').slice(0, 120)}`),
  );
}

describe('the sources of the dashboard', () => {
  it('are read at all', () => {
    assert.ok(sources.length > 15);
    assert.ok(found(/html`/g).length > 50);
  });

  it('write nothing unescaped', () => {
    assert.deepEqual(found(/\braw\s*\(|hono\/utils\/html|isEscaped|dangerously/g), []);
  });

  it('quote every attribute', () => {
    assert.deepEqual(found(/\s[\w-]+=\$\{[^}]*\}/g), []);
  });

  it('make addresses of their own words alone, or by link()', () => {
    const addresses = /\b(?:href|action|src|formaction|xlink:href)="([^"]*)"/g;
    const own = /="(?:#[\w-]+|\/ui[\w/.?=-]*(?:\?v=\$\{assets\})?|\$\{link\((?:[^()"]|\([^()"]*\))*\)\})"$/;
    assert.deepEqual(found(addresses, own), []);
  });

  it('have no style and no script in a page', () => {
    assert.deepEqual(found(/\sstyle="|\son[a-z]+="|<style|<script(?! type="module" src=")/g), []);
  });

  it('answer with a document by the frame alone', () => {
    assert.deepEqual(
      found(/<!doctype/g).map((one) => one.split(':')[0]),
      ['dashboard.ts', 'frame.ts'],
    );
  });
});

describe('the script of the dashboard', () => {
  it('never turns text into markup or code', () => {
    const sinks =
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b|new Function|setHTML|\.srcdoc|importScripts/;
    assert.doesNotMatch(script, sinks);
  });

  it('asks no other host', () => {
    assert.doesNotMatch(script, /https?:|\/\/[a-z]/);
  });
});
