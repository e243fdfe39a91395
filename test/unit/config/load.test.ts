import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { loadConfig, loadWhatIsRight } from '../../../src/config/load.ts';
import type { ConfigFlags } from '../../../src/config/overrides.ts';
import type { EntrepotError } from '../../../src/errors.ts';
import { tempFolder } from '../../support/temp-folder.ts';

/** A machine of its own: `work` is the working directory, `home` the home, `root` stands before /etc and /usr. */
function machine(t: TestContext, files: Record<string, string> = {}, env: Record<string, string> = {}) {
  const folder = tempFolder(t);
  for (const name of ['work', 'home', 'root']) mkdirSync(join(folder, name));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  const place = {
    home: join(folder, 'home'),
    cwd: join(folder, 'work'),
    root: join(folder, 'root'),
    uid: 1000,
  };
  return {
    folder,
    load: (flags: ConfigFlags = {}) => loadConfig({ flags, env, ...place }),
    /** Places that the configuration comes from, without the folder. */
    places: (flags: ConfigFlags = {}) =>
      loadWhatIsRight({ flags, env, ...place }).places.map((file) => file.slice(folder.length + 1)),
  };
}

function failure(load: () => unknown): EntrepotError {
  try {
    load();
  } catch (error) {
    return error as EntrepotError;
  }
  throw new assert.AssertionError({ message: 'it was loaded' });
}

describe('loadConfig', () => {
  it('serves the public registries with nothing configured', (t) => {
    const { folder, load } = machine(t);
    const config = load();
    assert.ok(config.registries.entries.some(({ prefix }) => prefix === 'docker.io'));
    assert.deepEqual(config.server.listen, { host: '127.0.0.1', port: 5000 });
    assert.equal(config.server.data, join(folder, 'work/data'));
    assert.deepEqual(config.proxies, { http: undefined, https: undefined, no: undefined });
    assert.equal(config.paths.authFiles.length, 4);
    assert.deepEqual(config.warnings, []);
  });

  it('is frozen to the bottom', (t) => {
    const config = machine(t, { 'work/entrepot.toml': '[[upstream.host]]\nhost = "h.io"' }).load();
    for (const part of [
      config,
      config.server,
      config.server.upstream.hosts[0],
      config.registries.entries[0],
      config.paths.authFiles,
    ]) {
      assert.ok(Object.isFrozen(part));
    }
    assert.throws(() => Object.assign(config.server.listen, { port: 1 }), TypeError);
  });

  it('finds entrepot.toml in the working directory, then in the home, then in /etc', (t) => {
    const level = (text: string) => `log.level = "${text}"`;
    const files = {
      'work/entrepot.toml': level('debug'),
      'home/.config/entrepot/entrepot.toml': level('warn'),
      'root/etc/entrepot/entrepot.toml': level('error'),
    };
    const { 'work/entrepot.toml': _first, ...withoutFirst } = files;
    assert.equal(machine(t, files).load().server.log.level, 'debug');
    assert.equal(machine(t, withoutFirst).load().server.log.level, 'warn');
    const last = { 'root/etc/entrepot/entrepot.toml': level('error') };
    assert.equal(machine(t, last).load().server.log.level, 'error');
  });

  it('finds entrepot.toml in XDG_CONFIG_HOME', (t) => {
    const { folder, load } = machine(t, { 'cfg/entrepot/entrepot.toml': 'log.level = "warn"' }, {});
    const env = { XDG_CONFIG_HOME: join(folder, 'cfg') };
    assert.equal(load().server.log.level, 'info');
    const other = machine(t, {}, env);
    assert.equal(other.load().server.log.level, 'warn');
  });

  it('takes the file that is named instead, by flag before variable', (t) => {
    const files = {
      'work/entrepot.toml': 'log.level = "debug"',
      'work/a.toml': 'log.level = "warn"',
      'work/b.toml': 'log.level = "error"',
    };
    const { load } = machine(t, files, { ENTREPOT_CONFIG: 'a.toml' });
    assert.equal(load().server.log.level, 'warn');
    assert.equal(load({ config: 'b.toml' }).server.log.level, 'error');
  });

  it('puts flag before variable before file before default', (t) => {
    const { load } = machine(
      t,
      { 'work/entrepot.toml': 'listen = "0.0.0.0:1"\ndata = "file"' },
      { ENTREPOT_LISTEN: '0.0.0.0:2' },
    );
    assert.equal(load().server.listen.port, 2);
    assert.equal(load({ listen: '0.0.0.0:3' }).server.listen.port, 3);
    assert.match(load().server.data, /work\/file$/);
    assert.equal(load().server.log.level, 'info');
  });

  it('reads the registries.conf that is named, relative to the working directory', (t) => {
    const files = {
      'work/r.conf': '[[registry]]\nlocation = "named.corp"\n',
      'work/v.conf': '[[registry]]\nlocation = "variable.corp"\n',
      'work/r.d/1.conf': '[[registry]]\nlocation = "drop-in.corp"\n',
    };
    const { folder, load } = machine(t, files, { ENTREPOT_REGISTRIES: 'v.conf' });
    const prefixes = (flags: ConfigFlags) => load(flags).registries.entries.map(({ prefix }) => prefix);
    assert.deepEqual(prefixes({}), ['variable.corp']);
    assert.deepEqual(prefixes({ registries: 'r.conf' }), ['named.corp']);
    assert.deepEqual(prefixes({ registries: 'r.conf', registriesDir: 'r.d' }), [
      'drop-in.corp',
      'named.corp',
    ]);
    assert.deepEqual(load({ registries: 'r.conf' }).registries.files, [join(folder, 'work/r.conf')]);
  });

  it('names the files that it was read from, in one order', (t) => {
    const { folder, load } = machine(t, {
      'work/r.conf': '[[registry]]\nlocation = "a.io"\n',
      'work/objects/x.yaml':
        'apiVersion: config.openshift.io/v1\nkind: ImageTagMirrorSet\nmetadata: { name: x }\nspec: {}\n',
      'work/policy.json': '{"default": [{"type": "reject"}]}',
      'work/entrepot.toml':
        'policies = "objects"\n[[gate]]\nname = "signed"\nkind = "signature"\npolicy = "policy.json"\n',
    });
    const names = ['r.conf', 'objects/x.yaml', 'entrepot.toml', 'policy.json'];
    assert.deepEqual(
      load({ registries: 'r.conf' }).files,
      names.map((name) => join(folder, 'work', name)),
    );
  });

  it('passes on the warnings of every part', (t) => {
    const { load } = machine(
      t,
      { 'work/r.conf': '[[registry]]\nlocation = "h.io"\ncolour = 1\n' },
      {
        ENTREPOT_COLOUR: 'red',
        XDG_RUNTIME_DIR: '/nowhere',
      },
    );
    const told = load({ registries: 'r.conf' })
      .warnings.map(({ message }) => message)
      .join('\n');
    assert.match(told, /ENTREPOT_COLOUR.*colour.*XDG_RUNTIME_DIR/s);
  });
});

