import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { configPaths } from '../../../src/config/config-paths.ts';
import { tempFolder } from '../../support/temp-folder.ts';

function authFiles(env: Record<string, string>, uid = 1000, root?: string) {
  const { paths, warnings } = configPaths({ env, home: '/home/u', uid, root });
  return { files: paths.authFiles.map(({ path }) => path), all: paths.authFiles, warnings };
}

const shared = ['/home/u/.config/containers/auth.json', '/home/u/.docker/config.json', '/home/u/.dockercfg'];

describe('auth files', () => {
  it('are the four usual ones, only the last in the old format', () => {
    const { all, files, warnings } = authFiles({});
    assert.deepEqual(files, ['/run/containers/1000/auth.json', ...shared]);
    assert.deepEqual(
      all.map(({ format }) => format),
      ['auth.json', 'auth.json', 'auth.json', 'dockercfg'],
    );
    assert.ok(all.every(({ explicit }) => !explicit));
    const closed = all.filter(({ belowRoots }) => belowRoots);
    assert.deepEqual(closed, all.slice(0, 1), 'root may keep /run/containers to itself');
    assert.deepEqual(warnings, []);
  });

  it('begin in XDG_RUNTIME_DIR', (t) => {
    const runtime = tempFolder(t);
    assert.deepEqual(authFiles({ XDG_RUNTIME_DIR: runtime }).files, [
      join(runtime, 'containers/auth.json'),
      ...shared,
    ]);
    assert.equal(authFiles({ XDG_RUNTIME_DIR: '' }).files[0], '/run/containers/1000/auth.json');
  });

  it('leave out an XDG_RUNTIME_DIR that does not exist, with a warning', () => {
    const { files, warnings } = authFiles({ XDG_RUNTIME_DIR: '/nowhere' });
    assert.deepEqual(files, shared);
    assert.deepEqual([warnings.length, warnings[0]?.file], [1, '/nowhere']);
    assert.match(warnings[0]!.message, /XDG_RUNTIME_DIR/);
  });

  it('follow XDG_CONFIG_HOME, where an empty one is as none', () => {
    assert.equal(authFiles({ XDG_CONFIG_HOME: '/cfg' }).files[1], '/cfg/containers/auth.json');
    assert.equal(authFiles({ XDG_CONFIG_HOME: '' }).files[1], shared[0]);
  });

  it('are the one of REGISTRY_AUTH_FILE alone, which must exist', (t) => {
    const file = join(tempFolder(t), 'auth.json');
    const env = { REGISTRY_AUTH_FILE: file, DOCKER_CONFIG: '/d', XDG_CONFIG_HOME: '/cfg' };
    assert.deepEqual(authFiles(env).all, [{ path: file, format: 'auth.json', explicit: true }]);
    assert.match(authFiles(env).warnings[0]!.message, /REGISTRY_AUTH_FILE/);
    writeFileSync(file, '{}');
    assert.deepEqual(authFiles(env).warnings, []);
  });

  it('are the one in DOCKER_CONFIG alone, which may be missing', () => {
    const { all, warnings } = authFiles({ DOCKER_CONFIG: '/d' });
    assert.deepEqual(all, [{ path: '/d/config.json', format: 'auth.json', explicit: false }]);
    assert.deepEqual(warnings, []);
  });
});

describe('certs.d directories', () => {
  const directories = (uid: number, env = {}) =>
    configPaths({ env, home: '/home/u', uid }).paths.certDirectories;

  it('for root', () => {
    assert.deepEqual(directories(0), [
      '/home/u/.config/containers/certs.d',
      '/etc/containers/certs.rootful.d',
      '/etc/containers/certs.d',
      '/usr/share/containers/certs.rootful.d',
      '/usr/share/containers/certs.d',
      '/etc/docker/certs.d',
    ]);
  });

  it('for others', () => {
    assert.deepEqual(directories(1000, { XDG_CONFIG_HOME: '/cfg' }), [
      '/cfg/containers/certs.d',
      '/etc/containers/certs.rootless.d/1000',
      '/etc/containers/certs.rootless.d',
      '/etc/containers/certs.d',
      '/usr/share/containers/certs.rootless.d/1000',
      '/usr/share/containers/certs.rootless.d',
      '/usr/share/containers/certs.d',
      '/etc/docker/certs.d',
    ]);
  });

  it('can be moved under another root, apart from the paths that somebody named', (t) => {
    const root = tempFolder(t);
    mkdirSync(join(root, 'run'));
    const { paths } = configPaths({ env: {}, home: '/home/u', uid: 5, root });
    assert.equal(paths.authFiles[0]?.path, join(root, 'run/containers/5/auth.json'));
    assert.equal(paths.certDirectories[0], '/home/u/.config/containers/certs.d');
    assert.equal(paths.certDirectories.at(-1), join(root, 'etc/docker/certs.d'));
  });
});
