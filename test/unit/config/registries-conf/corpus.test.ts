/**
 * corpus.json holds configurations and pulls with what the ecosystem's own implementation (go.podman.io/image/v5 5.42) makes
 * of them: the kind of the load error, or for each reference `PREFIX > ENDPOINT > ENDPOINT ...` in trying order.
 * `@DIGEST` stands for a whole digest.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadRegistries } from '../../../../src/config/registries-conf/load.ts';
import { findEntry } from '../../../../src/config/registries-conf/match.ts';
import type { RegistriesConf } from '../../../../src/config/registries-conf/registries.ts';
import { EntrepotError } from '../../../../src/errors.ts';
import { formatReference, parseReference, referenceName } from '../../../../src/oci/reference.ts';
import type { Endpoint } from '../../../../src/upstream/endpoint.ts';
import { createEndpoints } from '../../../../src/upstream/endpoints.ts';

interface Case {
  readonly name: string;
  readonly conf: readonly string[];
  readonly dropIns?: Readonly<Record<string, readonly string[]>>;
  readonly error?: string;
  readonly pulls?: Readonly<Record<string, string>>;
}

const corpus: readonly Case[] = JSON.parse(readFileSync(join(import.meta.dirname, 'corpus.json'), 'utf8'));
const digest = `@sha256:${'0123456789abcdef'.repeat(4)}`;

const messages: Readonly<Record<string, RegExp>> = {
  syntax: /^is not valid TOML/,
  type: /must be (?:a string|true or false|a list of strings|a list of tables|a table)/,
  'version 1': /version 1 of the format/,
  scheme: /has a URI scheme/,
  'nothing set': /it has neither location nor prefix/,
  'no location': /needs a location: only a prefix/,
  'pull-from-mirror on a registry': /belongs into the \[\[registry\.mirror\]\]/,
  'no mirror location': /\[\[registry\.mirror\]\] table of ".*" needs a location/,
  'two restrictions': /contradicts mirror-by-digest-only/,
  'unknown pull-from-mirror': /must be "all", "digest-only" or "tag-only"/,
  'contradicting insecure': /another 'insecure' setting/,
  'contradicting blocked': /another 'blocked' setting/,
  'search registry': /^unqualified-search-registries holds/,
  'short-name-mode': /^short-name-mode = /,
  wildcard: /is no wildcard of the form/,
  alias: /^the alias "/,
};

const folder = mkdtempSync(join(tmpdir(), 'corpus-'));
after(() => rmSync(folder, { recursive: true }));

describe('registries.conf means what it means to every runtime', () => {
  corpus.forEach((example, index) => {
    it(example.name, () => {
      const files = write(example, join(folder, String(index)));
      const load = () => loadRegistries({ ...files, env: {}, home: '/nonexistent', uid: 0 }).registries;
      if (example.error === undefined) {
        const registries = load();
        for (const [reference, expected] of Object.entries(example.pulls ?? {})) {
          assert.equal(pull(reference.replace('@DIGEST', digest), registries), expected, reference);
        }
        return;
      }
      const message = messages[example.error];
      assert.ok(message, `no message is known for "${example.error}"`);
      assert.throws(load, (error) => {
        assert.ok(error instanceof EntrepotError);
        assert.equal(error.code, 'CONFIG_INVALID');
        assert.match(error.message, message);
        assert.ok(error.file?.startsWith(folder));
        assert.ok(error.line !== undefined && error.line >= 1);
        return true;
      });
    });
  });
});

function write(example: Case, directory: string): { registries: string; registriesDir: string } {
  const registries = join(directory, 'registries.conf');
  const registriesDir = join(directory, 'drop-ins');
  mkdirSync(registriesDir, { recursive: true });
  writeFileSync(registries, text(example.conf));
  for (const [name, lines] of Object.entries(example.dropIns ?? {})) {
    writeFileSync(join(registriesDir, name), text(lines));
  }
  return { registries, registriesDir };
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`.replaceAll('@DIGEST', digest)).join('');
}

function pull(text: string, registries: RegistriesConf): string {
  const parsed = parseReference(text);
  if (!parsed.ok) return 'no reference';
  const entry = findEntry(registries, referenceName(parsed.value))?.entry;
  const endpointsOf = createEndpoints(registries, { insecureDefault: false });
  try {
    const endpoints = endpointsOf(parsed.value).map((endpoint) => describeEndpoint(endpoint, registries));
    return [entry?.prefix ?? '(none)', ...endpoints].join(' > ');
  } catch (error) {
    assert.ok(error instanceof EntrepotError && error.code === 'REWRITE_INVALID', String(error));
    return 'no rewrite';
  }
}

function describeEndpoint(endpoint: Endpoint, registries: RegistriesConf): string {
  const ownEntry = findEntry(registries, referenceName(endpoint.reference))?.entry;
  // Entrepot also refuses a blocked entry's source whose own name is not blocked; the corpus holds no such case.
  assert.equal(endpoint.blockedBy, ownEntry?.blocked ? ownEntry.prefix : undefined);
  return [
    formatReference(endpoint.reference).replace(digest, '@DIGEST'),
    ...(endpoint.insecure ? ['insecure'] : []),
    ...(endpoint.blockedBy === undefined ? [] : [`blocked by ${endpoint.blockedBy}`]),
    ...(endpoint.namespaceProxy === undefined ? [] : [`ns=${endpoint.namespaceProxy}`]),
  ].join(' ');
}
