import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { emptyWarnings, loadRegistries } from '../../../../src/config/registries-conf/load.ts';
import type { SearchOptions } from '../../../../src/config/registries-conf/search.ts';
import { EntrepotError } from '../../../../src/errors.ts';

const base = mkdtempSync(join(tmpdir(), 'registries-conf-'));
after(() => rmSync(base, { recursive: true }));
let root = '';
let count = 0;

beforeEach(() => {
  count += 1;
  root = join(base, String(count));
  mkdirSync(root);
});

function put(path: string, text: string): string {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

function load(options: Partial<SearchOptions> = {}) {
  return loadRegistries({ env: {}, home: join(root, 'home'), uid: 0, root, ...options });
}

/** Loads one file with this content. */
function loadText(text: string) {
  return load({ registries: put('registries.conf', text) });
}

function prefixes(options: Partial<SearchOptions> = {}): string[] {
  return load(options).registries.entries.map((entry) => entry.prefix);
}

function source(prefix: string, options: Partial<SearchOptions> = {}): string | undefined {
  return load(options).registries.entries.find((entry) => entry.prefix === prefix)?.location;
}

function registry(location: string): string {
  return `[[registry]]\nlocation = "${location}"\n`;
}

function redirect(location: string): string {
  return `[[registry]]\nprefix = "ex.io"\nlocation = "${location}"\n`;
}

function failure(work: () => unknown): EntrepotError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof EntrepotError, String(error));
    return error;
  }
  assert.fail('nothing was thrown');
}

describe('the main file', () => {
  const user = 'home/.config/containers/registries.conf';
  const etc = 'etc/containers/registries.conf';
  const vendor = 'usr/share/containers/registries.conf';

  it('is the first that exists: user, /etc, /usr/share', () => {
    put(vendor, registry('vendor.io'));
    assert.deepEqual(prefixes(), ['vendor.io']);
    put(etc, registry('etc.io'));
    assert.deepEqual(prefixes(), ['etc.io']);
    put(user, registry('user.io'));
    assert.deepEqual(prefixes(), ['user.io']);
  });

  it('is looked for in XDG_CONFIG_HOME alone when that is set', () => {
    put(user, registry('user.io'));
    put('xdg/containers/registries.conf', registry('xdg.io'));
    assert.deepEqual(prefixes({ env: { XDG_CONFIG_HOME: join(root, 'xdg') } }), ['xdg.io']);
    put(etc, registry('etc.io'));
    assert.deepEqual(prefixes({ env: { XDG_CONFIG_HOME: join(root, 'empty') } }), ['etc.io']);
  });

  it('is the one of CONTAINERS_REGISTRIES_CONF, without drop-ins', () => {
    put(etc, registry('etc.io'));
    put('etc/containers/registries.conf.d/10.conf', registry('drop-in.io'));
    const named = put('named.conf', registry('named.io'));
    assert.deepEqual(prefixes({ env: { CONTAINERS_REGISTRIES_CONF: named } }), ['named.io']);
    assert.deepEqual(prefixes({ env: { CONTAINERS_REGISTRIES_CONF: '' } }), ['drop-in.io', 'etc.io']);
  });

  it('is the one that the command line names, whatever the environment says', () => {
    put('etc/containers/registries.conf.d/10.conf', registry('drop-in.io'));
    const env = { CONTAINERS_REGISTRIES_CONF: put('env.conf', registry('env.io')) };
    const registries = put('flag.conf', registry('flag.io'));
    assert.deepEqual(prefixes({ registries, env }), ['flag.io']);
  });

  it('must exist when it is named', () => {
    const missing = join(root, 'nowhere.conf');
    const byFlag = failure(() => load({ registries: missing }));
    assert.equal(byFlag.code, 'CONFIG_UNREADABLE');
    assert.equal(byFlag.file, missing);
    assert.match(byFlag.message, /--registries names it/);
    const byVariable = failure(() => load({ env: { CONTAINERS_REGISTRIES_CONF: missing } }));
    assert.match(byVariable.message, /CONTAINERS_REGISTRIES_CONF names it/);
  });

  it('is no folder', () => {
    mkdirSync(join(root, etc), { recursive: true });
    assert.equal(failure(() => load()).code, 'CONFIG_UNREADABLE');
  });

  it('is not needed: then the public registries are served, and no file is named', () => {
    const { registries, warnings } = load();
    assert.deepEqual([registries.files, warnings], [[], []]);
    assert.equal(registries.entries.length, 10);
    assert.ok(registries.entries.every((entry) => entry.origin.file === 'built-in' && !entry.blocked));
  });

  it('leaves the public registries in where the system ships one that lists no registry', () => {
    put(etc, 'unqualified-search-registries = ["docker.io"]');
    put(
      'etc/containers/registries.conf.d/shortnames.conf',
      '[aliases]\n"alpine" = "docker.io/library/alpine"',
    );
    const { registries, warnings } = load();
    assert.equal(registries.entries.length, 10);
    assert.equal(registries.aliases.get('alpine'), 'docker.io/library/alpine');
    assert.deepEqual(warnings, []);
  });

  it('keeps the public registries out when the user has it, even empty, but not without a warning', () => {
    for (const options of [{ registries: put(user, '') }, {}]) {
      assert.deepEqual(prefixes(options), []);
      assert.match(emptyWarnings(load(options).registries)[0]?.message ?? '', /every image is refused/);
    }
  });
});

