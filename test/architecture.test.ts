/**
 * The rules of the house (docs of the design: "Imports go down only"), read from the sources themselves.
 *
 *   main -> cli -> app
 *   http   dashboard   cli
 *   backup
 *   admin   replication   airgap   push
 *   gate
 *   pull
 *   transfer   placement
 *   cache   upstream   stores   routing   access   cluster   kubernetes
 *   config   jobs
 *   telemetry
 *   oci   lib   errors
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Lowest first. The areas of one line do not import each other. */
const lines: readonly (readonly string[])[] = [
  ['oci', 'lib', 'errors'],
  ['telemetry'],
  ['config', 'jobs'],
  ['cache', 'upstream', 'stores', 'routing', 'access', 'cluster', 'kubernetes'],
  ['transfer', 'placement'],
  ['pull'],
  ['gate'],
  ['admin', 'replication', 'airgap', 'push'],
  ['backup'],
  ['http', 'dashboard'],
  ['app'],
  ['cli'],
  ['main'],
];
/** The command line stands above the app, but beside what the app is made of. */
const forbiddenBeside = new Map([['cli', ['http', 'dashboard']]]);

/** Where each package may be imported; one that is not named here may be imported nowhere. */
const packages: Readonly<Record<string, readonly string[]>> = {
  hono: ['src/http/', 'src/dashboard/'],
  '@hono/node-server': ['src/http/', 'src/dashboard/'],
  '@opentelemetry/api': ['src/telemetry/tracing/'],
  '@opentelemetry/context-async-hooks': ['src/telemetry/tracing/'],
  '@opentelemetry/core': ['src/telemetry/tracing/'],
  '@opentelemetry/exporter-trace-otlp-http': ['src/telemetry/tracing/'],
  '@opentelemetry/resources': ['src/telemetry/tracing/'],
  '@opentelemetry/sdk-trace': ['src/telemetry/tracing/'],
  undici: ['src/upstream/'],
  'better-sqlite3': ['src/cache/index/'],
  toml: ['src/config/'],
  commander: ['src/cli/'],
  croner: ['src/lib/'],
  diff: ['src/admin/'],
  'fastest-levenshtein': ['src/config/toml/'],
  'jsonc-parser': ['src/config/credentials/', 'src/config/gates/'],
  '@sigstore/bundle': ['src/gate/'],
  '@sigstore/verify': ['src/gate/'],
  openpgp: ['src/gate/'],
  pino: ['src/telemetry/'],
  'prom-client': ['src/telemetry/'],
  'tar-stream': ['src/airgap/'],
  tldts: ['src/upstream/auth/'],
  '@xmldom/xmldom': ['src/stores/'],
  bcryptjs: ['src/access/'],
  jose: ['src/access/', 'src/upstream/auth/'],
  'lru-cache': [
    'src/access/',
    'src/cache/',
    'src/dashboard/',
    'src/gate/',
    'src/upstream/',
    'src/transfer/',
    'src/pull/',
  ],
  pg: ['src/cache/shared/postgres/'],
  picomatch: ['src/config/toml/', 'src/lib/'],
  re2js: ['src/lib/'],
  semver: ['src/config/', 'src/replication/'],
  yaml: ['src/config/yaml/'],
};

const bannedNames = /^(?:helper|types|index)$|(?:^|-)(?:utils?|helpers|common|misc|manager)$/;
const maxLines = 300;
const maxFunctionLines = 120;
const maxMedian = 110;

interface Source {
  /** From the root, such as `src/http/server.ts`. */
  readonly path: string;
  readonly area: string;
  readonly text: string;
  /** Without comments and without what strings hold. */
  readonly code: string;
  readonly imports: readonly string[];
}

const sources = readSources();

