/**
 * The program as packages and images bring it, copied into a folder: what `npm run build` compiles, the packages that it needs at run
 * time as `npm ci` has installed them, and Node itself. Nothing is fetched and nothing is run but the compiler, so that the tree of
 * another architecture can be made, too.
 *
 *   FOLDER/node            the program of the npm package `node`, byte for byte
 *   FOLDER/dist            main.js and the rest
 *   FOLDER/node_modules    without development packages, and without binaries for other systems
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { entriesOf } from './entries.ts';

export type Architecture = 'x64' | 'arm64';

export interface ProgramTree {
  readonly checkout: string;
  readonly architecture: Architecture;
  /** The program `node` for the architecture; as installed here unless given. */
  readonly node?: string | undefined;
}

interface LockedPackage {
  readonly dev?: true;
  readonly devOptional?: true;
  readonly optional?: true;
}

/** Beside dist and node_modules. */
const documents = ['package.json', 'LICENSE', 'registries.conf.example'];

/** Fills `folder`, which must not exist yet. */
export function writeProgramTree(folder: string, { checkout, architecture, node }: ProgramTree): void {
  mkdirSync(folder, { recursive: true });
  const compiler = join(checkout, 'node_modules/typescript/bin/tsc');
  const options = ['-p', 'tsconfig.build.json', '--sourceMap', 'false', '--outDir', join(folder, 'dist')];
  execFileSync(process.execPath, [compiler, ...options], { cwd: checkout, stdio: 'inherit' });
  // What the pages of the dashboard load, as `npm run build` copies it.
  for (const { name } of entriesOf(join(checkout, 'src'))) {
    if (/\/assets\/[^/]+\.(?:css|js|svg)$/.test(name))
      placeCopy(join(checkout, 'src', name), join(folder, 'dist', name));
  }
  for (const name of documents) copyFileSync(join(checkout, name), join(folder, name));
  for (const path of packagesAtRunTime(checkout)) copyPackage(checkout, path, folder);
  keepBinariesOf(architecture, join(folder, 'node_modules/better-sqlite3'));
  copyFileSync(node ?? installedNode(checkout, architecture), join(folder, 'node'));
  normalizeModes(folder);
  for (const program of ['node', 'dist/main.js']) chmodSync(join(folder, program), 0o755);
}

function placeCopy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
}

/** Paths such as `node_modules/pg`, in the order of the lock file. */
export function packagesAtRunTime(checkout: string): readonly string[] {
  const { packages } = JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, LockedPackage>>;
  };
  const paths = Object.keys(packages).filter((path) => {
    const { dev, devOptional } = packages[path] ?? {};
    return path !== '' && dev === undefined && devOptional === undefined;
  });
  const absent = paths.filter((path) => !existsSync(join(checkout, path)) && !packages[path]?.optional);
  if (absent.length > 0) throw new Error(`run "npm ci" first: ${absent.join(', ')} is not installed`);
  return paths.filter((path) => existsSync(join(checkout, path)));
}

/** What the program does not read: tests, documents, types, command lines, settings of editors. Licences stay. */
const unread =
  /^\/(?:test|tests|docs|doc|examples?|benchmarks?|bin|tools)(?:\/|$)|\/\.[^/]+|\.(?:map|sh|md|markdown|html|ts|mts|cts)$/;

/** Without packages inside it, which have entries of their own. */
function copyPackage(checkout: string, path: string, folder: string): void {
  const from = join(checkout, path);
  const isWanted = (name: string) => !name.startsWith('/node_modules') && !unread.test(name);
  cpSync(from, join(folder, path), { recursive: true, filter: (file) => isWanted(file.slice(from.length)) });
}

/** SQLite's sources and its binaries for other systems are half of the tree. */
function keepBinariesOf(architecture: Architecture, folder: string): void {
  const wanted = `linux-${architecture}.node`;
  for (const name of ['deps', 'src']) rmSync(join(folder, name), { recursive: true, force: true });
  const prebuilds = join(folder, 'prebuilds');
  for (const name of readdirSync(prebuilds)) if (name !== wanted) rmSync(join(prebuilds, name));
  if (!existsSync(join(prebuilds, wanted))) throw new Error(`better-sqlite3 has no ${wanted}`);
}

function installedNode(checkout: string, architecture: Architecture): string {
  if (architecture !== process.arch) {
    throw new Error(`Node for ${architecture} must be given: node_modules has it for ${process.arch} only`);
  }
  return realpathSync(join(checkout, 'node_modules/node/bin/node'));
}

/** Modes depend on the umask of the machine. */
function normalizeModes(folder: string): void {
  chmodSync(folder, 0o755);
  for (const { name, entry } of entriesOf(folder)) {
    const path = join(folder, name);
    if (entry.isSymbolicLink()) throw new Error(`${path} is a link`);
    chmodSync(path, entry.isDirectory() ? 0o755 : 0o644);
  }
}
