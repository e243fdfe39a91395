import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ConfigFlags, readOverrides } from '../../../src/config/overrides.ts';
import { readServerToml } from '../../../src/config/server-toml.ts';

const defaults = readServerToml(undefined, '/srv').server;

function read(flags: ConfigFlags, env: Record<string, string> = {}) {
  const overrides = readOverrides(flags, env, '/srv');
  const { server } = readServerToml(undefined, '/srv', overrides);
  return {
    settings: overrides,
    server,
    problems: overrides.problems,
    warnings: overrides.unknownVariables(),
  };
}

describe('flags and variables', () => {
  it('change nothing when there are none, or when they are empty', () => {
    for (const env of [{}, { ENTREPOT_LISTEN: '', ENTREPOT_DATA: '', ENTREPOT_REGISTRIES: '' }]) {
      const { settings, server, problems, warnings } = read({}, env);
      assert.deepEqual(server, defaults);
      assert.deepEqual(
        [settings.registries, settings.registriesDir, settings.config],
        [undefined, undefined, undefined],
      );
      assert.deepEqual([problems, warnings], [[], []]);
    }
  });

  it('of the environment stand above the file', () => {
    const { settings, server: changed } = read(
      {},
      {
        ENTREPOT_LISTEN: '0.0.0.0:80',
        ENTREPOT_DATA: 'cache',
        ENTREPOT_LOG_LEVEL: 'warn',
        ENTREPOT_CACHE_MAX_SIZE: '5GiB',
        ENTREPOT_UPSTREAM_OFFLINE: 'true',
        ENTREPOT_REGISTRIES: '/r.conf',
        ENTREPOT_REGISTRIES_DIR: 'r.d',
        ENTREPOT_CONFIG: '../e.toml',
        ENTREPOT_TLS_CERTIFICATE: 'tls.crt',
        ENTREPOT_TLS_KEY: '/tls.key',
        ENTREPOT_TLS_CLIENT_CA: 'ca.crt',
      },
    );
    assert.deepEqual(changed.listen, { host: '0.0.0.0', port: 80 });
    assert.equal(changed.data, '/srv/cache');
    assert.equal(changed.log.level, 'warn');
    assert.equal(changed.cache.maxSize, 5 * 1024 ** 3);
    assert.deepEqual(changed.tls, {
      certificate: '/srv/tls.crt',
      key: '/tls.key',
      clientCa: '/srv/ca.crt',
    });
    assert.equal(changed.upstream.offline, true);
    assert.equal(changed.upstream.connectTimeout, defaults.upstream.connectTimeout);
    assert.deepEqual(
      [settings.registries, settings.registriesDir, settings.config],
      ['/r.conf', '/srv/r.d', '/e.toml'],
    );
  });

  it('of the command line stand above those of the environment, even wrong ones', () => {
    const flags = {
      listen: 'localhost:0',
      data: 'd',
      logLevel: 'error',
      registries: 'r',
      registriesDir: 'rd',
      config: 'c',
    };
    const { settings, server, problems } = read(flags, {
      ENTREPOT_LISTEN: 'nonsense',
      ENTREPOT_DATA: '/elsewhere',
      ENTREPOT_LOG_LEVEL: 'loud',
      ENTREPOT_REGISTRIES: '/elsewhere',
      ENTREPOT_REGISTRIES_DIR: '/elsewhere',
      ENTREPOT_CONFIG: '/elsewhere',
    });
    assert.deepEqual(problems, []);
    const { listen, data, log } = server;
    assert.deepEqual([listen, data, log.level], [{ host: 'localhost', port: 0 }, '/srv/d', 'error']);
    assert.deepEqual(
      [settings.registries, settings.registriesDir, settings.config],
      ['/srv/r', '/srv/rd', '/srv/c'],
    );
  });

  it('that are wrong are all told by their names', () => {
    const { problems } = read(
      { listen: 'x', logLevel: '', data: '' },
      { ENTREPOT_CACHE_MAX_SIZE: 'lots', ENTREPOT_UPSTREAM_OFFLINE: 'yes' },
    );
    const told = problems.map(({ code, message }) => `${code} ${message.split(' must')[0]}`);
    assert.deepEqual(told, [
      'USAGE --listen',
      'USAGE --data',
      'USAGE --log-level',
      'CONFIG_INVALID the variable ENTREPOT_UPSTREAM_OFFLINE',
      'CONFIG_INVALID the variable ENTREPOT_CACHE_MAX_SIZE',
    ]);
    assert.match(problems[0]!.message, /HOST:PORT.*not "x"$/);
  });

  it('that are not known are warned about, with what may be meant', () => {
    const { warnings } = read({}, { ENTREPOT_LISTN: 'x', ENTREPOT_COLOUR: 'red', ENTREPOTX: '', OTHER: '' });
    assert.equal(warnings.length, 2);
    assert.match(warnings[0]!.message, /ENTREPOT_COLOUR.*known are/);
    assert.match(warnings[1]!.message, /ENTREPOT_LISTN.*ENTREPOT_LISTEN\?/);
  });

  it('that Kubernetes sets for a Service of our name are no mistakes', () => {
    const { warnings } = read(
      {},
      {
        ENTREPOT_SERVICE_HOST: '10.0.0.1',
        ENTREPOT_SERVICE_PORT: '5000',
        ENTREPOT_SERVICE_PORT_HTTP: '5000',
        ENTREPOT_PORT: 'tcp://10.0.0.1:5000',
        ENTREPOT_PORT_5000_TCP_ADDR: '10.0.0.1',
        ENTREPOT_METRICS_SERVICE_HOST: '10.0.0.2',
      },
    );
    assert.deepEqual(warnings, []);
  });
});