describe('drop-ins', () => {
  it('are read in the order of their names, whatever their folder', () => {
    put('usr/share/containers/registries.conf.d/99.conf', redirect('vendor.corp'));
    put('home/.config/containers/registries.conf.d/50.conf', redirect('user.corp'));
    assert.equal(source('ex.io'), 'vendor.corp');
  });

  it('mask files of the same name in folders of lower priority', () => {
    put('usr/share/containers/registries.conf.d/10.conf', registry('vendor.io'));
    put('etc/containers/registries.conf.d/10.conf', '');
    put('etc/containers/registries.conf.d/20.conf', registry('etc.io'));
    put('home/.config/containers/registries.conf.d/20.conf', registry('user.io'));
    assert.deepEqual(prefixes(), ['user.io']);
  });

  it('are other ones for root than for everybody else', () => {
    put('etc/containers/registries.rootful.conf.d/1.conf', registry('root.io'));
    put('etc/containers/registries.rootless.conf.d/1.conf', registry('everybody.io'));
    put('etc/containers/registries.rootless.conf.d/1000/2.conf', registry('one.io'));
    assert.deepEqual(prefixes({ uid: 0 }), ['root.io']);
    assert.deepEqual(prefixes({ uid: 1000 }), ['everybody.io', 'one.io']);
    assert.deepEqual(prefixes({ uid: 1001 }), ['everybody.io']);
  });

  it('end in .conf and are no folders', () => {
    put('etc/containers/registries.conf.d/a.conf', registry('a.io'));
    put('etc/containers/registries.conf.d/b.conf.bak', registry('b.io'));
    put('etc/containers/registries.conf.d/c.conf/d.conf', registry('d.io'));
    assert.deepEqual(prefixes(), ['a.io']);
  });

  it('may be links, and a link to nothing is passed over', () => {
    const target = put('target', registry('target.io'));
    const folder = join(root, 'etc/containers/registries.conf.d');
    mkdirSync(folder, { recursive: true });
    symlinkSync(target, join(folder, 'link.conf'));
    symlinkSync(join(root, 'nothing'), join(folder, 'dangling.conf'));
    assert.deepEqual(prefixes(), ['target.io']);
  });

  it('come from the given folder alone, and beside a given file too', () => {
    put('etc/containers/registries.conf', registry('main.io'));
    put('etc/containers/registries.conf.d/1.conf', registry('usual.io'));
    const registriesDir = dirname(put('given/1.conf', registry('given.io')));
    assert.deepEqual(prefixes({ registriesDir }), ['given.io', 'main.io']);
    const registries = put('flag.conf', registry('flag.io'));
    assert.deepEqual(prefixes({ registries, registriesDir }), ['flag.io', 'given.io']);
    const nowhere = load({ registries, registriesDir: join(root, 'nowhere') });
    assert.equal(nowhere.registries.entries.length, 1);
    assert.match(nowhere.warnings[0]?.message ?? '', /does not exist/);
  });

  it('end with the file of CONTAINERS_REGISTRIES_CONF_OVERRIDE, unless a folder is given', () => {
    put('etc/containers/registries.conf.d/99.conf', redirect('drop-in.corp'));
    const env = { CONTAINERS_REGISTRIES_CONF_OVERRIDE: put('override', redirect('last.corp')) };
    assert.equal(source('ex.io', { env }), 'last.corp');
    const registriesDir = join(root, 'etc/containers/registries.conf.d');
    assert.equal(source('ex.io', { env, registriesDir }), 'drop-in.corp');
    const missing = { CONTAINERS_REGISTRIES_CONF_OVERRIDE: join(root, 'nowhere') };
    assert.match(failure(() => load({ env: missing })).message, /_OVERRIDE names it/);
  });

  it('must be readable', { skip: process.getuid?.() === 0 && 'root reads everything' }, () => {
    chmodSync(put('etc/containers/registries.conf.d/1.conf', ''), 0);
    assert.equal(failure(() => load()).code, 'CONFIG_UNREADABLE');
  });

  it('cannot be in a file', () => {
    put('etc/containers/registries.conf.d', '');
    const error = failure(() => load());
    assert.equal(error.code, 'CONFIG_UNREADABLE');
    assert.equal(error.file, join(root, 'etc/containers/registries.conf.d'));
    assert.match(error.message, /^cannot be listed: it, or a folder above it, is a file;/);
  });
});