function readSources(): Source[] {
  return readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => {
      const path = join('src', name);
      const text = readFileSync(join(root, path), 'utf8');
      const withoutComments = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
      const imports = [
        ...withoutComments.matchAll(/^(?:import|export)\s[^;'"=]*?\sfrom\s+'([^'\n]+)'/gm),
        ...withoutComments.matchAll(/^import\s+'([^'\n]+)'/gm),
        ...withoutComments.matchAll(/\bimport\(\s*'([^'\n]+)'/g),
      ].map((match) => match[1]!);
      const area = name.split('/')[0]!.replace(/\.ts$/, '');
      return { path, area, text, code: withoutComments, imports };
    });
}

function lineOf(area: string): number {
  return lines.findIndex((line) => line.includes(area));
}

function resolved(source: Source, specifier: string): string {
  return relative(root, join(root, dirname(source.path), specifier));
}

function areaOf(path: string): string {
  return path.split('/')[1]!.replace(/\.ts$/, '');
}

function lineCount(source: Source): number {
  return source.text.trimEnd().split('\n').length;
}

/** All that break a rule at once, so that one run tells everything. */
function assertNone(problems: readonly string[]): void {
  assert.deepEqual(problems, []);
}

/** What this change of the house has not reached yet. Entries only go. */
const stillTooLong = {
  files: [] as readonly string[],
  functions: [] as readonly string[],
};

/** Areas whose comments are not plain English yet. Entries only go. */
const notYetPlain: readonly string[] = [];

/** Functions by the indentation that the formatter gives them. */
function functionsOf({ text }: Source): { name: string; lines: number }[] {
  const lines = text.split('\n');
  return lines.flatMap((line, at) => {
    const match = /^(\s*)(?:export\s+)?(?:default\s+)?(?:async\s+)?function\*?\s+(\w+)/.exec(line);
    if (!match) return [];
    const end = lines.indexOf(`${match[1]}}`, at);
    return [{ name: match[2]!, lines: end - at + 1 }];
  });
}

/** Text of the comments of a source. */
function commentsOf({ text }: Source): string[] {
  return [...text.matchAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$|\s\/\/ .*$/gm)].map(([comment]) => comment);
}

describe('tests', () => {
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /^(?:unit|feature)\/.*\.test\.ts$/.test(name))
    .map((name) => ({ name, text: readFileSync(join(root, 'test', name), 'utf8') }));

  it('measure no time: on a busy machine everything takes longer', () => {
    assert.ok(files.length > 100);
    const measures = /\bperformance\.now\(|\bprocess\.hrtime\b|Date\.now\(\) - \w+ *[)<>;]|\belapsed\b/;
    // What paces a fake registry is itself a matter of time.
    const allowed = ['unit/support/fake-registry-faults.test.ts'];
    const found = files.filter(({ name, text }) => measures.test(text) && !allowed.includes(name));
    assertNone(found.map(({ name }) => name));
  });
});

describe('imports', () => {
  it('are found at all', () => {
    assert.ok(sources.length > 20);
    const reached = new Set(sources.flatMap((source) => source.imports.map((to) => resolved(source, to))));
    assert.ok(reached.has('src/oci/digest.ts'));
  });

  it('come from areas that have a place', () => {
    assertNone(sources.filter(({ area }) => lineOf(area) < 0).map(({ path }) => path));
  });

  it('go down only, and never to the side', () => {
    const problems: string[] = [];
    for (const source of sources) {
      for (const specifier of source.imports.filter((to) => to.startsWith('.'))) {
        const path = resolved(source, specifier);
        const to = areaOf(path);
        const isDown = lineOf(to) >= 0 && lineOf(to) < lineOf(source.area);
        const isBeside = forbiddenBeside.get(source.area)?.includes(to) ?? false;
        if (to !== source.area && (!isDown || isBeside)) problems.push(`${source.path} -> ${path}`);
      }
    }
    assertNone(problems);
  });

  it('name existing files with their ending', () => {
    const paths = new Set(sources.map(({ path }) => path));
    assertNone(
      sources.flatMap((source) =>
        source.imports
          .filter((to) => to.startsWith('.') && !paths.has(resolved(source, to)) && !to.endsWith('.json'))
          .map((to) => `${source.path}: ${to}`),
      ),
    );
  });

  it('take each package in its own place', () => {
    const problems: string[] = [];
    for (const source of sources) {
      for (const specifier of source.imports) {
        if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
        const name = specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
        const places = packages[name] ?? [];
        if (!places.some((place) => source.path.startsWith(place))) problems.push(`${source.path}: ${name}`);
      }
    }
    assertNone(problems);
  });

  it('know every dependency of package.json, and no other', () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const known = Object.keys(dependencies);
    assert.deepEqual(Object.keys(packages).toSorted(), known.toSorted());
  });

  it('make no circles, types included', () => {
    const edges = new Map(
      sources.map((source) => [
        source.path,
        source.imports.filter((to) => to.startsWith('.')).map((to) => resolved(source, to)),
      ]),
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string, way: readonly string[]) => {
      if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(' -> '));
      if (done.has(path) || way.includes(path)) return;
      for (const next of edges.get(path) ?? []) visit(next, [...way, path]);
      done.add(path);
    };
    for (const path of edges.keys()) visit(path, []);
    assertNone(circles);
  });

  it('leave the grammar pure', () => {
    assertNone(
      sources
        .filter(({ area }) => area === 'oci')
        .flatMap(({ path, imports }) =>
          imports.filter((to) => !to.startsWith('./')).map((to) => `${path}: ${to}`),
        ),
    );
  });
});