describe('a configuration that cannot be used', () => {
  it('names the file that was named and is not there', (t) => {
    const { folder, load } = machine(t);
    for (const flags of [{ config: 'none.toml' }, { registries: 'none.toml' }]) {
      const { code, file } = failure(() => load(flags));
      assert.deepEqual([code, file], ['CONFIG_UNREADABLE', join(folder, 'work/none.toml')]);
    }
  });

  it('names a directory where a file belongs', (t) => {
    const { folder, load } = machine(t);
    mkdirSync(join(folder, 'work/entrepot.toml'));
    const { code, file, message } = failure(load);
    assert.deepEqual([code, file], ['CONFIG_UNREADABLE', join(folder, 'work/entrepot.toml')]);
    assert.match(message, /directory/);
  });

  it('has the code of its only error, file and line with it', (t) => {
    const { folder, load } = machine(t, { 'work/entrepot.toml': '\nlisen = "x"\n' });
    const { code, file, line, located } = failure(load);
    assert.deepEqual([code, file, line], ['CONFIG_INVALID', join(folder, 'work/entrepot.toml'), 2]);
    assert.match(located, /entrepot\.toml:2: unknown key "lisen"/);
    assert.equal(failure(() => machine(t).load({ listen: 'x' })).code, 'USAGE');
  });

  it('tells everything at once, each with its place', (t) => {
    const { load } = machine(
      t,
      { 'work/entrepot.toml': 'lisen = "x"\ndata = 3\n', 'work/r.conf': '\n[registry]\n' },
      {
        ENTREPOT_LOG_LEVEL: 'loud',
        https_proxy: 'socks5://x',
      },
    );
    const lines = failure(() => load({ registries: 'r.conf' })).located.split('\n');
    const told = lines.join('\n');
    for (const expected of [
      /ENTREPOT_LOG_LEVEL/,
      /r\.conf:2: /,
      /entrepot\.toml:1: .*lisen/,
      /entrepot\.toml:2: data/,
      /https_proxy/,
    ]) {
      assert.match(told, expected);
    }
  });
});

