/**
 * Builds the Debian package, with `dpkg-deb`. The same sources and packages give the same bytes.
 *
 *   node deploy/debian/build.ts [--out FOLDER] [--compression LEVEL] [--architecture x64|arm64 --node FILE]
 *
 * Node is inside, in /usr/lib/entrepot, because the one of Debian is too old. DEBFULLNAME and DEBEMAIL name the maintainer.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { bashCompletion } from '../../src/cli/completion/bash.ts';
import { commandTree } from '../../src/cli/completion/command-tree.ts';
import { fishCompletion } from '../../src/cli/completion/fish.ts';
import { zshCompletion } from '../../src/cli/completion/zsh.ts';
import { createProgram } from '../../src/cli/program.ts';
import { readVersion } from '../../src/cli/version.ts';
import { entriesOf } from '../build/entries.ts';
import { type Architecture, writeProgramTree } from '../build/program-tree.ts';
import { sourceDate } from '../build/source-date.ts';
import { manualPages } from '../man/manual-pages.ts';
import { changelog, control, copyright } from './metadata.ts';
import { packagedUnit } from './unit.ts';

const checkout = join(import.meta.dirname, '..', '..');
const here = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8');

interface Options {
  readonly out: string;
  /** Of xz: 0 to 9. Above 1, Node takes minutes. */
  readonly compression: number;
  readonly architecture: Architecture;
  readonly node: string | undefined;
}

/** Path of the package. */
function buildDebianPackage({ out, compression, architecture, node }: Options): string {
  const root = mkdtempSync(join(tmpdir(), 'entrepot-deb-'));
  try {
    const date = sourceDate(checkout, process.env);
    const version = readVersion();
    chmodSync(root, 0o755);
    writeProgramTree(join(root, 'usr/lib/entrepot'), { checkout, architecture, node });
    const place = (path: string, content: string | Buffer, mode = 0o644) =>
      placeFile(root, path, content, mode);
    place('usr/bin/entrepot', here('entrepot'), 0o755);
    place('usr/lib/systemd/system/entrepot.service', packagedUnit(checkout));
    place('etc/entrepot/entrepot.toml', here('entrepot.toml'));
    placeReading(place, version, date);
    const files = entriesOf(root).filter(({ entry }) => entry.isFile());
    const bytes = files.reduce((sum, { name }) => sum + statSync(join(root, name)).size, 0);
    place(
      'DEBIAN/control',
      control({ version, architecture, kibibytes: Math.ceil(bytes / 1024) }, process.env),
    );
    place('DEBIAN/conffiles', '/etc/entrepot/entrepot.toml\n');
    for (const name of ['postinst', 'prerm', 'postrm']) place(`DEBIAN/${name}`, here(name), 0o755);
    place('DEBIAN/md5sums', checksums(root));
    mkdirSync(out, { recursive: true });
    const deb = join(out, `entrepot_${version}_${architecture === 'x64' ? 'amd64' : architecture}.deb`);
    const how = ['--root-owner-group', '-Zxz', `-z${compression}`, '--build', root, deb];
    execFileSync('dpkg-deb', how, { env: { ...process.env, SOURCE_DATE_EPOCH: `${date}` }, stdio: 'pipe' });
    return deb;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Manual pages, completions and documents. */
function placeReading(
  place: (path: string, content: string | Buffer) => void,
  version: string,
  date: number,
): void {
  for (const [name, text] of manualPages({ version, date })) {
    place(`usr/share/man/man${name.slice(-1)}/${name}.gz`, gzipSync(text, { level: 9 }));
  }
  const tree = commandTree(createProgram([], () => {}));
  place('usr/share/bash-completion/completions/entrepot', bashCompletion(tree));
  place('usr/share/zsh/vendor-completions/_entrepot', zshCompletion(tree));
  place('usr/share/fish/vendor_completions.d/entrepot.fish', fishCompletion(tree));
  const document = (name: string, content: string | Buffer) =>
    place(`usr/share/doc/entrepot/${name}`, content);
  document('copyright', copyright(checkout));
  document('changelog.gz', gzipSync(changelog({ version, date }, process.env), { level: 9 }));
  document('examples/registries.conf', readFileSync(join(checkout, 'registries.conf.example')));
  place('usr/share/lintian/overrides/entrepot', here('lintian-overrides'));
}

function placeFile(root: string, path: string, content: string | Buffer, mode: number): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
  writeFileSync(file, content);
  chmodSync(file, mode);
}

/** As `dpkg --verify` reads them; configuration files are left out. */
function checksums(root: string): string {
  const files = entriesOf(root)
    .filter(({ name, entry }) => entry.isFile() && !/^(?:DEBIAN|etc)\//.test(name))
    .map(({ name }) => name);
  return execFileSync('md5sum', files, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: 'out' },
      compression: { type: 'string', default: '1' },
      architecture: { type: 'string', default: process.arch },
      node: { type: 'string' },
    },
  });
  const { out, compression, architecture, node } = values;
  if (architecture !== 'x64' && architecture !== 'arm64') throw new Error('--architecture is x64 or arm64');
  const deb = buildDebianPackage({ out, compression: Number(compression), architecture, node });
  process.stdout.write(`${deb}\n`);
}
