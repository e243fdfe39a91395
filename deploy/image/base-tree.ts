/**
 * The system below the program: the C and C++ libraries, certificates, and the few files that name users and hosts. It is unpacked from
 * Debian's packages and has no shell and no package manager. Scanners find the packages in /var/lib/dpkg/status.d.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { entriesOf } from '../build/entries.ts';
import type { Architecture } from '../build/program-tree.ts';

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Of the file *.deb, in hexadecimal. */
  readonly sha256: string;
}

const wanted = ['base-files', 'ca-certificates', 'libc6', 'libgcc-s1', 'libstdc++6'];
/** Of the packages: what the program and scanners read. */
const kept =
  /^(?:etc\/(?:debian_version|os-release)|usr\/lib\/os-release|(?:usr\/)?lib(?:64)?\/(?!.*(?:gconv|audit)\/)|usr\/share\/doc\/[^/]+\/copyright$|usr\/share\/ca-certificates\/)/;

/** Numbers of the user that the image starts as. Any other number works with group 0. */
export const user = { uid: 1000, gid: 0 };

/** Fetches the packages into `folder` as apt of this machine finds and verifies them. Those of another architecture need lists of their own. */
export function downloadPackages(folder: string, architecture: Architecture): void {
  const suffix = architecture === 'x64' ? 'amd64' : architecture;
  const apt = (...args: string[]) =>
    execFileSync('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', ...args], {
      cwd: folder,
      stdio: 'pipe',
    });
  if (architecture === process.arch) return void apt('download', ...wanted);
  const state = mkdtempSync(join(tmpdir(), 'entrepot-apt-'));
  try {
    const settings = [`APT::Architecture=${suffix}`, `APT::Architectures=${suffix}`];
    const places = [`Dir::State::lists=${state}/lists`, `Dir::Cache=${state}/cache`];
    for (const name of ['lists', 'cache/archives'])
      mkdirSync(join(state, name, 'partial'), { recursive: true });
    const options = [...settings, ...places].flatMap((setting) => ['-o', setting]);
    apt(...options, 'update');
    apt(...options, 'download', ...wanted);
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

/** Fills `root` from the packages (*.deb) in `folder`; says which they are, by name. Throws if one is missing. */
export function writeBaseTree(root: string, folder: string): readonly DebianPackage[] {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('.deb'))
    .toSorted();
  const packages = files.map((name) => unpack(join(folder, name), root));
  const absent = wanted.filter((name) => !packages.some((one) => one.name === name));
  if (absent.length > 0) throw new Error(`${folder} lacks packages: ${absent.join(', ')}`);
  const place = (path: string, content: string, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content, { mode });
  };
  place(
    'etc/passwd',
    `root:x:0:0:root:/:/sbin/nologin\nentrepot:x:${user.uid}:${user.gid}:Entrepot:/var/lib/entrepot:/sbin/nologin\n`,
  );
  place('etc/group', 'root:x:0:\n');
  place('etc/nsswitch.conf', 'hosts: files dns\n');
  place('etc/ssl/certs/ca-certificates.crt', certificates(root));
  for (const name of ['tmp', 'var/lib/entrepot']) mkdirSync(join(root, name), { recursive: true });
  chmodTree(root);
  chmodSync(join(root, 'tmp'), 0o1777);
  chmodSync(join(root, 'var/lib/entrepot'), 0o770);
  return packages;
}

function unpack(deb: string, root: string): DebianPackage {
  const unpacked = mkdtempSync(join(tmpdir(), 'entrepot-deb-'));
  try {
    execFileSync('dpkg-deb', ['--extract', deb, unpacked]);
    const list = execFileSync('dpkg-deb', ['--field', deb, 'Package', 'Version', 'Architecture'], {
      encoding: 'utf8',
    });
    const field = (name: string) => new RegExp(`^${name}: (.+)$`, 'm').exec(list)?.[1] ?? '';
    for (const { name, entry } of entriesOf(unpacked)) {
      if (!entry.isDirectory() && kept.test(name)) move(join(unpacked, name), join(root, merged(name)));
    }
    const status = join(root, 'var/lib/dpkg/status.d', field('Package'));
    mkdirSync(dirname(status), { recursive: true });
    writeFileSync(status, execFileSync('dpkg-deb', ['--field', deb]));
    const sha256 = createHash('sha256').update(readFileSync(deb)).digest('hex');
    return { name: field('Package'), version: field('Version'), architecture: field('Architecture'), sha256 };
  } finally {
    rmSync(unpacked, { recursive: true, force: true });
  }
}

/** Debian 12 has /lib and /lib64 inside /usr, and packages that name them outside. */
function merged(name: string): string {
  return name.replace(/^lib(64)?\//, 'usr/lib$1/');
}

function move(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  execFileSync('cp', ['--no-dereference', from, to]);
}

/** As update-ca-certificates writes them, in the order of their names. */
function certificates(root: string): string {
  const folder = join(root, 'usr/share/ca-certificates/mozilla');
  return readdirSync(folder)
    .toSorted()
    .map((name) => readFileSync(join(folder, name), 'utf8').trimEnd())
    .join('\n')
    .concat('\n');
}

/** Modes and links that packages do not bring. */
function chmodTree(root: string): void {
  for (const name of ['lib', 'lib64']) symlinkSync(`usr/${name}`, join(root, name));
  chmodSync(root, 0o755);
  for (const { name, entry } of entriesOf(root)) {
    const path = join(root, name);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    else if (entry.isFile()) chmodSync(path, /\/ld-[^/]*$/.test(path) ? 0o755 : 0o644);
  }
}
