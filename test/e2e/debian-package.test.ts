/** The Debian package: built twice, read by lintian, then installed, upgraded, removed and purged by dpkg in a copy of this machine. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { get } from '../support/http-client.ts';
import { run as runInherited } from '../support/processes.ts';
import { place } from './support/client.ts';
import { hasNamespaces } from './support/equipment.ts';
import { copyMachine, type MachineCopy } from './support/machine-copy.ts';
import { missing, run } from './support/programs.ts';
import { openSite, type Site } from './support/site.ts';

const checkout = join(import.meta.dirname, '..', '..');
const programs = ['dpkg-deb', 'lintian', 'adduser', 'nsenter', 'systemd-analyze'];
const unit = '/usr/lib/systemd/system/entrepot.service';

/** Stands for the system's manager, which does not run in the copy: writes down what it is asked for, and links units itself. */
const manager = `#!/bin/sh
echo "$*" >> /manager.log
case "$*" in *preset*|*enable*) SYSTEMD_OFFLINE=1 exec /usr/bin/systemctl.real "$@" ;; esac
`;

describe('the Debian package', () => {
  let site: Site;
  let machine: MachineCopy;
  let deb: string;
  let newer: string;

  before(async () => {
    if (process.getuid?.() !== 0 || missing(programs).length > 0) return;
    site = await openSite();
    deb = await build('first');
    newer = await repack(deb);
    machine = site.own(await copyMachine(site.folder('machine'), {}));
    const stub = place(join(site.folder('manager'), 'systemctl'), manager);
    await machine.run('mv', '/usr/bin/systemctl', '/usr/bin/systemctl.real');
    await machine.run('install', '--mode=755', stub, '/usr/bin/systemctl');
    // .ci/run has packages of the machine start nothing.
    await machine.run('rm', '-f', '/usr/sbin/policy-rc.d');
    await machine.run('mkdir', '-p', '/run/systemd/system');
  });
  after(() => site?.close());

  async function build(name: string): Promise<string> {
    const out = site.folder(name);
    // Speed, not size.
    const how = ['deploy/debian/build.ts', '--out', out, '--compression', '0'];
    const env = {
      SOURCE_DATE_EPOCH: '1000000000',
      DEBEMAIL: 'packages@debian.org',
      TZ: `Etc/GMT+${name.length}`,
    };
    const { code, stdout, stderr } = await runInherited(process.execPath, how, { cwd: checkout, env });
    assert.equal(code, 0, stderr);
    return stdout.trim().split('\n').at(-1) ?? '';
  }

  /** The same as a later version. */
  async function repack(older: string): Promise<string> {
    const tree = join(site.folder('newer'), 'tree');
    await run('dpkg-deb', ['--raw-extract', older, tree], {});
    const control = join(tree, 'DEBIAN/control');
    writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, 'Version: 99.0'));
    const later = join(tree, '..', 'newer.deb');
    await run('dpkg-deb', ['-Znone', '--root-owner-group', '--build', tree, later], {});
    return later;
  }

  const exists = async (path: string) =>
    (await machine.run('sh', '-c', `[ -e ${path} ] && echo yes || true`)) !== '';
  const managerLog = async () => {
    const lines = await machine.run('sh', '-c', 'cat /manager.log; : > /manager.log');
    return lines.split('\n').filter((line) => /\b(?:re|try-re)?(?:start|stop)\b/.test(line));
  };

  test('is the same to the byte when it is built again', async (t) => {
    if (!hasNamespaces(t, programs)) return;
    assert.ok(readFileSync(deb).equals(readFileSync(await build('second'))));
  });

  test('has nothing that lintian calls an error', async (t) => {
    if (!hasNamespaces(t, programs)) return;
    const how = ['--allow-root', '--fail-on', 'error', '--tag-display-limit', '0'];
    const found = await run('lintian', [...how, deb], { HOME: site.folder('lintian') });
    assert.doesNotMatch(found, /^E:/m);
  });

  test('installs a program, a user, a folder of its own and a service that is enabled and started', async (t) => {
    if (!hasNamespaces(t, programs)) return;
    await machine.run('dpkg', '--install', deb);
    assert.match(await machine.run('entrepot', '--version'), /^\d+\.\d+\.\d+\n$/);
    assert.match(
      await machine.run('getent', 'passwd', 'entrepot'),
      /:\/var\/lib\/entrepot:\/usr\/sbin\/nologin\n$/,
    );
    assert.equal(
      await machine.run('stat', '--format', '%U:%G %a', '/var/lib/entrepot'),
      'entrepot:entrepot 700\n',
    );
    assert.ok(await exists('/etc/systemd/system/multi-user.target.wants/entrepot.service'));
    assert.ok((await managerLog()).some((line) => /\bstart\b.*entrepot\.service/.test(line)));
    assert.equal(await machine.run('dpkg', '--verify', 'entrepot'), '');
    for (const path of ['bash-completion/completions/entrepot', 'man/man5/entrepot.toml.5.gz']) {
      assert.ok(await exists(`/usr/share/${path}`), path);
    }
  });

  test('has a unit without a fault, whose command serves', async (t) => {
    if (!hasNamespaces(t, programs)) return;
    assert.equal(await machine.run('sh', '-c', `systemd-analyze verify ${unit} 2>&1`), '');
    const [, command = ''] = /^ExecStart=(.+)$/m.exec(await machine.run('cat', unit)) ?? [];
    const words = command.split(' ');
    // As the manager would run it: the user, and the variables of the unit.
    const variables = [...(await machine.run('cat', unit)).matchAll(/^Environment=(.+)$/gm)].map(
      ([, one = '']) => one,
    );
    const user = ['--reuid=entrepot', '--regid=entrepot', '--init-groups', 'env', ...variables];
    const how = [...user, 'HOME=/var/lib/entrepot', 'ENTREPOT_LISTEN=127.0.0.1:0', ...words];
    const running = await machine.start('setpriv', how, /"address":"([^"]+)".*"msg":"listening"/);
    t.after(() => running.stop());
    assert.equal((await get(`http://${running.announced}/v2/`)).status, 200);
    // The command finds the data folder of the service by itself.
    assert.match(await machine.run('entrepot', 'health'), /./);
    assert.deepEqual(await running.stop(), { code: 0, signal: null });
  });

  test('keeps configuration and data when it is upgraded, and restarts the service', async (t) => {
    if (!hasNamespaces(t, programs)) return;
    await machine.run('sh', '-c', 'echo "listen = \\"127.0.0.1:5999\\"" > /etc/entrepot/entrepot.toml');
    await machine.run('touch', '/var/lib/entrepot/kept');
    await managerLog();
    await machine.run('dpkg', '--install', newer);
    assert.equal(await machine.run('cat', '/etc/entrepot/entrepot.toml'), 'listen = "127.0.0.1:5999"\n');
    assert.match(await machine.run('entrepot', 'check'), /127\.0\.0\.1:5999/);
    assert.ok(await exists('/var/lib/entrepot/kept'));
    assert.ok((await managerLog()).some((line) => /\brestart\b.*entrepot\.service/.test(line)));
  });

  test('keeps both when it is removed, and nothing when it is purged', async (t) => {
    if (!hasNamespaces(t, programs)) return;
    await machine.run('dpkg', '--remove', 'entrepot');
    assert.ok((await managerLog()).some((line) => /\bstop\b.*entrepot\.service/.test(line)));
    assert.deepEqual(await Promise.all(['/usr/bin/entrepot', '/usr/lib/entrepot'].map(exists)), [
      false,
      false,
    ]);
    const kept = ['/var/lib/entrepot/kept', '/etc/entrepot/entrepot.toml'];
    assert.deepEqual(await Promise.all(kept.map(exists)), [true, true]);
    await machine.run('dpkg', '--purge', 'entrepot');
    const places = [
      '/var/lib/entrepot',
      '/etc/entrepot',
      '/etc/systemd/system/multi-user.target.wants/entrepot.service',
    ];
    assert.deepEqual(await Promise.all(places.map(exists)), [false, false, false]);
  });

  test('brings Node as its project has built it', async (t) => {
    if (!hasNamespaces(t, programs)) return;
    const installed = join(checkout, 'node_modules/node/bin/node');
    const listed = await run('dpkg-deb', ['--contents', deb], {});
    const line = listed.split('\n').find((one) => one.endsWith(' ./usr/lib/entrepot/node'));
    assert.ok(line?.includes(` ${statSync(installed).size} `));
  });
});