describe('merging', () => {
  function merged(main: string, dropIn: string) {
    const registries = put('main.conf', main);
    return load({ registries, registriesDir: dirname(put('d/1.conf', dropIn)) }).registries;
  }

  it('replaces lists when they are there, even empty', () => {
    const main = 'unqualified-search-registries = ["a.io"]\ncredential-helpers = ["pass"]\n';
    assert.deepEqual(merged(main, '').unqualifiedSearchRegistries, ['a.io']);
    assert.deepEqual(merged(main, '').credentialHelpers, ['pass']);
    const empty = merged(main, 'unqualified-search-registries = []\ncredential-helpers = []\n');
    assert.deepEqual(empty.unqualifiedSearchRegistries, []);
    assert.deepEqual(empty.credentialHelpers, ['containers-auth.json']);
    assert.equal(merged('', '').unqualifiedSearchRegistries, undefined);
  });

  it('replaces words unless they are empty', () => {
    const main = 'short-name-mode = "enforcing"\nadditional-layer-store-auth-helper = "one"\n';
    const kept = merged(main, 'short-name-mode = ""\nadditional-layer-store-auth-helper = ""\n');
    assert.equal(kept.shortNameMode, 'enforcing');
    assert.equal(kept.additionalLayerStoreAuthHelper, 'one');
    const other = merged(main, 'short-name-mode = "disabled"\nadditional-layer-store-auth-helper = "two"\n');
    assert.equal(other.shortNameMode, 'disabled');
    assert.equal(other.additionalLayerStoreAuthHelper, 'two');
    assert.equal(merged('', '').shortNameMode, 'permissive');
  });

  it('adds aliases name by name and takes back those that are empty', () => {
    const main = '[aliases]\n"a" = "docker.io/a"\n"b" = "b.io/b"\n"c" = "c.io/c"\n';
    const { aliases } = merged(main, '[aliases]\n"b" = ""\n"c" = "other.io/c"\n');
    assert.deepEqual(
      [...aliases],
      [
        ['a', 'docker.io/library/a'],
        ['c', 'other.io/c'],
      ],
    );
  });

  it('names every file in the order of reading', () => {
    const { files } = merged('', '');
    assert.deepEqual(files, [join(root, 'main.conf'), join(root, 'd/1.conf')]);
  });
});

describe('warnings', () => {
  function warnings(text: string): string[] {
    return loadText(text).warnings.map((warning) => `${warning.line}: ${warning.message}`);
  }

  it('name an unknown key, its line and the nearest known one', () => {
    const text = `# a comment\n${registry('a.io')}insecur = true\n[[registry.mirror]]\nlocation = "m.io"\nblocked = true\n`;
    const [first, second, ...rest] = warnings(text);
    assert.equal(
      first,
      '7: unknown key "registry.mirror.blocked" is ignored: known here are location, insecure, pull-from-mirror, namespace-proxy',
    );
    assert.equal(second, '4: unknown key "registry.insecur" is ignored: did you mean "insecure"?');
    assert.deepEqual(rest, []);
  });

  it('name an unknown key at the top and an unknown table once', () => {
    const [first, second] = warnings('unqualified_search_registries = []\n\n[alias]\n"x" = "y"\n');
    assert.match(
      first ?? '',
      /^1: unknown key "unqualified_search_registries" .*"unqualified-search-registries"/,
    );
    assert.match(second ?? '', /^3: unknown key "alias" .*"aliases"/);
  });

  it('tell of a table that an earlier one makes useless', () => {
    const [first] = warnings(`${registry('a.io')}\n${registry('a.io')}`);
    assert.equal(first, '5: this table is ignored: line 2 already has one for the prefix "a.io"');
  });

  it('tell of a key that is spelt in two ways', () => {
    const [first] = warnings('[[registry]]\nLocation = "b.io"\nlocation = "a.io"\n');
    assert.equal(first, '2: registry.Location is ignored: registry.location is given, too');
  });
});

