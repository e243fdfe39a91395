/**
 * The files to read, in order (containers-registries.conf(5) as of image library 5.40, podman 6):
 *
 *   main file     --registries, else $CONTAINERS_REGISTRIES_CONF: that file, without the usual drop-ins
 *                 else the first that exists of: user, /etc/containers, /usr/share/containers
 *   drop-ins      if --registries-dir is given, only those of that folder; otherwise, highest priority first:
 *                 user              registries.conf.d
 *                 /etc, /usr/share  registries.rootful.conf.d (root) or registries.rootless.conf.d/UID and
 *                                   registries.rootless.conf.d (others), then registries.conf.d
 *                 Of files with the same base name, only the one of highest priority is read: an empty
 *                 /etc/.../10-x.conf masks /usr/share/.../10-x.conf. They are read in the order of their base names.
 *   last          $CONTAINERS_REGISTRIES_CONF_OVERRIDE, unless --registries-dir is given
 *
 * The files of the user are in $XDG_CONFIG_HOME/containers, or in ~/.config/containers if that is not set.
 */
import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EntrepotError } from '../../errors.ts';
import { systemCode } from '../../lib/thrown.ts';
import { type Drafts, readWithDrafts } from '../files/drafts.ts';
import { isMissing } from '../files/text-file.ts';

/** What the search depends on. */
export interface SearchOptions {
  /** The file of --registries. */
  readonly registries?: string | undefined;
  /** The folder of --registries-dir. */
  readonly registriesDir?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly uid: number;
  /** A folder in place of `/`, for tests. */
  readonly root?: string | undefined;
  /** Texts that stand for those of files, by path (`files/drafts.ts`). */
  readonly drafts?: Drafts | undefined;
}

/** A file and its text. */
export interface FoundFile {
  readonly file: string;
  readonly text: string;
}

const mainVariable = 'CONTAINERS_REGISTRIES_CONF';
const overrideVariable = 'CONTAINERS_REGISTRIES_CONF_OVERRIDE';

/** True if all `files` came with the system: no flag or variable names one, and none is in the folder of the user. */
export function isOfSystem(options: SearchOptions, files: readonly string[]): boolean {
  const { registries, registriesDir, env } = options;
  if (registries !== undefined || registriesDir !== undefined || env[mainVariable]) return false;
  return files.every((file) => systemDirectories(options).some((folder) => file.startsWith(`${folder}/`)));
}

interface Places {
  /** The main file of a flag or variable; the search for others is then skipped. */
  readonly named: string | undefined;
  readonly directories: readonly string[];
  readonly override: string | undefined;
}

function placesOf(options: SearchOptions): Places {
  const { registries, registriesDir, env } = options;
  const named = registries ?? (env[mainVariable] || undefined);
  const usual = named === undefined ? dropInDirectories(options) : [];
  return {
    named,
    directories: registriesDir === undefined ? usual : [registriesDir],
    override: registriesDir === undefined ? env[overrideVariable] || undefined : undefined,
  };
}

/** All files and directories of the search, whether or not they exist. */
export function registriesPlaces(options: SearchOptions): readonly string[] {
  const { named, directories, override } = placesOf(options);
  const main = named === undefined ? mainFiles(options) : [named];
  return [...main, ...directories, ...(override === undefined ? [] : [override])];
}

/** The files in reading order; empty if there is none. Throws EntrepotError CONFIG_UNREADABLE. */
export function findRegistriesFiles(options: SearchOptions): FoundFile[] {
  const { named, directories, override } = placesOf(options);
  const main =
    named === undefined
      ? firstThatExists(mainFiles(options), options.drafts)
      : readNamed(named, options.registries === undefined ? mainVariable : '--registries', options.drafts);

  const dropIns = dropInFiles(directories).flatMap((file) => {
    const text = readWithDrafts(file, options.drafts);
    return text === undefined ? [] : [{ file, text }];
  });

  return [
    ...(main === undefined ? [] : [main]),
    ...dropIns,
    ...(override === undefined ? [] : [readNamed(override, overrideVariable, options.drafts)]),
  ];
}

function mainFiles(options: SearchOptions): string[] {
  return [userDirectory(options), ...systemDirectories(options)].map((folder) =>
    join(folder, 'registries.conf'),
  );
}

/** Highest priority first. */
function dropInDirectories(options: SearchOptions): string[] {
  const { uid } = options;
  const special =
    uid === 0
      ? ['registries.rootful.conf.d']
      : [join('registries.rootless.conf.d', String(uid)), 'registries.rootless.conf.d'];
  const system = [...(uid < 0 ? [] : special), 'registries.conf.d'];
  return [
    join(userDirectory(options), 'registries.conf.d'),
    ...systemDirectories(options).flatMap((folder) => system.map((name) => join(folder, name))),
  ];
}

function userDirectory({ env, home }: SearchOptions): string {
  return join(env.XDG_CONFIG_HOME ?? join(home, '.config'), 'containers');
}

function systemDirectories({ root = '' }: SearchOptions): string[] {
  return [`${root}/etc/containers`, `${root}/usr/share/containers`];
}

function dropInFiles(directories: readonly string[]): string[] {
  const byName = new Map<string, string>();
  for (const directory of directories.toReversed()) {
    for (const entry of list(directory)) {
      if (entry.isDirectory() || !entry.name.endsWith('.conf')) continue;
      byName.set(entry.name, join(directory, entry.name));
    }
  }
  const names = [...byName.keys()].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));
  return names.flatMap((name) => byName.get(name) ?? []);
}

/** Empty if there is no such folder. */
function list(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    const code = systemCode(error);
    const problem = code === 'ENOTDIR' ? 'it, or a folder above it, is a file' : (code ?? String(error));
    const message = `cannot be listed: ${problem}; every drop-in folder must be readable`;
    throw new EntrepotError('CONFIG_UNREADABLE', message, { file: directory, cause: error });
  }
}

function firstThatExists(files: readonly string[], drafts: Drafts | undefined): FoundFile | undefined {
  for (const file of files) {
    const text = readWithDrafts(file, drafts);
    if (text !== undefined) return { file, text };
  }
  return undefined;
}

function readNamed(file: string, source: string, drafts: Drafts | undefined): FoundFile {
  const text = readWithDrafts(file, drafts);
  if (text !== undefined) return { file, text };
  throw new EntrepotError('CONFIG_UNREADABLE', `does not exist, but ${source} names it`, { file });
}