describe('settings in force', () => {
  const file = '/etc/entrepot.toml';
  const text = 'listen = "10.0.0.1:80"\ndata = "/disk"\n[cache]\nmax_size = "5GiB"\n';

  function inForce(flags: ConfigFlags, env: Record<string, string>, content = text) {
    const overrides = readOverrides(flags, env, '/srv');
    const { settings, server, warnings } = readServerToml({ file, text: content }, '/srv', overrides);
    const found = (key: string) => settings.find((setting) => setting.key === key);
    return { found, server, warnings, keys: settings.map(({ key }) => key) };
  }

  it('say where each comes from: flag, variable, line of the file, default', () => {
    const { found } = inForce({ listen: '[::1]:5000' }, { ENTREPOT_CACHE_MAX_SIZE: '1TiB' });
    assert.deepEqual(found('listen'), {
      key: 'listen',
      value: '[::1]:5000',
      from: { kind: 'flag', name: '--listen' },
    });
    assert.deepEqual(found('cache.max_size'), {
      key: 'cache.max_size',
      value: '1TiB',
      from: { kind: 'variable', name: 'ENTREPOT_CACHE_MAX_SIZE' },
    });
    assert.deepEqual(found('data'), { key: 'data', value: '/disk', from: { kind: 'file', file, line: 2 } });
    assert.deepEqual(found('upstream.total_timeout'), {
      key: 'upstream.total_timeout',
      value: '2m',
      from: { kind: 'default' },
    });
    assert.equal(found('tls.certificate')?.value, null);
  });

  it('have the tables of a list by number, and no secret', () => {
    const host =
      '[[upstream.host]]\nhost = "a.io"\n[[upstream.host]]\nhost = "b.io"\nproxy = "http://u:hunter2@p:1"\n';
    const { found, keys } = inForce({}, {}, host);
    assert.equal(found('upstream.host[1].host')?.value, 'b.io');
    assert.equal(found('upstream.host[1].proxy')?.value, 'http://p:1/');
    assert.deepEqual(
      keys.filter((key) => key.startsWith('upstream.host[0]')),
      ['upstream.host[0].host'],
    );
  });

  it('warn of a variable that hides a key of the file, but not of a flag, nor of the same value', () => {
    const { warnings, server } = inForce({}, { ENTREPOT_LISTEN: '127.0.0.1:1', ENTREPOT_DATA: '/disk' });
    assert.equal(server.listen.port, 1);
    assert.deepEqual(
      warnings.map(({ file, line, message }) => [file, line, message]),
      [[file, 1, 'listen has no effect here: the variable ENTREPOT_LISTEN sets it to "127.0.0.1:1"']],
    );
    assert.deepEqual(inForce({ listen: '127.0.0.1:1' }, {}).warnings, []);
  });

  it('take ENTREPOT_DEFAULT_LISTEN and ENTREPOT_DEFAULT_DATA only where nothing else says', () => {
    const env = { ENTREPOT_DEFAULT_LISTEN: '0.0.0.0:5000', ENTREPOT_DEFAULT_DATA: '/var/lib/entrepot' };
    const bare = inForce({}, env, '');
    assert.deepEqual(bare.server.listen, { host: '0.0.0.0', port: 5000 });
    assert.equal(bare.server.data, '/var/lib/entrepot');
    assert.deepEqual(bare.found('data')?.from, { kind: 'variable', name: 'ENTREPOT_DEFAULT_DATA' });

    const written = inForce({}, env);
    assert.deepEqual([written.server.listen.host, written.server.data], ['10.0.0.1', '/disk']);
    assert.deepEqual(written.warnings, []);
    assert.equal(inForce({ data: '/mine' }, env, '').server.data, '/mine');
    assert.equal(inForce({}, { ...env, ENTREPOT_DATA: '/mine' }, '').server.data, '/mine');
  });
});