describe('the places of the configuration', () => {
  it('are all that are searched, whether there is anything or not', (t) => {
    assert.deepEqual(machine(t).places(), [
      'home/.config/containers/registries.conf',
      'root/etc/containers/registries.conf',
      'root/usr/share/containers/registries.conf',
      'home/.config/containers/registries.conf.d',
      'root/etc/containers/registries.rootless.conf.d/1000',
      'root/etc/containers/registries.rootless.conf.d',
      'root/etc/containers/registries.conf.d',
      'root/usr/share/containers/registries.rootless.conf.d/1000',
      'root/usr/share/containers/registries.rootless.conf.d',
      'root/usr/share/containers/registries.conf.d',
      'work/entrepot.toml',
      'home/.config/entrepot/entrepot.toml',
      'root/etc/entrepot/entrepot.toml',
    ]);
  });

  it('are those that somebody names, and no others', (t) => {
    const { places } = machine(t);
    assert.deepEqual(places({ registries: 'r.conf', registriesDir: 'r.d', config: 'e.toml' }), [
      'work/r.conf',
      'work/r.d',
      'work/e.toml',
    ]);
  });

  it('are also the files that entrepot.toml names, of a configuration with an error, too', (t) => {
    const toml =
      '[tls]\ncertificate = "a"\nclient_ca = "b"\n[upstream]\nca_file = "c"\nlisen = 1\n[access]\ntoken_key = "d"\n';
    const { places, load } = machine(t, { 'work/e.toml': toml });
    assert.deepEqual(places({ registries: 'r.conf', config: 'e.toml' }).slice(-4), [
      'work/a',
      'work/b',
      'work/c',
      'work/d',
    ]);
    assert.match(
      failure(() => load({ config: 'e.toml' })).located,
      /lisen.*beside .*work\/a and .*work\/b, tls\.key/s,
    );
  });
});

describe('policies', () => {
  const set = (source: string, mirror: string) =>
    `apiVersion: config.openshift.io/v1
kind: ImageDigestMirrorSet
metadata: { name: x }
spec: { imageDigestMirrors: [{ source: ${source}, mirrors: [${mirror}] }] }
`;
  const files = {
    'work/r.conf': '[[registry]]\nlocation = "a.io"\n',
    'work/flag/x.yaml': set('a.io', 'flag.io'),
    'work/variable/x.yaml': set('a.io', 'variable.io'),
    'etc/policies/x.yaml': set('a.io', 'file.io'),
    'etc/entrepot.toml': 'policies = "policies"\n',
  };
  const flags = { registries: 'r.conf' };
  const mirrorOf = ({ registries }: ReturnType<typeof loadConfig>) =>
    registries.entries[0]?.mirrors[0]?.location;

  it('are named by a flag, else a variable, else the file, beside which they are', (t) => {
    const config = '../etc/entrepot.toml';
    const env = { ENTREPOT_POLICIES: 'variable' };
    assert.equal(mirrorOf(machine(t, files, env).load({ ...flags, config, policies: 'flag' })), 'flag.io');
    assert.equal(mirrorOf(machine(t, files, env).load({ ...flags, config })), 'variable.io');
    assert.equal(mirrorOf(machine(t, files).load({ ...flags, config })), 'file.io');
    assert.equal(mirrorOf(machine(t, files).load(flags)), undefined);
  });

  it('that are wrong leave no registries at all', (t) => {
    const { folder, load } = machine(t, { ...files, 'work/flag/y.yaml': set('a.io/', 'm.io') });
    const { code, file, line, message } = failure(() => load({ ...flags, policies: 'flag' }));
    assert.deepEqual([code, file, line], ['CONFIG_INVALID', join(folder, 'work/flag/y.yaml'), 4]);
    assert.match(message, /^ImageDigestMirrorSet "x": the source "a\.io\/" has not the right form/);
    assert.equal(failure(() => load({ ...flags, policies: 'none' })).code, 'CONFIG_UNREADABLE');
  });

  it('are a place that the configuration comes from', (t) => {
    assert.ok(
      machine(t, files)
        .places({ ...flags, policies: 'flag' })
        .includes('work/flag'),
    );
    assert.ok(
      machine(t, files)
        .places({ ...flags, policies: 'none' })
        .includes('work/none'),
    );
  });

  it('make a registries.conf without a registry one that serves something', (t) => {
    const empty = machine(t, { ...files, 'work/r.conf': '' });
    assert.deepEqual(empty.load({ ...flags, policies: 'flag' }).warnings, []);
    assert.match(empty.load(flags).warnings[0]?.message ?? '', /every image is refused/);
  });

  it('are no code to load where there are none', (t) => {
    const { folder } = machine(t, files);
    const script = `
      import { registerHooks } from 'node:module';
      const loaded = [];
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
      const { loadConfig } = await import(${JSON.stringify(new URL('../../../src/config/load.ts', import.meta.url))});
      const count = (flags) => {
        loadConfig({ flags, env: {}, home: '/none', cwd: '.', root: '/none', uid: 1 });
        return loaded.filter((url) => /\\/policies\\/|node_modules\\/yaml\\//.test(url)).length;
      };
      console.log(count({}), count({ policies: 'flag' }) > 5);`;
    const args = ['--input-type=module', '-e', script];
    const result = execFileSync(process.execPath, args, { cwd: join(folder, 'work'), encoding: 'utf8' });
    assert.equal(result.trim(), '0 true');
  });
});
