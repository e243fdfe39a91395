/**
 * Which files are read, and in what order (containers-registries.conf(5) as of image library 5.40, podman 6):
 *
 *   main file     --registries, else $CONTAINERS_REGISTRIES_CONF: that file, without the usual drop-ins
 *                 else the first that exists below: user, /etc/containers, /usr/share/containers
 *   drop-ins      --registries-dir alone, where it is given; otherwise, highest priority first:
 *                 user              registries.conf.d
 *                 /etc, /usr/share  registries.rootful.conf.d (root) or registries.rootless.conf.d/UID and
 *                                   registries.rootless.conf.d (others), then registries.conf.d
 *                 Of files with the same base name only the one of highest priority is read. All that remain are read in
 *                 the order of their base names: an empty /etc/.../10-x.conf masks /usr/share/.../10-x.conf.
 *   last          $CONTAINERS_REGISTRIES_CONF_OVERRIDE, unless --registries-dir is given
 *
 * The user's files are in $XDG_CONFIG_HOME/containers, or ~/.config/containers where that is not set.
 */
import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EntrepotError } from '../../errors.ts';
import { systemCode } from '../../lib/thrown.ts';
import { isMissing, readTextFile } from '../files/text-file.ts';

export interface SearchOptions {
  /** A file named by the user. */
  readonly registries?: string | undefined;
  /** A folder of drop-ins named by the user. */
  readonly registriesDir?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly uid: number;
  /** Stands before /etc and /usr/share; empty but in tests. */
  readonly root?: string | undefined;
}

export interface FoundFile {
  readonly file: string;
  readonly text: string;
}

const mainVariable = 'CONTAINERS_REGISTRIES_CONF';
const overrideVariable = 'CONTAINERS_REGISTRIES_CONF_OVERRIDE';

/** Whether all that was read came with the system: nobody named a file, and the user has none of their own. */
export function isOfSystem(options: SearchOptions, files: readonly string[]): boolean {
  const { registries, registriesDir, env } = options;
  if (registries !== undefined || registriesDir !== undefined || env[mainVariable]) return false;
  return files.every((file) => systemDirectories(options).some((folder) => file.startsWith(`${folder}/`)));
}

interface Places {
  /** The main file that somebody names; then no other is looked for. */
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

/** All files and directories that are looked at, whether they exist or not. */
export function registriesPlaces(options: SearchOptions): readonly string[] {
  const { named, directories, override } = placesOf(options);
  const main = named === undefined ? mainFiles(options) : [named];
  return [...main, ...directories, ...(override === undefined ? [] : [override])];
}

/** In reading order; none where there is no file at all. Throws EntrepotError CONFIG_UNREADABLE. */
export function findRegistriesFiles(options: SearchOptions): FoundFile[] {
  const { named, directories, override } = placesOf(options);
  const main =
    named === undefined
      ? firstThatExists(mainFiles(options))
      : readNamed(named, options.registries === undefined ? mainVariable : '--registries');

  const dropIns = dropInFiles(directories).flatMap((file) => {
    const text = readTextFile(file);
    return text === undefined ? [] : [{ file, text }];
  });

  return [
    ...(main === undefined ? [] : [main]),
    ...dropIns,
    ...(override === undefined ? [] : [readNamed(override, overrideVariable)]),
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

/** Empty where there is no such folder. */
function list(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (isMissing(error)) return [];
    const message = `cannot be listed: ${systemCode(error) ?? String(error)}; every drop-in folder must be readable`;
    throw new EntrepotError('CONFIG_UNREADABLE', message, { file: directory, cause: error });
  }
}

function firstThatExists(files: readonly string[]): FoundFile | undefined {
  for (const file of files) {
    const text = readTextFile(file);
    if (text !== undefined) return { file, text };
  }
  return undefined;
}

function readNamed(file: string, source: string): FoundFile {
  const text = readTextFile(file);
  if (text !== undefined) return { file, text };
  throw new EntrepotError('CONFIG_UNREADABLE', `does not exist, but ${source} names it`, { file });
}