describe('errors', () => {
  it('frame a syntax error with its line', () => {
    const error = failure(() => loadText('[[registry]]\n\tlocation = ex.io\n'));
    assert.equal(error.line, 2);
    const [message, line, caret] = error.message.split('\n');
    assert.equal(
      message,
      'is not valid TOML: unexpected "e": only true, false and numbers are written without quotes',
    );
    assert.equal(line, '2 | \tlocation = ex.io');
    assert.equal(caret, '  | \t           ^');
  });

  it('give the line of a key that is there twice', () => {
    const error = failure(() => loadText(`${registry('a.io')}location = "b.io"\n`));
    assert.equal(error.line, 3);
    assert.match(error.message, /'registry\.location'|location/);
  });

  it('give the line of the value that is wrong', () => {
    const text = `${registry('a.io')}[[registry.mirror]]\nlocation = "m.io"\n# why\ninsecure = "yes"\n`;
    const error = failure(() => loadText(text));
    assert.equal(error.line, 6);
    assert.equal(
      error.message,
      'registry.mirror.insecure must be true or false, without quotes, not a string',
    );
    assert.equal(error.located, `${error.file}:6: ${error.message}`);
  });

  it('give the line of the element that is wrong', () => {
    const error = failure(() =>
      loadText('unqualified-search-registries = [\n  "a.io",\n  "b.io/path",\n]\n'),
    );
    assert.equal(error.line, 3);
  });

  for (const [text, message] of [
    [
      'mirror = ["m.corp"]',
      'each element of registry.mirror must be a table, as in [[registry.mirror]], not a string',
    ],
    [
      'mirror = { location = "m.corp" }',
      'registry.mirror must be a list of tables, as in [[registry.mirror]], not a table',
    ],
  ] as const) {
    it(`show how a mirror is written: ${text}`, () => {
      const error = failure(() => loadText(`[[registry]]\nlocation = "a.io"\n${text}\n`));
      assert.deepEqual([error.line, error.message], [3, message]);
    });
  }

  it('say that an element of a list is a string', () => {
    const error = failure(() => loadText('unqualified-search-registries = ["a.io", 5]\n'));
    const message = 'each element of unqualified-search-registries must be a string, not an integer';
    assert.deepEqual([error.line, error.message], [1, message]);
  });

  it('know what [[registries]] means', () => {
    const error = failure(() => loadText('\n[[registries]]\nlocation = "a.io"\n'));
    assert.deepEqual(
      [error.line, error.message],
      [2, 'registries must be a table, not an array: did you mean [[registry]]?'],
    );
  });

  it('report all aliases that are wrong', () => {
    const error = failure(() => loadText('[aliases]\n"a:1" = "a.io/a"\n"b" = "b.io/b"\n"c" = "c"\n'));
    assert.equal(error.line, 2);
    assert.match(error.message, /"a:1".*\nline 4: the alias "c"/);
  });

  it('name the drop-in that is wrong', () => {
    const registriesDir = dirname(put('d/broken.conf', '[[registry]]\n'));
    const error = failure(() => load({ registries: put('main.conf', ''), registriesDir }));
    assert.equal(error.file, join(registriesDir, 'broken.conf'));
    assert.equal(error.line, 1);
  });

  it('translate version 1 of the format', () => {
    const text =
      '[registries.search]\nregistries = ["docker.io"]\n[registries.insecure]\nregistries = ["lab.corp", "old.corp/"]\n' +
      '[registries.block]\nregistries = ["old.corp"]\n';
    const error = failure(() => loadText(text));
    assert.equal(error.line, 2);
    assert.match(
      error.message,
      /^registries\.search\.registries is version 1 .* podman 6 \(image library 5\.40\)/,
    );
    const translated = error.message.slice(error.message.indexOf('\n\n') + 2);
    const { registries } = loadText(translated);
    assert.deepEqual(registries.unqualifiedSearchRegistries, ['docker.io']);
    const flags = registries.entries.map((entry) => [entry.location, entry.insecure, entry.blocked]);
    assert.deepEqual(flags, [
      ['lab.corp', true, false],
      ['old.corp', true, true],
    ]);
  });
});