describe('the outside world', () => {
  it('is read from the environment only in config/ and cli/', () => {
    const others = sources.filter(({ area }) => area !== 'config' && area !== 'cli');
    assertNone(others.filter(({ code }) => /\bprocess\s*\.\s*env\b/.test(code)).map(({ path }) => path));
  });

  it('is spoken to in SQL only in cache/index/ and cache/shared/postgres/', () => {
    const sql =
      /\b(?:SELECT\s[\s\S]{1,200}?\sFROM|INSERT\s+(?:OR\s+\w+\s+)?INTO|DELETE\s+FROM|CREATE\s+TABLE|PRAGMA)\s/i;
    const places = ['src/cache/index/', 'src/cache/shared/postgres/'];
    const others = sources.filter(({ path }) => !places.some((place) => path.startsWith(place)));
    assertNone(others.filter(({ code }) => sql.test(code)).map(({ path }) => path));
  });

  it('has no time and no chance of its own in the layers that are told both', () => {
    const told = sources.filter(({ area }) =>
      ['oci', 'routing', 'cache', 'upstream', 'stores', 'transfer', 'pull', 'kubernetes'].includes(area),
    );
    const own = /\b(?:Date\.now|performance\.now|Math\.random|setTimeout|setInterval)\s*\(/;
    assertNone(told.filter(({ code }) => own.test(code)).map(({ path }) => path));
  });
});

describe('files', () => {
  it('are named by a noun in kebab-case, never by a drawer', () => {
    const problems = sources.filter(({ path }) => {
      const name = path.split('/').at(-1)!.replace(/\.ts$/, '');
      return bannedNames.test(name) || !/^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(name);
    });
    assertNone(problems.map(({ path }) => path));
  });

  it('are no barrels', () => {
    const reexport = /^export\s+(?:type\s+)?(?:\*|\{)[^;]*?\bfrom\s+['"]/m;
    assertNone(sources.filter(({ code }) => reexport.test(code)).map(({ path }) => path));
  });

  it(`have at most ${maxLines} lines, and half of them under ${maxMedian}`, () => {
    const found = sources.filter((source) => lineCount(source) > maxLines).map(({ path }) => path);
    assert.deepEqual(found.toSorted(), [...stillTooLong.files].toSorted());
    const sizes = sources.map(lineCount).toSorted((a, b) => a - b);
    const median = sizes[Math.floor(sizes.length / 2)]!;
    assert.ok(median <= maxMedian, `the median file has ${median} lines`);
  });

  it(`hold no function of more than ${maxFunctionLines} lines`, () => {
    const found = sources.flatMap((source) =>
      functionsOf(source)
        .filter(({ lines }) => lines > maxFunctionLines)
        .map(({ name }) => `${source.path}: ${name}`),
    );
    assert.deepEqual(found.toSorted(), [...stillTooLong.functions].toSorted());
  });

  it('say what they are for in their first lines', () => {
    const silent = sources.filter(({ text }) => !/^(?:#!.*\n)?(?:\/\*\*|import\b|\/\/)/.test(text));
    assertNone(silent.map(({ path }) => path));
  });
});

describe('words', () => {
  const plain = sources.filter(({ area }) => !notYetPlain.includes(area));

  it('of comments never speak of a part of the program as of a person', () => {
    const personal = /\b(?:who|whoever|whom|nobody|somebody|anybody|everybody|someone|anyone|no one)\b/i;
    assertNone(
      plain.flatMap((source) =>
        commentsOf(source)
          .filter((comment) => personal.test(comment.replaceAll(/`[^`]*`/g, '')))
          .map((comment) => `${source.path}: ${comment.replace(/\s*\n\s*\*?\s*/g, ' ')}`),
      ),
    );
  });

  it('stand before every exported function', () => {
    assertNone(
      plain.flatMap(({ path, text }) =>
        [...text.matchAll(/(^|\n)([^\n]*)\nexport (?:async )?function (\w+)/g)]
          .filter(([, , before]) => !before!.trimEnd().endsWith('*/'))
          .map(([, , , name]) => `${path}: ${name}`),
      ),
    );
  });
});
